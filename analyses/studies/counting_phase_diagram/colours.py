"""Colours of the maps; the same in the static figure and in the page."""

import math

from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgb

from mechprobe.analyses.studies.counting_phase_diagram.kinds import KINDS
from mechprobe.probes.drawing import DIVERGING

LEVELS = 41  # shades of a scale; few enough for a small picture, too many to see steps
UNSURE = 0.5  # confidence from which downwards a colour is palest
PALEST = 0.3  # part of the colour left there
LIMIT = 30.0  # points of a difference at the ends of its scale
BLANK = "#ffffff"


def accuracy_colour(share: float | None, lowest: float) -> str:
    """Viridis from `lowest` (and less) to 100 %; see `cells.lowest`."""
    if share is None:
        return BLANK
    return _shade("viridis", (share - lowest) / (1 - lowest))


def counters_colour(counters: float | None, T: int) -> str:
    """Cividis from one counter to T, logarithmic."""
    if counters is None:
        return BLANK
    return _shade("cividis", math.log(max(counters, 1)) / math.log(max(T, 2)))


def mechanism_colour(kind: str, confidence: float | None) -> str:
    """A class's colour, mixed with white where the confidence is low (or unknown)."""
    known = KINDS[kind]
    if not known.fades:
        return known.colour
    above = ((confidence or 0.0) - UNSURE) / (1 - UNSURE)
    strength = PALEST + (1 - PALEST) * round(min(max(above, 0.0), 1.0) * 10) / 10
    red, green, blue = (1 - strength * (1 - part) for part in to_rgb(known.colour))
    return to_hex((red, green, blue))


def difference_colour(points: float) -> str:
    """Orange where ours is higher, purple where the published one is."""
    return _shade(DIVERGING, (points / LIMIT + 1) / 2)


def ink(colour: str) -> str:
    """Black or white, whichever is read better on a colour."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    luminance = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "#111111" if luminance > 0.18 else "#ffffff"


def _shade(name: str, position: float) -> str:
    level = round(min(max(position, 0.0), 1.0) * (LEVELS - 1))
    return to_hex(colormaps[name](level / (LEVELS - 1)))
