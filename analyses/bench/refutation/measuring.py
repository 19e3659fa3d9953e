"""Every measure of one model, on a path of blends and on models trained without any."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from mechprobe.models import (
    CountingConfig,
    HookedTransformer,
    Trainee,
    TrainingPlan,
    construct,
    train,
)
from mechprobe.models.tasks.causal_models import inventory, relation
from mechprobe.probes import CountContext
from mechprobe.probes.counting.causal.remove_shared import remove
from mechprobe.probes.counting.interchange import interchanges
from mechprobe.probes.counting.label.rule import SOLVED
from mechprobe.probes.counting.placebos import controls

T, L = 8, 6
PATHS = ("dot-blend", "bos-blend", "bos+sftm-blend")
# Architectures that could count either way, and those that have to look counts up.
FREE, BOUND = ("bos", "bos+sftm", "dot"), ("lin", "lin+sftm", "dot+sftm")
WIDTHS = ((8, 8), (8, 16), (16, 8), (16, 16))  # d, p: room for a neuron a token


@dataclass(frozen=True)
class Row:
    """Measures of one model: from 0 where each token has its own counter to 1 where all share, but
    for the interchange accuracies, which are halves of agreement.

    Args:
        path: construction of a blend, or architecture of a trained model.
        at: share of the relation-based part, of blends.
        seed: of the model.
        accuracy: share of right answers.
        kappa: slope on other tokens' counts over the own, mean over tokens.
        lost: accuracy above chance lost with the shared component.
        received, sent, used: of interchanges, means over tokens.
        relation, inventory: interchange accuracy of either causal model.
        relation_control, inventory_control: the largest of those of the three controls.
        token_kappa, token_received, token_used: of every token.
    """

    path: str
    at: float | None
    seed: int
    accuracy: float
    kappa: float
    lost: float
    received: float
    sent: float
    used: float
    relation: float
    inventory: float
    relation_control: float
    inventory_control: float
    token_kappa: list[float]
    token_received: list[float]
    token_used: list[float]


MEASURES = ("kappa", "lost", "received", "sent", "used", "relation", "inventory")


def measured(model: HookedTransformer, path: str, at: float | None, seed: int) -> Row:
    """Measure one model.

    Args:
        model: of T tokens.
        path, at, seed: where it stands.
    """
    context = CountContext(model, model.config.task(), 0)
    found = interchanges(context)
    beside = controls(context, found)
    kappa = context.transport.kappa()
    models = {"relation": relation(T), "inventory": inventory(T)}
    both = {name: found.mean.accuracy(one) for name, one in models.items()}
    parts = (beside.untrained, beside.shuffled, beside.random)
    most = {
        f"{name}_control": max(part.mean.accuracy(one) for part in parts)
        for name, one in models.items()
    }
    received, used = found.received(), found.used()
    return Row(
        path=path,
        at=at,
        seed=seed,
        accuracy=context.accuracy,
        kappa=float(np.nanmean(kappa)) if not np.isnan(kappa).all() else 0.0,
        lost=remove(context).lost,
        received=float(received.mean()),
        sent=float(found.sent().mean()),
        used=float(used.mean()),
        **both,
        **most,
        token_kappa=kappa.tolist(),
        token_received=received.tolist(),
        token_used=used.tolist(),
    )


def along_paths(steps: int, seeds: int) -> pd.DataFrame:
    """Blends from none to all of the logits relation-based, evenly spaced."""
    rows = [
        measured(construct(name, T=T, L=L, seed=seed, alpha=float(at)), name, float(at), seed)
        for name in PATHS
        for seed in range(seeds)
        for at in np.linspace(0, 1, steps + 1)
    ]
    return pd.DataFrame([asdict(row) for row in rows])


def trainees(seeds: int) -> Iterator[Trainee]:
    """The trained models: every architecture, width and seed."""
    for name in FREE + BOUND:
        for d, p in WIDTHS if name in FREE else WIDTHS[-1:]:
            for seed in range(seeds):
                yield Trainee(CountingConfig.of(name, T=T, L=L, d=d, p=p), seed, TrainingPlan())


def trained(seeds: int) -> pd.DataFrame:
    """Models that training made, of which no one chose the mechanism; those that count."""
    made = list(trainees(seeds))
    rows = []
    for trainee, result in zip(made, train(made), strict=True):
        if result.diverged_at is not None:
            continue
        model = HookedTransformer(trainee.config, result.weights)
        rows.append(measured(model, trainee.config.architecture, None, trainee.seed))
    table = pd.DataFrame([asdict(row) for row in rows])
    return table[table.accuracy >= SOLVED].reset_index(drop=True)
