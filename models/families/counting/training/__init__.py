"""Train counting transformers: plans, data streams, the engines of a core and of a device."""

from mechprobe.models.families.counting.training.plan import (
    PRESETS,
    Schedule,
    TrainingPlan,
    log_spaced,
)
from mechprobe.models.families.counting.training.state import Trained, Trainee
from mechprobe.models.families.counting.training.stream import block_tokens
from mechprobe.models.families.counting.training.trainer import train

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
