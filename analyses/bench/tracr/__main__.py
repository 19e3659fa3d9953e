"""Compile the programs and store them, or label those that are stored for the documentation.

    python -m mechprobe.analyses.bench.tracr --compile DIR
    python -m mechprobe.analyses.bench.tracr --docs docs

The first needs tracr (`pip install mechprobe[compiled]`) and writes weights.safetensors and
programs.json; the package's own copies lie in analyses/bench/tracr/data. The second needs no tracr
and puts the tables into docs/formats/tracr.md.
"""

import argparse
from importlib.metadata import version
from pathlib import Path

from mechprobe.analyses.bench.shell import from_shell

from mechprobe.analyses.bench.tracr.page import labelled, refresh
from mechprobe.analyses.bench.tracr.programs import PROGRAMS
from mechprobe.analyses.bench.tracr.store import Compiled, keep
from mechprobe.analyses.bench.tracr.truth import TRUTH
from mechprobe.analyses.bench.tracr.verify import verify
from mechprobe.models import MechprobeError
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.foreign.tracr import model_of, parts_of

SIZES = ((4, 5), (6, 4), (6, 6))


def compiled(program: str, T: int, L: int) -> tuple[Compiled, Weights]:
    """Compile a program and check it.

    Raises:
        MechprobeError: tracr is not installed, or the program does not do what is said of it.
    """
    try:
        from tracr.compiler.compiling import compile_rasp_to_model
    except ImportError:
        raise MechprobeError("tracr is not installed; pip install mechprobe[compiled]") from None
    made = compile_rasp_to_model(PROGRAMS[program](T, L), vocab=set(range(T)), max_seq_len=L)
    description, weights = parts_of(made)
    model = model_of(description, weights)
    verified = verify(model, description.residual_labels, TRUTH[program])
    one = Compiled(program=program, T=T, L=L, description=description, verified=verified)
    for case, found in verified.items():
        if found.accuracy < 1:
            raise MechprobeError(f"{one.name}: {case} in {found.accuracy:.3f} of the interchanges")
    return one, weights


def main() -> None:
    """Run from the shell."""
    parser = argparse.ArgumentParser(description="Programs that count, compiled by tracr.")
    parser.add_argument("--compile", type=Path, metavar="DIR", help="compile and store them here")
    parser.add_argument("--docs", type=Path, help="put tables into the documentation here")
    given = parser.parse_args()
    if given.compile is not None:
        made = {}
        for program in PROGRAMS:
            for T, L in SIZES:
                one, weights = compiled(program, T, L)
                made[one.name] = one, weights
                print(f"{one.name}: {len(one.verified)} cases hold")
        keep(
            given.compile, made, f"mechprobe, of programs compiled by tracr {version('tracr-pypi')}"
        )
    if given.docs is not None:
        refresh(given.docs, labelled())


if __name__ == "__main__":
    from_shell(main)
