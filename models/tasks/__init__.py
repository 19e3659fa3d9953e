"""Tasks: what is asked, how it is sampled and scored."""

from mechprobe.models.tasks.attention import AttentionRegression, paper_mixing
from mechprobe.models.tasks.base import TASKS, Interface, Task, task
from mechprobe.models.tasks.data import (
    AskedConfig,
    TaskData,
    check_fits,
    described,
    task_from,
)
from mechprobe.models.tasks.histogram import BalancedSequences, HistogramTask, partition_sequences
from mechprobe.models.tasks.so_far import SoFarTask

__all__ = [
    "TASKS",
    "AskedConfig",
    "AttentionRegression",
    "BalancedSequences",
    "HistogramTask",
    "Interface",
    "SoFarTask",
    "Task",
    "TaskData",
    "check_fits",
    "described",
    "paper_mixing",
    "partition_sequences",
    "task",
    "task_from",
]
