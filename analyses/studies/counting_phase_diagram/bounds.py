"""Which bound of the theory belongs to which architecture."""

from mechprobe.analyses.studies.counting_phase_diagram.contents import Bound
from mechprobe.models.families.counting.bounds import (
    lookup_width,
    relation_width,
    relational_lookup_width,
    softmax_width,
)

LOOKUP = "d ≥ ⌈T(2L−3)² / (T−1+(2L−3)²)⌉"
RELATIONAL_LOOKUP = "d ≥ ⌈T(2L−3) / (T−1+(2L−3))⌉"


def bounds(T: int, L: int) -> list[Bound]:
    """All of them for one alphabet size and sequence length (arXiv:2407.11542)."""
    lookup = "Welch's bound for a look-up over a constant mixing matrix"
    relation = "Welch's bound, and one for the counting direction, for one neuron that reads it"
    second = "Welch's bound for a look-up over dot-product attention, where overlaps enter squared"
    borrowed = (
        "inventory-based counting only, so a look-up is wanted; drawn is Welch's bound of dot with"
        " p ≥ T, for attention compares tokens here too (softmax only makes overlaps smaller)"
    )
    codes = "a construction with binary codes and a small softmax temperature, for any p"
    made = [_lookup(name, lookup_width(T, L), T, LOOKUP, lookup) for name in ("lin", "lin+sftm")]
    for name in ("dot", "bos"):
        width = relation_width(T, L)
        made.append(_any(name, width, f"{LOOKUP} + 1", relation + ", for any p"))
        width = relational_lookup_width(T, L)
        made.append(_lookup(name, width, T, RELATIONAL_LOOKUP, second))
    width = relational_lookup_width(T, L)
    made.append(_lookup("dot+sftm", width, T, RELATIONAL_LOOKUP, borrowed))
    made.append(_any("bos+sftm", softmax_width(T), "d ≥ ⌈log₂(T+1)⌉ + 2", codes))
    return made


def _lookup(architecture: str, d: int, T: int, formula: str, says: str) -> Bound:
    """A bound that is about p = T neurons and more."""
    return Bound(architecture=architecture, d=d, p=T, formula=formula, says=says)


def _any(architecture: str, d: int, formula: str, says: str) -> Bound:
    """A bound that holds from one neuron on."""
    return Bound(architecture=architecture, d=d, p=1, formula=formula, says=says)
