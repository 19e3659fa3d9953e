"""Compile the programs and store them, or label those that are stored for the documentation.

    mechprobe bench tracr --compile DIR
    mechprobe bench tracr --docs docs

The first needs tracr (`pip install mechprobe[compiled]`) and writes weights.safetensors and
programs.json; the package's own copies lie in analyses/bench/tracr/data. The second needs no tracr
and puts the tables into docs/formats/tracr.md.
"""

from importlib.metadata import version
from pathlib import Path

from mechprobe.analyses.bench.tracr.page import labelled, refresh
from mechprobe.analyses.bench.tracr.programs import PROGRAMS
from mechprobe.analyses.bench.tracr.store import Compiled, keep
from mechprobe.analyses.bench.tracr.truth import TRUTH
from mechprobe.analyses.bench.tracr.verify import verify
from mechprobe.analyses.common.console import tell
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


def compile_all(folder: Path) -> None:
    """Compile every program at every size, check it, and store all of them.

    Args:
        folder: where to.

    Raises:
        MechprobeError: as `compiled`, or the folder cannot be written.
    """
    made = {}
    for program in PROGRAMS:
        for T, L in SIZES:
            one, weights = compiled(program, T, L)
            made[one.name] = one, weights
            tell(f"{one.name}: {len(one.verified)} cases hold")
    keep(folder, made, f"mechprobe, of programs compiled by tracr {version('tracr-pypi')}")


def describe(docs: Path) -> None:
    """Label what the package has, and put the tables into the documentation."""
    refresh(docs, labelled())
