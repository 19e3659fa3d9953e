"""The page of the study, and its main figure as a picture of its own."""

from pathlib import Path

from mechprobe.analyses.studies.positional_semantic import patterns, sources, tables, words
from mechprobe.analyses.studies.positional_semantic.contents import PositionalSemantic, Start
from mechprobe.analyses.studies.positional_semantic.patterns import spelt
from mechprobe.models.base.files import write_text, write_whole
from mechprobe.probes.counting.kinds import COUNTING
from mechprobe.probes.effects import LEAST, ONE_SIDED
from mechprobe.reports.layout import fill
from mechprobe.reports.parts import Part, drawn

TEMPLATES = Path(__file__).parent / "templates"
DPI = 130  # of the picture
SHOWN: dict[Start, tuple[str, str]] = {
    "only_pos": ("positional", "Attention of a positional model"),
    "only_sem": ("semantic", "Attention of a semantic model"),
    "both": ("free", "Attention of a free model"),
}


def write_page(study: PositionalSemantic, path: Path) -> Path:
    """Write the page, whole or not at all.

    Raises:
        MechprobeError: it cannot be written.
    """
    write_text(path, render(study))
    return path


def write_picture(study: PositionalSemantic, path: Path) -> Path:
    """Write the attention matrices of one model of each kind as a PNG, whole or not at all.

    Raises:
        MechprobeError: it cannot be written.
    """
    figure = patterns.main_figure(study)
    write_whole(path, lambda p: figure.savefig(p, format="png", dpi=DPI, facecolor="white"))
    return path


def render(study: PositionalSemantic) -> str:
    """The study as one HTML page that loads nothing from elsewhere."""
    return fill(
        "page.html.j2",
        styles=["studies.css"],
        folder=TEMPLATES,
        study=study,
        budget=tables.budget(study),
        demands=tables.demands(study),
        parts=parts(study),
        positional=COUNTING.kinds["positional"].meaning,
        least=LEAST,
        one_sided=ONE_SIDED,
    )


def parts(study: PositionalSemantic) -> list[Part]:
    """All of them, drawn."""
    return [
        Part("accuracy", "Accuracy", words.accuracy(study), tables=[tables.accuracies(study)]),
        *[_attention(study, start) for start in SHOWN if study.stage(start)],
        drawn(
            "sources", "Where attention scores come from",
            words.sources(study), sources.shares(study),
            "Stacked shares of the scores' variance of every model, before and after unfreezing,"
            " and a plane of the semantic and the positional amplitude",
            tables.sources(study),
        ),
        drawn(
            "kept", "Is one source enough?",
            words.kept(study), sources.kept(study),
            "Accuracy of every model untouched, with the positional part of attention alone, with"
            " the semantic part alone and with neither",
            tables.kept(study),
        ),
        Part(
            "distance", "Distance moved",
            words.distances(study), tables=[tables.distances(study)],
        ),
        Part(
            "labels", "Labels before and after",
            words.labels(study), tables=[tables.labels(study)],
        ),
        Part(
            "ends", "Where free training ends", words.free(study),
            tables=[tables.free(study), tables.everything(study)],
        ),
    ]  # fmt: skip


def _attention(study: PositionalSemantic, start: Start) -> Part:
    """Matrices of the first seed, before and after."""
    anchor, title = SHOWN[start]
    before, after = study.stage(start)[0], study.stage(start, True)[:1]
    stages = [("before", before)] if after else [("from scratch", before)]
    rows = [(stage, model.patterns) for stage, model in [*stages, *(("after", m) for m in after)]]
    letters = ", ".join(spelt(tokens) for tokens in study.examples)
    return drawn(
        anchor,
        f"{title} ({before.name})",
        words.pattern(study, start),
        patterns.draw(rows, study.examples),
        f"Matrices of attention weights in per cent on the sequences {letters}; cells of equal"
        f" tokens framed. {' '.join(words.pattern(study, start))}",
    )
