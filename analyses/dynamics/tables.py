"""Tables of the page and of the command: the runs side by side, a run snapshot by snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass

from mechprobe.analyses.dynamics import words
from mechprobe.analyses.dynamics.study import Run, Study
from mechprobe.probes.formation import Precedence
from mechprobe.probes.snapshots import Snapshot
from mechprobe.reports.formatting import MISSING, number, percent

# Heading, and the number it shows, in a run's table; the command has the evidence alone.
EVIDENCE = {
    "κ": "kappa",
    "shared": "shared",
    "private": "private",
    "lost": "lost",
    "own slope": "own_slope",
    "token share": "token_share",
}
MEASURES = {
    "coherence": "mutual-coherence.coherence",
    "shared count variance": "counting-subspace.shared_share",
    "count dimension": "counting-subspace.dimension",
    "BOS weight": "bos-anchoring.bos_mass",
    "BOS 1/w R²": "bos-anchoring.inverse_r2",
}


@dataclass(frozen=True)
class Table:
    """A head, and rows of text."""

    head: list[str]
    rows: list[list[str]]


def overview(study: Study) -> Table:
    """One row a run."""
    head = [
        "Run", "Final label", "Accuracy", "Counters", "90 % from", "Leans to", "first at",
        "for good at", "Before accuracy, for good", "Before accuracy, first time",
        "Label switches", "Leaning changes",
    ]  # fmt: skip
    return Table(head, [_run(run) for run in study.runs])


def _run(run: Run) -> list[str]:
    found, last = run.formation, run.snapshots[-1]
    return [
        run.name,
        found.final,
        percent(last.accuracy),
        number(last.counters),
        words.at(found.solved),
        found.leaning or MISSING,
        words.at(found.first_leans),
        words.at(found.leans),
        _place(found.for_good),
        _place(found.at_first),
        str(len(found.labels)),
        str(len(found.leanings)),
    ]


def _place(found: Precedence | None) -> str:
    if found is None:
        return MISSING
    if found.leaning == "together":
        return "same time"
    return f"{'after, ' if found.leaning == 'after' else ''}{found.factor:.2g} ×"


def history(run: Run, columns: Mapping[str, str]) -> Table:
    """One row a snapshot.

    Args:
        run: whose.
        columns: heading and name of more numbers; those that no snapshot has are left out.
    """
    known = {
        title: name
        for title, name in columns.items()
        if any(one.numbers.get(name) is not None for one in run.snapshots)
    }
    head = ["Step", "Accuracy", "Label", "Leans to", "Attention", "Counters", "Confidence", *known]
    return Table(head, [_snapshot(one, list(known.values())) for one in run.snapshots])


def _snapshot(one: Snapshot, names: list[str]) -> list[str]:
    return [
        str(one.step),
        percent(one.accuracy),
        one.mechanism,
        one.leans or MISSING,
        one.attention or MISSING,
        number(one.counters),
        MISSING if one.confidence is None else f"{one.confidence:.2f}",
        *[_short(one.numbers.get(name)) for name in names],
    ]


def _short(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}".replace("-", "−")
