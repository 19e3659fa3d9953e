"""How long `import mechprobe` and the command's help take, beside Python itself and torch.

    python -m mechprobe.analyses.bench.imports

The best of several fresh processes each; all in one environment, so that ratios can be compared.
"""

import subprocess
import sys
import time

LIMIT = 0.25  # of the time that torch takes to import, for the help page
ROUNDS = 7
COMMANDS = {
    "python -c pass": "pass",
    "import mechprobe": "import mechprobe",
    "mechprobe --help": (
        "import sys; sys.argv[1:] = ['--help'];"
        "from mechprobe.analyses.commands.main import main; main()"
    ),
    "import torch": "import torch",
}


def seconds(code: str) -> float:
    """Wall time of a fresh Python that runs some code."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print a table; exit code 1 where the help page waits for something heavy."""
    # In turns, so that other work on the machine slows all of them alike.
    rounds = [{name: seconds(code) for name, code in COMMANDS.items()} for _ in range(ROUNDS)]
    best = {name: min(found[name] for found in rounds) for name in COMMANDS}
    bare, torch = best["python -c pass"], best["import torch"]
    print(f"{'':18s} {'ms':>7s} {'to bare Python':>15s} {'to import torch':>16s}")
    for name, taken in best.items():
        print(f"{name:18s} {taken * 1e3:7.0f} {taken / bare:15.1f} {taken / torch:16.2f}")
    sys.exit(0 if best["mechprobe --help"] <= LIMIT * torch else 1)


if __name__ == "__main__":
    main()
