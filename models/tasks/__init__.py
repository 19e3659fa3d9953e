"""Tasks: what is asked, how it is sampled and scored."""

from models.tasks.attention import AttentionRegression
from models.tasks.base import Task
from models.tasks.histogram import BalancedSequences, HistogramTask, partition_sequences

__all__ = [
    "AttentionRegression",
    "BalancedSequences",
    "HistogramTask",
    "Task",
    "partition_sequences",
]
