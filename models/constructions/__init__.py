"""Hand-built models with known mechanism; a new one is a decorated builder in a file of its own."""

from models.constructions import blends, compressed, frames, inventory, relation
from models.constructions.frames import DIFFERENCE_SETS, harmonic_frame
from models.constructions.registry import (
    CONSTRUCTIONS,
    Construction,
    Sizes,
    construct,
    construction,
    find_construction,
)

__all__ = [
    "CONSTRUCTIONS",
    "DIFFERENCE_SETS",
    "Construction",
    "Sizes",
    "construct",
    "construction",
    "find_construction",
    "harmonic_frame",
]

# Importing a file registers its constructions.
_ = (blends, compressed, frames, inventory, relation)
