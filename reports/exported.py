"""Figures of a run as files for papers, each with its data beside it."""

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from matplotlib import rc_context
from tqdm import tqdm

from mechprobe.models import MechprobeError
from mechprobe.models.base.errors import short
from mechprobe.models.base.files import write_text, write_whole
from mechprobe.models.base.registry import nearest
from mechprobe.probes.registry import all_probes
from mechprobe.probes.results import COLUMN, ProbeResult
from mechprobe.probes.runs import load_run

Format = Literal["pdf", "svg", "png"]
DPI = 300  # of PNGs
# The same figure gives the same bytes: no date, names from the contents, letters as letters.
PLAIN: dict[str, dict[str, None]] = {
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
    "png": {},
}
SETTINGS: Any = {"svg.hashsalt": "mechprobe", "pdf.fonttype": 42}


def write_figures(
    run: str | Path,
    out: str | Path | None = None,
    format: Format = "pdf",
    width: float | None = COLUMN,
    models: Collection[str] = (),
    probes: Collection[str] = (),
) -> list[Path]:
    """Write every figure of a run, and what it is drawn from, as OUT/MODEL/PROBE.pdf and .csv.

    Args:
        run: a run folder.
        out: where to; `figures` in the run where left out.
        format: of the figures.
        width: of each panel in inches, panels below each other; None for the size reports have.
        models: names of those to draw, all where empty.
        probes: names of those to draw, all where empty.

    Returns:
        The figures' files.

    Raises:
        MechprobeError: no run there, an unknown model or probe, a probe that failed to draw, or
            the files cannot be written.
    """
    if format not in PLAIN:
        raise MechprobeError(f"format {short(repr(format))}: choose from {', '.join(PLAIN)}")
    _, results = load_run(run)
    known = all_probes()
    _refuse_unknown("model", models, [result.name for result in results])
    _refuse_unknown("probe", probes, list(known))
    folder = Path(run) / "figures" if out is None else Path(out)
    jobs = [
        (folder / result.name / f"{found.probe}.{format}", found)
        for result in results
        for found in result.probes
        if (not models or result.name in models)
        and (not probes or found.probe in probes)
        and found.probe in known
        and known[found.probe].draw is not None
    ]
    for file, found in tqdm(jobs, desc="drawing", file=sys.stderr, delay=2.0, leave=False):
        _write(file, found, format, width)
    return [file for file, _ in jobs]


def _write(file: Path, result: ProbeResult, format: Format, width: float | None) -> None:
    with rc_context(SETTINGS):
        figure = result.figure(width=width)
        write_whole(
            file,
            lambda path: figure.savefig(path, format=format, dpi=DPI, metadata=PLAIN[format]),
        )
    write_text(file.with_suffix(".csv"), result.arrays_to_frame().to_csv(index=False))


def _refuse_unknown(kind: str, asked: Collection[str], known: Collection[str]) -> None:
    for name in asked:
        if name not in known:
            raise MechprobeError(f"{kind} {short(repr(name))} is unknown; {nearest(name, known)}")
