"""Measured speed of the parts that users wait for.

    mechprobe bench speed

One core, one thread; the best of several runs, for other work on the machine only adds time.
"""

import time
from collections.abc import Callable
from functools import partial

import torch

from mechprobe.models import (
    CountingConfig,
    HookedTransformer,
    Trainee,
    TrainingPlan,
    construct,
    train,
)
from mechprobe.models.base.parallel import one_thread
from mechprobe.models.families.counting import initial
from mechprobe.probes import label, study
from mechprobe.probes.quick import quick

LABEL_LIMIT = 2.0  # seconds for one label at T=32, L=10, d=p=64
PROBED_LIMIT = 1 / 3  # seconds for what a sweep measures of a model at T=32, L=10, d=p=32


def best_of(work: Callable[[], object], runs: int) -> float:
    """Shortest of several runs, in seconds."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def run() -> int:
    """Print a table; 1 where labelling is slower than it may be."""
    one_thread()
    generator = torch.Generator().manual_seed(0)
    config = CountingConfig.of("bos+sftm", T=32, L=10, d=64, p=64)
    model = HookedTransformer(config, initial(config, generator))
    built = construct("bos+sftm-relation-split", T=32, L=10)
    task = config.task()
    tokens = task.sample(512, generator)
    plan = TrainingPlan(steps=100)
    slowest = max(best_of(partial(label, m), 5) for m in (model, built))
    narrow = CountingConfig.of("bos+sftm", T=32, L=10, d=32, p=32)
    swept = [HookedTransformer(narrow, initial(narrow, generator)), built]
    probed = max(best_of(partial(quick, m), 5) for m in swept)
    rows = {
        "label and cheap probes, d=p=32 (limit 1/3 s)": probed,
        "label, T=32 L=10 d=p=64 (limit 2 s)": slowest,
        "every probe and the label, same model": best_of(lambda: study(model, name="m"), 2),
        "run_with_cache, 512 x 11 tokens": best_of(lambda: model.run_with_cache(tokens), 10),
        "build a hooked model": best_of(lambda: HookedTransformer(config, model.weights()), 20),
        "sample 10,000 sequences (partition)": best_of(lambda: task.sample(10_000, generator), 5),
        "100 training steps": best_of(lambda: train([Trainee(config, 0, plan)]), 2),
    }
    for name, seconds in rows.items():
        print(f"{name:46s} {seconds * 1e3:9.1f} ms")
    return 0 if slowest <= LABEL_LIMIT and probed <= PROBED_LIMIT else 1
