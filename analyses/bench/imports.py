"""How long `import mechprobe` and the command take before they work, beside Python and torch.

    mechprobe bench imports

CPU time, user and system, of fresh processes; medians of several rounds, in which all take turns:
ratios within one environment can be compared, times of several machines cannot.
"""

import os
import subprocess
import sys
from statistics import median

ROUNDS = 7
COMMAND = "from mechprobe.analyses.commands.main import main; main()"
# What is run, and how much of the time that torch takes to import it may need.
WORK: dict[str, tuple[str, float | None]] = {
    "python -c pass": ("pass", None),
    "import mechprobe": ("import mechprobe", None),
    "mechprobe --help": (f"import sys; sys.argv[1:] = ['--help']; {COMMAND}", 0.2),
    "mechprobe probes": (f"import sys; sys.argv[1:] = ['probes']; {COMMAND}", 1.2),
    "import torch": ("import torch", None),
}


def cpu_seconds(code: str) -> float:
    """CPU time of a fresh Python that runs some code."""
    before = os.times()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return (after.children_user + after.children_system) - (
        before.children_user + before.children_system
    )


def run() -> int:
    """Print a table; 1 where a command waits for something heavy."""
    rounds = [{name: cpu_seconds(code) for name, (code, _) in WORK.items()} for _ in range(ROUNDS)]
    taken = {name: median(found[name] for found in rounds) for name in WORK}
    bare, torch = taken["python -c pass"], taken["import torch"]
    print(f"{'':18s} {'ms':>7s} {'to bare Python':>15s} {'to import torch':>16s} {'at most':>8s}")
    slow = False
    for name, seconds in taken.items():
        limit = WORK[name][1]
        slow = slow or (limit is not None and seconds > limit * torch)
        told = "" if limit is None else f"{limit:8.2f}"
        print(
            f"{name:18s} {seconds * 1e3:7.0f} {seconds / bare:15.1f} {seconds / torch:16.2f} {told}"
        )
    return int(slow)
