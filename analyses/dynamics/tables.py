"""Tables of the page and of the command: the runs side by side, a run snapshot by snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mechprobe.analyses.dynamics import words
from mechprobe.analyses.dynamics.runs import Dynamics, Run
from mechprobe.probes.axes import Axis
from mechprobe.probes.formation import Precedence
from mechprobe.probes.snapshots import Snapshot
from mechprobe.reports.formatting import MISSING
from mechprobe.reports.labels import Shown, reading_shown, written


@dataclass(frozen=True)
class Table:
    """A head, and rows of text.

    Args:
        head, rows: cells.
        kinds: the axis whose kinds stand in a column, by the column's place.
    """

    head: list[str]
    rows: list[list[str]]
    kinds: dict[int, Axis] = field(default_factory=dict)


def overview(dynamics: Dynamics) -> Table:
    """One row a run."""
    shown, bar = reading_shown(dynamics.reading), dynamics.followed.bar
    head = [
        "Run", "Final label", dynamics.performance.column.title,
        *(column.title for column in shown.others()), bar.column, "Leans to", "first at",
        "for good at", f"Before {bar.noun}, for good", f"Before {bar.noun}, first time",
        "Label switches", "Leaning changes",
    ]  # fmt: skip
    leans = head.index("Leans to")
    rows = [_run(run, dynamics, shown) for run in dynamics.runs]
    return Table(head, rows, {1: shown.axes[0], leans: shown.axes[0]})


def _run(run: Run, dynamics: Dynamics, shown: Shown) -> list[str]:
    found, last = run.formation, run.snapshots[-1]
    return [
        run.name,
        found.final,
        written(dynamics.performance.column, last.performance),
        *(shown.cell(column, last.label).text for column in shown.others()),
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


def history(run: Run, dynamics: Dynamics, columns: Mapping[str, str]) -> Table:
    """One row a snapshot.

    Args:
        run: whose.
        dynamics: that it is part of.
        columns: heading and name of more numbers; those of which no snapshot has one, or says
            why it has none, are left out.
    """
    shown = reading_shown(dynamics.reading)
    known = {
        title: name
        for title, name in columns.items()
        if any(one.numbers.get(name) is not None or name in one.why for one in run.snapshots)
    }
    first, *further = shown.axes
    head = [
        "Step", dynamics.performance.column.title, "Label", "Leans to",
        *(axis.title for axis in further), *(column.title for column in shown.others()),
        "Confidence", *known,
    ]  # fmt: skip
    rows = [_snapshot(one, dynamics, shown, list(known.values())) for one in run.snapshots]
    return Table(head, rows, dict(enumerate([first, first, *further], 2)))


def _snapshot(one: Snapshot, dynamics: Dynamics, shown: Shown, names: list[str]) -> list[str]:
    confidence = one.label.certainty
    return [
        str(one.step),
        written(dynamics.performance.column, one.performance),
        one.kind,
        one.leans or MISSING,
        *(one.label.kind(axis.name) or MISSING for axis in shown.axes[1:]),
        *(shown.cell(column, one.label).text for column in shown.others()),
        MISSING if confidence is None else f"{confidence:.2f}",
        *[_short(one.numbers.get(name), one.why.get(name, MISSING)) for name in names],
    ]


def _short(value: float | None, why: str) -> str:
    return why if value is None else f"{value:.2f}".replace("-", "−")
