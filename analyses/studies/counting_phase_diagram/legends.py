"""Legends below the maps: strips of colour with words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mechprobe.analyses.studies.counting_phase_diagram.colours import (
    UNSURE,
    accuracy_colour,
    counters_colour,
    mechanism_colour,
)
from mechprobe.analyses.studies.counting_phase_diagram.kinds import KINDS, Kind

STEPS = 40


@dataclass(frozen=True)
class Strip:
    """A scale: colours from left to right, and (share of the width, text) of its ticks."""

    colours: list[str]
    ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Entry:
    """One class: three strengths of its colour, pale to full."""

    kind: Kind
    colours: list[str]


def accuracy_strip(lowest: float) -> Strip:
    """The scale of accuracy, `lowest` to 1."""
    shares = [lowest + (1 - lowest) * i / (STEPS - 1) for i in range(STEPS)]
    least = f"≤ {100 * lowest:.0f} %" if lowest else "0 %"
    # No tick so near to the lower end that both texts would run together.
    inner = [
        ((value - lowest) / (1 - lowest), f"{100 * value:.0f}")
        for value in (0.2, 0.4, 0.6, 0.8)
        if (value - lowest) / (1 - lowest) > 0.15
    ]
    ticks = [(0.0, least), *inner, (1.0, "100 %")]
    return Strip([accuracy_colour(share, lowest) for share in shares], ticks)


def counters_strip(T: int) -> Strip:
    """The scale of counters, 1 to T in equal factors."""
    counts = [T ** (i / (STEPS - 1)) for i in range(STEPS)]
    powers = range(1, max(T.bit_length() - 1, 1))
    inner = [(k / math.log2(max(T, 2)), str(2**k)) for k in powers if 2 ** (k + 0.5) < T]
    ticks = [(0.0, "1"), *inner, (1.0, f"T = {T}")]
    return Strip([counters_colour(count, T) for count in counts], ticks)


def mechanism_entries(present: Sequence[str]) -> list[Entry]:
    """The classes that occur."""
    confidences = (UNSURE, (1 + UNSURE) / 2, 1.0)
    return [
        Entry(kind, list(dict.fromkeys(mechanism_colour(name, c) for c in confidences)))
        for name, kind in KINDS.items()
        if name in present
    ]
