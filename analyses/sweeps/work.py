"""What a worker does with a shard: train, evaluate, probe, label, store."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from mechprobe.analyses.sweeps.grid import Member
from mechprobe.analyses.sweeps.shards import Shard
from mechprobe.analyses.sweeps.store import Store
from mechprobe.analyses.sweeps.table import EVIDENCE
from mechprobe.models import HistogramTask, HookedTransformer, MechprobeError, Trained, train
from mechprobe.models.base.parallel import one_thread
from mechprobe.models.families.counting import forward
from mechprobe.probes.quick import quick

# Sequences; the standard error of an accuracy over 10 positions is below 0.4 and 0.25 points.
VALIDATED, TESTED = 2048, 4096
VALIDATION_SEED, TEST_SEED = 314_159, 271_828


def do_shard(folder: Path, shard: Shard) -> None:
    """Train and label a shard's models and store them; nothing is left of a failure.

    Raises:
        MechprobeError: the file cannot be written, or there is no such device.
    """
    one_thread()
    store = Store(folder)
    grid = shard.grid
    trained = train([m.trainee for m in shard.members], snapshots=grid.shots(), device=grid.device)
    rows = [row_of(m, t, grid.seed) for m, t in zip(shard.members, trained, strict=True)]
    store.put(shard, rows, trained)


def row_of(member: Member, trained: Trained, seed: int) -> dict[str, Any]:
    """Everything the table says of one model but which learning rate is best.

    Args:
        member: what it was to be.
        trained: what became of it.
        seed: of the probes.
    """
    config = member.trainee.config
    row = member.row() | {"diverged_at": trained.diverged_at}
    row["validation_accuracy"], _ = _answered(member, trained, VALIDATED, VALIDATION_SEED)
    row["accuracy"], row["collapsed"] = _answered(member, trained, TESTED, TEST_SEED)
    try:
        model = HookedTransformer(config, trained.weights)
        row["model_hash"] = model.fingerprint()
        label, measures = quick(model, seed=seed)
    except MechprobeError as error:
        return row | {"problem": str(error)}
    return (
        row
        | measures
        | {
            "mechanism": label.mechanism,
            "attention": label.attention,
            "counters": label.counters,
            "confidence": label.confidence,
            "agreement": label.agreement,
            "attention_agreement": label.attention_agreement,
            "reasons": label.reasons,
            "tokens": label.tokens,
            "kappa": [None if k != k else round(float(k), 6) for k in label.kappa],
            "rule": label.version,
            **{EVIDENCE + name: metric.value for name, metric in label.evidence.items()},
        }
    )


def _answered(member: Member, trained: Trained, n: int, seed: int) -> tuple[float, bool]:
    """Share of right answers, and whether all answers are one and the same."""
    config = member.trainee.config
    task: HistogramTask = config.task()
    tokens = _drawn(task, n, seed)
    stack = {name: weight.unsqueeze(0) for name, weight in trained.weights.items()}
    with torch.no_grad():
        logits = forward(config, stack, tokens.unsqueeze(0))[0]
    answers = task.scored(logits, -2).argmax(-1)
    return task.accuracy(logits, tokens), bool((answers == answers.flatten()[0]).all())


@lru_cache(4)
def _drawn(task: HistogramTask, n: int, seed: int) -> Int[Tensor, "n pos"]:
    """The same for every model of a task; not to be written into."""
    return task.sample(n, torch.Generator().manual_seed(seed))
