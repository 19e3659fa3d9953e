"""A little of all that draws, trains and measures, as fingerprints of the bits.

Run as a program it prints them.
"""

import hashlib
import json
import random
import sys
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mechprobe.models import (
    HistogramTask,
    HookedTransformer,
    SolvableConfig,
    TaskDescription,
    Trainee,
    TrainingPlan,
    TransformerConfig,
    construct,
    train,
)
from mechprobe.models.families import counting, solvable
from mechprobe.models.families.counting.symmetries import random_symmetry
from mechprobe.models.families.foreign import train_boot_native
from mechprobe.models.families.solvable.data import Dataset
from mechprobe.models.families.transformer.data import FreshData
from mechprobe.models.families.transformer.training import Plan
from mechprobe.models.families.transformer.training import train as train_transformer
from mechprobe.models.families.transformer.weights import initial as initial_transformer
from mechprobe.probes import draws, find_probe, label

TASKS = (
    HistogramTask(T=5, L=4),
    HistogramTask(T=5, L=4, bos=True),
    HistogramTask(T=5, L=4, sampler="uniform"),
)
TRANSFORMER = TransformerConfig.positional_semantic("only_pos", T=5, L=4, d=4, p=6)
STUDENT = SolvableConfig.of(d=24)


def seeded() -> torch.Generator:
    """A new generator, the same each time."""
    return torch.Generator().manual_seed(3)


def _values() -> Iterator[tuple[str, object]]:
    for task in TASKS:
        yield f"sequences of {task}", task.sample(30, seeded())
        yield f"balanced sequences of {task}", list(task.balanced(2, seeded()))
        yield f"chance of {task}", task.chance(task.sample(30, seeded()))
    model = construct("bos+sftm", T=5, L=4, seed=1)
    yield "a construction", model.weights()
    yield "a symmetry", random_symmetry(model, seeded()).weights()
    yield "counting weights", counting.initial(model.config, seeded())
    plan = TrainingPlan(steps=3, batch=8)
    yield "counting training", train([Trainee(model.config, 0, plan)])[0].weights
    start = initial_transformer(TRANSFORMER, seeded())
    yield "transformer weights", start
    data, short = FreshData(TRANSFORMER.task(), 16, 0), Plan(epochs=2, batch=8, lr=1e-3)
    yield "transformer training", train_transformer(TRANSFORMER, start, data, short, 0).weights
    description = TaskDescription(L=4, tokens=tuple(range(5)), bos=5)
    foreign = train_boot_native(description, d=4, p=6, steps=2, progress=False)
    yield "foreign training", foreign.weights()
    weights = solvable.initial(STUDENT, seeded())
    yield "a teacher", weights
    yield "a teacher's data", Dataset.draw(STUDENT, weights, 20, seeded()).K
    weights["Q"] = solvable.planted(weights["Q_star"], 1, seeded(), theta=0.7, noise=0.3)
    student = HookedTransformer(STUDENT, weights)
    draws.sampled.cache_clear(), draws.balanced.cache_clear()
    for name, one in (("a counting model", model), ("a student", student)):
        yield f"label of {name}", label(one).model_dump(mode="json")
    yield "a slope", find_probe("ablate-neurons")(model).model_dump(mode="json")


def pieces() -> dict[str, str]:
    """Fingerprints by name."""
    return {name: _fingerprint(value) for name, value in _values()}


def _fingerprint(value: object) -> str:
    digest = hashlib.sha256()

    def feed(part: object) -> None:
        if isinstance(part, Tensor):
            digest.update(f"{part.dtype} {part.device} {tuple(part.shape)}".encode())
            digest.update(part.detach().contiguous().numpy().tobytes())
        elif isinstance(part, dict):
            for key, inner in part.items():
                feed(key)
                feed(inner)
        elif isinstance(part, (list, tuple)):
            for inner in part:
                feed(inner)
        else:
            digest.update(repr(part).encode())

    feed(value)
    return digest.hexdigest()[:16]


def _moved() -> list[str]:
    """Which global generators are moved by a second call; the first one imports."""
    ask = {"Python": random.getstate, "numpy": lambda: str(np.random.get_state())}
    before = {name: state() for name, state in ask.items()}
    pieces()
    return [name for name, state in ask.items() if state() != before[name]]


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"pieces": pieces(), "moved": _moved()}))
