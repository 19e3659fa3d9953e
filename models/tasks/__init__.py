"""Tasks: what is asked, how it is sampled and scored."""

from mechprobe.models.tasks.attention import AttentionRegression, paper_mixing
from mechprobe.models.tasks.base import Task
from mechprobe.models.tasks.histogram import BalancedSequences, HistogramTask, partition_sequences

__all__ = [
    "AttentionRegression",
    "BalancedSequences",
    "HistogramTask",
    "Task",
    "paper_mixing",
    "partition_sequences",
]
