"""Train counting transformers: plans, data streams, the engines of a core and of a device."""

from models.counting.training.plan import PRESETS, Schedule, TrainingPlan, log_spaced
from models.counting.training.state import Trained, Trainee
from models.counting.training.stream import block_tokens
from models.counting.training.trainer import train

__all__ = [
    "PRESETS",
    "Schedule",
    "Trained",
    "Trainee",
    "TrainingPlan",
    "block_tokens",
    "log_spaced",
    "train",
]
