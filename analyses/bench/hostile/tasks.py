"""Ways to make a foreign model's folder bad: its task, and sizes that small files claim."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mechprobe.analyses.bench.hostile.bases import Base
from mechprobe.analyses.bench.hostile.configs import Mutation

Shape = dict[str, Any]
SMALL: Shape = {
    "n_layers": 1,
    "n_heads": 1,
    "d_model": 1,
    "d_head": 1,
    "d_mlp": 1,
    "n_ctx": 4,
    "d_vocab": 2,
    "act_fn": "relu",
    "attention_dir": "bidirectional",
    "normalization_type": None,
}


def _task(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Mutation:
    def mutate(folder: Path, base: Base, rng: np.random.Generator) -> None:
        file = folder / "task.json"
        file.write_text(json.dumps(change(json.loads(file.read_text()))))

    return mutate


def _large(L: int, answer: float = 0.0, **shape: Any) -> Mutation:
    """A whole model that answers in counts, with narrow streams and much to compute."""

    def mutate(folder: Path, base: Base, rng: np.random.Generator) -> None:
        import torch
        from safetensors.torch import save_file

        from mechprobe.models.families.foreign.booting import booted

        fields: Shape = SMALL | {"n_ctx": L, "d_vocab_out": L + 1} | shape
        with torch.random.fork_rng(devices=[]):
            weights = booted(fields | {"attention_dir": "bidirectional"}).state_dict()
        weights["unembed.weight"] = torch.full_like(weights["unembed.weight"], answer)
        weights["embed.weight"] = torch.full_like(weights["embed.weight"], 1e3)
        save_file({n: w.contiguous() for n, w in weights.items()}, folder / base.weights)
        (folder / "config.json").write_text(json.dumps(fields))
        (folder / "task.json").write_text(json.dumps({"L": L, "tokens": [0, 1]}))

    return mutate


TASKS: dict[str, Mutation] = {
    "task-late-duplicate": _task(lambda task: task | {"tokens": [*range(90_000), 89_999]}),
    "task-late-duplicate-answer": _task(
        lambda task: (
            task | {"L": 3, "answers": {"1": [*range(90_000)], "2": [90_001], "3": [89_999]}}
        )
    ),
    "task-count-twice": _task(lambda task: task | {"answers": {"1": [0], "01": [1]}}),
    "task-sampler-unknown": _task(lambda task: task | {"sampler": "poisson"}),
    "large-causal": _large(800, n_layers=13, attention_dir="causal"),
    "large-patterns": _large(800, n_layers=8),
    # As large as may be tried; what is wrong shows only when it runs.
    "large-infinite": _large(480, answer=3e38, n_layers=8),
    "large-feed-forward": _large(500, d_mlp=50_000),
    "large-answers": _large(500, d_vocab_out=100_000),
    "large-masks": _large(4, n_ctx=9_000),
}
