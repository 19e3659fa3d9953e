"""The tables of docs/formats/tracr.md: programs, their truth, and what mechprobe says of them."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from mechprobe.analyses.bench.methods.table import markdown
from mechprobe.analyses.bench.tracr.programs import PROGRAMS
from mechprobe.analyses.bench.tracr.store import Compiled, built, by_name
from mechprobe.analyses.bench.tracr.truth import TRUTH
from mechprobe.models import MechprobeError
from mechprobe.models.base.files import write_text
from mechprobe.models.base.reading import read_text
from mechprobe.probes import MechanismLabel, label

PAGE = Path("formats") / "tracr.md"


def labelled() -> dict[str, MechanismLabel]:
    """mechprobe's label of every packaged program, by name."""
    return {name: label(built(one)) for name, one in by_name().items()}


def tables(labels: Mapping[str, MechanismLabel]) -> dict[str, str]:
    """Pieces of the page by name."""
    known = by_name()
    return {
        "programs": programs(),
        "labels": _labels([(known[name], one) for name, one in labels.items()]),
    }


def programs() -> str:
    """What each program does, how it counts, and what interchange shows."""
    head = ("program", "what it does", "truth", "variables at", "what interchange shows")
    body = []
    for name, program in PROGRAMS.items():
        one = TRUTH[name]
        does = " ".join((program.__doc__ or "").split()).removesuffix(".")
        hook = "blocks." + one.hook.format(last="last")
        body.append((f"`{name}`", does, _truth(name), f"`{hook}`", one.why))
    return markdown(head, body)


def refresh(docs: Path, labels: Mapping[str, MechanismLabel]) -> None:
    """Put the tables into the page between its marks.

    Args:
        docs: folder of the documentation.
        labels: by name of the program.

    Raises:
        MechprobeError: there is no such page, or a mark is missing.
    """
    page = docs / PAGE
    if not page.is_file():
        raise MechprobeError(f"{page}: is not there; --docs wants the documentation's folder")
    text = read_text(page)
    for name, table in tables(labels).items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, number = mark.subn(partial(_between, table), text)
        if number != 1:
            raise MechprobeError(f"{page}: `<!-- {name} -->` stands there {number} times, not once")
    write_text(page, text)


def right(program: str, kind: str | None) -> bool:
    """Whether a kind names a program rightly."""
    known = TRUTH[program]
    return kind in (known.mechanism, *known.also)


def _labels(found: Sequence[tuple[Compiled, MechanismLabel]]) -> str:
    head = ("program", "T", "L", "blocks", "heads", "d", "p", "truth", "label", "confidence", "")
    body = []
    for one, said in found:
        sizes = one.description
        numbers = (one.T, one.L, sizes.num_layers, sizes.num_heads, len(sizes.residual_labels))
        kind, sure = said.mechanism or "", said.confidence
        body.append(
            (
                f"`{one.program}`", *map(str, numbers), str(sizes.mlp_hidden_size),
                _truth(one.program), kind, "" if sure is None else f"{sure:.2f}",
                "" if right(one.program, kind) else "wrong",
            )
        )  # fmt: skip
    return markdown(head, body)


def _truth(program: str) -> str:
    known = TRUTH[program]
    return " or ".join((known.mechanism, *known.also))


def _between(table: str, found: re.Match[str]) -> str:
    return f"{found[1]}{table}\n{found[2]}"
