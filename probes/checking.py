"""What a probe declares, and whether what it gives keeps to that and can be stored."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mechprobe.models import MechprobeError
from mechprobe.models.base.errors import short

SLACK = 1e-6  # rounding that a declared range allows
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")  # of a metric; it is a column's name and a key


@dataclass(frozen=True)
class MetricSpec:
    """What a metric means.

    Args:
        description: one clause for readers.
        unit: "1" for a pure number.
        low, high: possible range, None for unbounded.
    """

    description: str
    unit: str = "1"
    low: float | None = None
    high: float | None = None


def check_declaration(who: str, metrics: object, tasks: object) -> None:
    """Look at what a probe declares.

    Raises:
        MechprobeError: metrics are no MetricSpecs by well-formed names, a range ends before it
            begins, or tasks are no names.
    """
    if not isinstance(metrics, Mapping) or not all(
        isinstance(spec, MetricSpec) for spec in metrics.values()
    ):
        raise MechprobeError(f"{who}: metrics have to be a dictionary of MetricSpec by name")
    for name, spec in metrics.items():
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            raise MechprobeError(
                f"{who}: metric {short(repr(name))}: the name has to be letters, digits and"
                " underscores"
            )
        if spec.low is not None and spec.high is not None and spec.low > spec.high:
            raise MechprobeError(f"{who}: metric {name} ranges from {spec.low} to {spec.high}")
    if isinstance(tasks, str) or not all(isinstance(task, str) for task in tasks):  # type: ignore[attr-defined]
        raise MechprobeError(f'{who}: tasks have to be a tuple of names, such as ("histogram",)')


def number_of(value: Any, low: float | None, high: float | None, who: str) -> float | None:
    """A measured number as it is stored: NaN, where a metric is not defined, as None.

    Args:
        value: a number, or an array or tensor of one.
        low, high: its declared range.
        who: what the message starts with.

    Raises:
        MechprobeError: no number, an infinite one, or one outside its range.
    """
    if value is None:
        return None
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise MechprobeError(f"{who} is {short(repr(value))}; one number is wanted") from None
    if math.isnan(number):
        return None
    if math.isinf(number):
        raise MechprobeError(f"{who} is {number}; use None for an undefined metric")
    least = -math.inf if low is None else low - SLACK
    greatest = math.inf if high is None else high + SLACK
    if not least <= number <= greatest:
        raise MechprobeError(f"{who} is {number}, outside its range {low} to {high}")
    return number


def check_words(words: object, who: str) -> str:
    """A probe's sentence.

    Raises:
        MechprobeError: it is no string that can be stored.
    """
    if not isinstance(words, str):
        raise MechprobeError(f"{who}: its words are a {type(words).__name__}; a string is wanted")
    try:
        words.encode("utf-8")
    except UnicodeEncodeError:
        raise MechprobeError(f"{who}: its words are no text that UTF-8 can store") from None
    return words


def check_parameters(parameters: object, who: str) -> dict[str, Any]:
    """A probe's settings.

    Raises:
        MechprobeError: they cannot be stored.
    """
    try:
        found: dict[str, Any] = dict(parameters)  # type: ignore[call-overload]
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise MechprobeError(
            f"{who}: its parameters are no settings that JSON can store ({short(error)})"
        ) from None
    return found
