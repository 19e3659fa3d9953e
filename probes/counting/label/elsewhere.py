"""Does a model that fails on the sequences it is asked about solve others?

A model that was trained on uniform sequences may be wrong on those of the partition sampler, where
counts are larger. Called unsolved without a word, it would pass for one that cannot count.
"""

from typing import Any

import torch

from mechprobe.models.tasks.samplers import KNOWN, is_file, name_of
from mechprobe.probes.context import N_SEQUENCES
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.label.evidence import SOLVED


def sequences(task: Any) -> str:
    """What a reason calls the sequences of a task."""
    name = name_of(task.sampler)
    return f"{name}'s" if is_file(task.sampler) or name not in KNOWN else name


def elsewhere(context: CountContext) -> str:
    """A clause on the samplers under which the model is above the bar; empty without any."""
    found = []
    for sampler in KNOWN:
        if sampler != context.task.sampler:
            task = context.task.on(sampler)
            tokens = task.sample(N_SEQUENCES, context.generator(f"{sampler} sequences"))
            with torch.no_grad():
                accuracy = task.accuracy(context.model(tokens), tokens)
            if accuracy >= SOLVED:
                found.append(
                    f"on {sampler} sequences its accuracy is {accuracy:.3f}, which is solved: label"
                    f" it there (--task sampler={sampler})"
                )
    return "".join(f"; {clause}" for clause in found)
