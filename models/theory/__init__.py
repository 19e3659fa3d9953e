"""Theory of the solvable attention model: state evolution, its branches and transitions."""

from models.theory.amp import AmpTrajectory, run_amp, state_evolution_trajectory
from models.theory.branch import (
    BRANCHES,
    Branch,
    BranchAbsentError,
    BranchPoint,
    NotConvergedError,
    Quantity,
)
from models.theory.branches import solve
from models.theory.evolution import Evolution, linear_mse
from models.theory.general import GeneralPoint, solve_general
from models.theory.general_evolution import GeneralProblem
from models.theory.parameters import PAPER_MIXING, TheoryParameters
from models.theory.transitions import Transitions, transitions

__all__ = [
    "BRANCHES",
    "PAPER_MIXING",
    "AmpTrajectory",
    "Branch",
    "BranchAbsentError",
    "BranchPoint",
    "Evolution",
    "GeneralPoint",
    "GeneralProblem",
    "NotConvergedError",
    "Quantity",
    "TheoryParameters",
    "Transitions",
    "linear_mse",
    "run_amp",
    "solve",
    "solve_general",
    "state_evolution_trajectory",
    "transitions",
]
