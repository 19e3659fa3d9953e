"""Theory of the solvable attention model: state evolution, its branches and transitions."""

from models.theory.branches import (
    BRANCHES,
    Branch,
    BranchAbsentError,
    BranchPoint,
    NotConvergedError,
    Quantity,
    solve,
)
from models.theory.evolution import Evolution, linear_mse
from models.theory.parameters import PAPER_MIXING, TheoryParameters
from models.theory.transitions import Transitions, transitions

__all__ = [
    "BRANCHES",
    "PAPER_MIXING",
    "Branch",
    "BranchAbsentError",
    "BranchPoint",
    "Evolution",
    "NotConvergedError",
    "Quantity",
    "TheoryParameters",
    "Transitions",
    "linear_mse",
    "solve",
    "transitions",
]
