"""Numbers and settings as readers want to see them."""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup, escape

from mechprobe.probes.results import Metric

MISSING = "–"
LONGEST = 400  # characters of a setting; a training history would drown the page
PAPERS = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
# A path that holds on one machine only: from a root, a home or a drive, with a folder in it.
_ROOT = r"(?:file://)?(?:/|~[\w.-]*/|[A-Za-z]:[\\/]+)"
_QUOTED_PATH = re.compile(rf"(['\"]){_ROOT}[^'\"]*[\\/]([^'\"\\/]+)[\\/]?\1")
_PATH = re.compile(rf"(?<![\w:/.~-]){_ROOT}(?:[^\s'\"/\\=,;:]+[\\/]+)+([^\s'\"/\\=,;:]*)")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | int | None) -> str:
    """Three significant digits, an en dash for a missing value.

    >>> number(0.12345), number(-3.0), number(1234.5), number(2.5e-7), number(None)
    ('0.123', '−3', '1234', '2.5 × 10⁻⁷', '–')
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size and not 1e-3 <= size < 1e6:
        mantissa, exponent = f"{value:.2e}".split("e")
        digits = mantissa.rstrip("0").rstrip(".")
        text = f"{digits} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    elif float(value).is_integer():
        text = str(int(value))
    else:
        text = f"{value:.{max(0, 2 - math.floor(math.log10(size)))}f}"
    return text.replace("-", "−")


def counted(number: float, noun: str) -> str:
    """A number with its noun, in the plural unless it is one.

    >>> counted(1, "counter"), counted(1.5, "counter"), counted(1200, "model")
    ('1 counter', '1.5 counters', '1,200 models')
    """
    return f"{number:,.12g} {noun}{'' if number == 1 else 's'}"


def percent(share: float | int | None, decimals: int = 1) -> str:
    r"""A share in per cent; only an exact one reads 100 %, only an exact zero 0 %.

    >>> [percent(s).replace("\u00a0", " ") for s in (1.0, 0.99999, 0.876, None)]
    ['100 %', '>99.9 %', '87.6 %', '–']
    """
    if share is None or math.isnan(share):
        return MISSING
    if share in (0, 1):
        return f"{100 * share:.0f}\u00a0%"
    step = 10.0**-decimals
    value = round(100 * share, decimals)
    if value >= 100 > 100 * share:
        return f">{100 - step:.{decimals}f}\u00a0%"
    if value <= 0 < share:
        return f"<{step:.{decimals}f}\u00a0%"
    return f"{value:.{decimals}f}\u00a0%"


def sort_key(value: float | int | None) -> str:
    """A number for `data-sort`; empty, hence last, where it is missing."""
    return "" if value is None or math.isnan(value) else repr(float(value))


def quantity(metric: Metric) -> str:
    """A metric's value with its unit."""
    text = number(metric.value)
    return text if metric.unit == "1" or text == MISSING else f"{text}\u00a0{metric.unit}"


def span(metric: Metric) -> str:
    """A metric's possible range in words."""
    if metric.low is None and metric.high is None:
        return "any"
    if metric.high is None:
        return f"≥ {number(metric.low)}"
    if metric.low is None:
        return f"≤ {number(metric.high)}"
    return f"{number(metric.low)} to {number(metric.high)}"


def setting(value: Any) -> str:
    """A value out of meta data or parameters on one line, cut where it is very long."""
    plain = isinstance(value, str)
    text = portable(value if plain else json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text)} characters)"


def settings(values: dict[str, Any]) -> str:
    """Parameters as `name=value, name=value`."""
    return ", ".join(f"{name}={setting(value)}" for name, value in values.items())


def portable(text: str) -> str:
    """A text whose paths tell nothing of the machine it was written on: their last part is left.

    >>> portable("mechprobe demo --out /home/ada/runs/demo --seed 0"), portable("runs/demo, a/b")
    ('mechprobe demo --out …/demo --seed 0', 'runs/demo, a/b')
    """
    return _PATH.sub(r"…/\1", _QUOTED_PATH.sub(r"\1…/\2\1", text))


def linked(text: str) -> Markup:
    """A text, escaped, whose arXiv numbers are links.

    >>> linked("arXiv:2402.03902, <3")
    Markup('<a href="https://arxiv.org/abs/2402.03902">arXiv:2402.03902</a>, &lt;3')
    """
    link = r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>'
    # The text has been escaped; the link's own text is digits.
    return Markup(PAPERS.sub(link, str(escape(text))))


def first_sentence(text: str) -> str:
    """Up to the first full stop, question or exclamation mark that ends a sentence.

    >>> first_sentence("Slope 0.97 of 1. The rest is private.")
    'Slope 0.97 of 1.'
    """
    return re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0]


def anchors(names: Iterable[str], what: str = "model") -> list[str]:
    """A fragment identifier for each name, unique and made of plain characters.

    >>> anchors(["bos+sftm 1", "bos sftm 1", "λ"])
    ['model-bos-sftm-1', 'model-bos-sftm-1-2', 'model-x']
    """
    made: list[str] = []
    for name in names:
        base = f"{what}-" + (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "x")
        anchor, n = base, 1
        while anchor in made:
            n += 1
            anchor = f"{base}-{n}"
        made.append(anchor)
    return made
