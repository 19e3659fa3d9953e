"""Theory of the solvable attention model: state evolution, its branches and transitions."""

from mechprobe.models.theory.amp import AmpTrajectory, run_amp, state_evolution_trajectory
from mechprobe.models.theory.branch import (
    BRANCHES,
    Branch,
    BranchNotFoundError,
    BranchPoint,
    NotConvergedError,
    PointSetsDisagreeError,
    Quantity,
)
from mechprobe.models.theory.branches import solve
from mechprobe.models.theory.continuation import Way, follow
from mechprobe.models.theory.evolution import Evolution, linear_mse
from mechprobe.models.theory.general.evolution import GeneralProblem
from mechprobe.models.theory.general.solver import GeneralPoint, solve_general
from mechprobe.models.theory.parameters import PAPER_MIXING, TheoryParameters
from mechprobe.models.theory.transitions import Transitions, transitions

__all__ = [
    "BRANCHES",
    "PAPER_MIXING",
    "AmpTrajectory",
    "Branch",
    "BranchNotFoundError",
    "BranchPoint",
    "Evolution",
    "GeneralPoint",
    "GeneralProblem",
    "NotConvergedError",
    "PointSetsDisagreeError",
    "Quantity",
    "TheoryParameters",
    "Transitions",
    "Way",
    "follow",
    "linear_mse",
    "run_amp",
    "solve",
    "solve_general",
    "state_evolution_trajectory",
    "transitions",
]
