"""What a run leaves: answers, scores, tables, the figure; and the page of the documentation."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from mechprobe.analyses.bench.methods.answers import KINDS, TRUTH
from mechprobe.analyses.bench.methods.export import truth_text
from mechprobe.analyses.bench.methods.figure import reliability
from mechprobe.analyses.bench.methods.run import Bench
from mechprobe.analyses.bench.methods.scorer import UNSEEN, Row, score
from mechprobe.analyses.bench.methods.table import by_part, needle_table, overview, used
from mechprobe.models import MechprobeError
from mechprobe.models.base.files import write_text, write_whole
from mechprobe.models.base.reading import read_text

__all__ = ["refresh", "rows_of", "tables", "write"]

PAGE, IMAGE = "methods.md", "images/methods.png"


def rows_of(bench: Bench) -> list[Row]:
    """Scores of all methods on all parts."""
    return [row for answers in bench.answers for row in score(bench.truth, answers)]


def tables(bench: Bench) -> dict[str, str]:
    """Pieces of the page by name."""
    rows = rows_of(bench)
    return {
        "population": _population(bench),
        "methods": used(),
        "scores": overview(rows),
        "unseen": overview(rows, UNSEEN)
        if any(row.part == UNSEEN for row in rows)
        else "(no such models in this run)",
        "parts": by_part(rows),
        "parts as said": by_part(rows, said=True),
        "needle": needle_table(bench.needles),
    }


def write(folder: Path, bench: Bench) -> list[Path]:
    """Write truth.json, answers/METHOD.json, scores.json, tables.md and methods.png."""
    write_text(folder / TRUTH, truth_text(bench.truth))
    for answers in bench.answers:
        file = folder / "answers" / f"{answers.method}.json"
        write_text(file, answers.model_dump_json(indent=1) + "\n")
    rows = [asdict(row) for row in rows_of(bench)]
    needles = [one.model_dump() for one in bench.needles]
    whole = {"rows": rows, "needles": needles}
    write_text(folder / "scores.json", json.dumps(whole, indent=1) + "\n")
    text = "\n\n".join(f"## {name}\n\n{table}" for name, table in tables(bench).items())
    write_text(folder / "tables.md", text + "\n")
    _draw(bench, folder / "methods.png")
    return [folder / "tables.md", folder / "methods.png"]


def refresh(docs: Path, bench: Bench) -> None:
    """Put the tables into a page between its marks, and the figure beside it.

    Args:
        docs: folder that holds methods.md.
        bench: what was found.

    Raises:
        MechprobeError: there is no such page, or a mark is missing.
    """
    page = docs / PAGE
    if not page.is_file():
        raise MechprobeError(f"{page}: is not there; --docs wants the documentation's folder")
    text = read_text(page)
    for name, table in tables(bench).items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, number = mark.subn(partial(_between, table), text)
        if number != 1:
            raise MechprobeError(f"{page}: `<!-- {name} -->` stands there {number} times, not once")
    write_text(page, text)
    _draw(bench, docs / IMAGE)


def _between(table: str, found: re.Match[str]) -> str:
    return f"{found[1]}{table}\n{found[2]}"


def _draw(bench: Bench, file: Path) -> None:
    figure = reliability(bench.truth, bench.answers)
    write_whole(file, lambda path: figure.savefig(path, format="png", dpi=110))


def _population(bench: Bench) -> str:
    parts: dict[str, list[str]] = {}
    for truth in bench.truth.values():
        parts.setdefault(truth.part, []).append(truth.kind)
    return "\n".join(f"- {part}: {_counted(kinds)}" for part, kinds in parts.items())


def _counted(kinds: Sequence[str]) -> str:
    number = Counter(kinds)
    return f"{len(kinds)} models, " + ", ".join(f"{number[k]} {k}" for k in KINDS if number[k])
