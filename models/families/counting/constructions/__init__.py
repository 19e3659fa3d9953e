"""Hand-built models with known mechanism; a new one is a decorated builder in a file of its own."""

from mechprobe.models.families.counting.constructions.frames import DIFFERENCE_SETS, harmonic_frame
from mechprobe.models.families.counting.constructions.registry import (
    CONSTRUCTIONS,
    Construction,
    Plant,
    Sizes,
    construct,
    construction,
    find_construction,
)

__all__ = [
    "CONSTRUCTIONS",
    "DIFFERENCE_SETS",
    "Construction",
    "Plant",
    "Sizes",
    "construct",
    "construction",
    "find_construction",
    "harmonic_frame",
]
