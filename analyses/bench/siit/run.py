"""Train the population of models with known mechanism, verify it, and store what passed.

    mechprobe bench siit --out DIR

What is there already is kept, so that the same command goes on where it stopped. In DIR come
trained.safetensors and truth.json; the package's own copies lie in analyses/bench/siit/data.
"""

from collections import Counter
from pathlib import Path

from mechprobe.analyses.bench.siit.grid import stacks
from mechprobe.analyses.bench.siit.store import TRUTH, WEIGHTS, Truth, keep
from mechprobe.analyses.common.resume import finish

VERSION = 1  # of what a stack's training computes
COMMAND = "mechprobe bench siit --out DIR"


def report(truth: Truth) -> str:
    """How many passed, by architecture and causal model, and what failed."""
    kinds = Counter((one.architecture, one.causal.name) for one in truth.models)
    lines = [f"{number:3d} {name}, {kind}" for (name, kind), number in sorted(kinds.items())]
    lines += [f"failed {name}: {why}" for name, why in truth.failed.items()]
    total = len(truth.models) + len(truth.failed)
    return "\n".join([*lines, f"{len(truth.models)} of {total} models passed"])


def run(out: Path) -> None:
    """Train, verify, store and print.

    Args:
        out: folder of the population.
    """
    wanted = stacks()
    made = finish(out, wanted, "strict training", VERSION)
    truth = keep(out, wanted, [made[stack] for stack in wanted], COMMAND)
    print(report(truth))
    print(f"wrote {out / WEIGHTS} and {out / TRUTH}")
