"""Counting transformers trained towards a causal model, so that their mechanism is known."""

from mechprobe.models.families.counting.training.siit.train import train_strictly
from mechprobe.models.families.counting.training.siit.verify import CASES, Verified, verify

__all__ = ["CASES", "Verified", "train_strictly", "verify"]
