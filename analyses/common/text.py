"""Labels and tables of models as text for a terminal."""

from collections.abc import Sequence

from mechprobe.probes import MechanismLabel, ModelResult
from mechprobe.probes.axes import Column
from mechprobe.probes.reading import columns_of, heading_of

MISSING = "-"


def table(results: Sequence[ModelResult]) -> str:
    """The overview: a table for each task, under headings where there are several."""
    by_task: dict[str, list[ModelResult]] = {}
    for result in results:
        by_task.setdefault(result.task_name, []).append(result)
    tables = {task: _table(task, own) for task, own in by_task.items()}
    if len(tables) == 1:
        return "".join(tables.values())
    return "\n\n".join(f"{heading_of(task)}\n{text}" for task, text in tables.items())


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as aligned columns, two blanks apart."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def summary(label: MechanismLabel, task: str) -> str:
    """A label in one line: the verdict, how sure it is, and the numbers of its task's columns.

    Args:
        label: of a model.
        task: name of the model's task.
    """
    certainty = label.certainty
    sure = "" if certainty is None else f" (confidence {confidence_text(certainty)})"
    return ", ".join([label.verdict + sure, *_numbers(label, task)])


def cell(column: Column, label: MechanismLabel) -> str:
    """What a label says in a column."""
    value = column.says(label)
    if value is None or value != value:
        return MISSING
    if isinstance(value, str | int):
        return str(value)
    if column.show == "confidence":
        return confidence_text(value)
    return f"{value:.3f}" if column.show == "share" else f"{value:.3g}"


def confidence_text(confidence: float) -> str:
    """A confidence to two digits; only a certain one reads 1.00."""
    return ">0.99" if 0.995 <= confidence < 1 else f"{confidence:.2f}"


def _table(task: str, results: Sequence[ModelResult]) -> str:
    own = columns_of(task, [result.label for result in results])
    head = ["Model", "Architecture", "Sizes", *(column.title for column in own)]
    rows = [
        [
            result.name,
            result.architecture,
            " ".join(f"{name}={size}" for name, size in result.sizes.items()),
            *(cell(column, result.label) for column in own),
        ]
        for result in results
    ]
    return columns([head, *rows])


def _numbers(label: MechanismLabel, task: str) -> list[str]:
    shown = [column for column in columns_of(task, [label]) if column.show in ("share", "number")]
    cells = {column.title.lower(): cell(column, label) for column in shown}
    return [f"{title} {text}" for title, text in cells.items() if text != MISSING]
