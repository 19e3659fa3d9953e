"""Training of transformers that count: epochs of shuffled batches, stoppable between epochs."""

import hashlib
import json
import math
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

import torch
from jaxtyping import Int
from torch import Tensor

from mechprobe.models.base.draws import draw_order
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.base.weights import fingerprint
from mechprobe.models.families.transformer.config import TransformerConfig
from mechprobe.models.families.transformer.data import Data, epoch_generator
from mechprobe.models.families.transformer.forward import forward
from mechprobe.models.families.transformer.kept import Curves, keep, take_up
from mechprobe.models.families.transformer.weights import Weights, check

Optimizer = Literal["adam", "sgd"]
Schedule = Literal["constant", "cosine"]
EPSILON = 1e-9  # of Adam, as published
CHUNK = 2000  # sequences looked at together when accuracy is measured


@dataclass(frozen=True)
class Plan:
    """Budget of a training run.

    Args:
        epochs: passes over the data.
        batch: sequences a step; the last of an epoch may be shorter.
        lr: learning rate, with schedule "cosine" the one at the start.
        betas: of Adam; published as (0.9, 0.98).
        optimizer: "adam" or "sgd" (no momentum).
        schedule: "constant", or "cosine" down to zero over the steps of the whole run.

    Raises:
        MechprobeError: a number out of range, or an unknown choice.
    """

    epochs: int
    batch: int
    lr: float
    betas: tuple[float, float] = (0.9, 0.98)
    optimizer: Optimizer = "adam"
    schedule: Schedule = "constant"

    def __post_init__(self) -> None:
        inside = all(0 <= beta < 1 for beta in self.betas)
        whole = all(isinstance(number, int) for number in (self.epochs, self.batch))
        if not whole or self.epochs < 1 or self.batch < 1 or not 0 < self.lr <= 10 or not inside:
            raise MechprobeError(
                f"training plan {asdict(self)}: epochs and batch are whole and at least 1, lr in"
                " (0, 10], betas in [0, 1)"
            )
        for name, known in (("optimizer", Optimizer), ("schedule", Schedule)):
            if getattr(self, name) not in get_args(known):
                choices = " or ".join(get_args(known))
                raise MechprobeError(f"{name} {getattr(self, name)!r} is unknown; choose {choices}")

    def rate(self, done: float) -> float:
        """Learning rate where this share of the run is done."""
        if self.schedule == "constant":
            return self.lr
        return self.lr * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True)
class Trained:
    """What training made of a model.

    Args:
        weights: at the end.
        losses: mean cross-entropy over each epoch, while it was learning.
        accuracies: share of right answers on the validation set after each epoch; empty without.
    """

    weights: Weights
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)


@settled()
def train(
    config: TransformerConfig,
    weights: Weights,
    data: Data,
    plan: Plan,
    seed: int,
    *,
    validation: Int[Tensor, "n pos"] | None = None,
    frozen: Collection[str] = (),
    progress: Callable[[int], object] | None = None,
    state_path: Path | None = None,
) -> Trained:
    """Train a model from given weights; BOS positions are not scored.

    On one machine type the weights are the same bits whether or not the run was stopped between.

    Args:
        config: shape and kind.
        weights: to start from; not changed.
        data: sequences of each epoch (`FixedData`, `FreshData`).
        plan: epochs, batch, learning rate, optimiser, schedule.
        seed: of the order of sequences, at least 0.
        validation: sequences on which accuracy is measured after each epoch.
        frozen: names of weights that stay as they are.
        progress: called with 1 after each epoch, and with the number of those done before when a
            run goes on.
        state_path: where the state is kept after each epoch; the same call goes on from it.
            Remove it once what came out is saved.

    Raises:
        MechprobeError: weights or sequences do not fit, accuracy is wanted of a task that has none,
            an unknown frozen name or all of them, a negative seed, a loss that is not finite, or
            the kept state is damaged or belongs to another run.
    """
    check(config, weights)
    if seed < 0:
        raise MechprobeError(f"seed {seed}: at least 0 is wanted")
    for name in frozen:
        if name not in weights:
            raise MechprobeError(f"frozen: there is no weight {name}; known: {', '.join(weights)}")
    if not weights.keys() - set(frozen):
        raise MechprobeError("frozen: nothing is left to learn")
    _check_tokens(config, data.epoch(0), "data")
    if validation is not None:
        _check_tokens(config, validation, "validation")
        if not hasattr(task := config.task(), "correct"):
            raise MechprobeError(f"validation: task {task.name!r} does not say what is correct")
    run = _Run(config, weights, plan, frozenset(frozen))
    identity = _identity(config, weights, data, plan, seed, validation, frozen)
    if state_path is not None and state_path.exists():
        run.curves = take_up(state_path, identity, run.learning, run.optimizer, plan.epochs)
    if progress is not None and run.done:
        progress(run.done)
    for epoch in range(run.done, plan.epochs):
        tokens = data.epoch(epoch)
        order = draw_order(len(tokens), epoch_generator(seed, epoch))
        run.epoch(epoch, tokens[order])
        if validation is not None:
            run.curves["accuracies"].append(accuracy(config, run.weights, validation))
        if state_path is not None:
            keep(state_path, identity, run.learning, run.optimizer, run.curves)
        if progress is not None:
            progress(1)
    final = {name: weight.detach().clone() for name, weight in run.weights.items()}
    return Trained(final, **run.curves)


@settled()
def accuracy(config: TransformerConfig, weights: Weights, tokens: Int[Tensor, "n pos"]) -> float:
    """Share of scored positions answered rightly, in [0, 1]."""
    task = config.task()
    with torch.no_grad():
        right = [task.correct(forward(config, weights, t), t) for t in torch.split(tokens, CHUNK)]
    return torch.cat(right).double().mean().item()


class _Run:
    """Weights and optimiser on their way."""

    def __init__(
        self, config: TransformerConfig, weights: Weights, plan: Plan, frozen: frozenset[str]
    ) -> None:
        self.config, self.plan, self.task = config, plan, config.task()
        self.weights = {
            name: weight.detach().clone().requires_grad_(name not in frozen)
            for name, weight in weights.items()
        }
        self.learning = {n: w for n, w in self.weights.items() if w.requires_grad}
        self.curves: Curves = {"losses": [], "accuracies": []}
        values = list(self.learning.values())
        self.optimizer: torch.optim.Optimizer
        if plan.optimizer == "adam":
            # Fused: one call for all weights, the fastest on a processor.
            self.optimizer = torch.optim.Adam(
                values, lr=plan.lr, betas=plan.betas, eps=EPSILON, fused=True
            )
        else:
            self.optimizer = torch.optim.SGD(values, lr=plan.lr, fused=True)

    @property
    def done(self) -> int:
        """Epochs."""
        return len(self.curves["losses"])

    def epoch(self, number: int, tokens: Int[Tensor, "n pos"]) -> None:
        """One pass."""
        targets = self.task.targets(tokens)
        batches = list(
            zip(*(torch.split(t, self.plan.batch) for t in (tokens, targets)), strict=True)
        )
        total = torch.zeros((), dtype=torch.float64)
        for step, (batch, wanted) in enumerate(batches):
            done = (number + step / len(batches)) / self.plan.epochs
            for group in self.optimizer.param_groups:
                group["lr"] = self.plan.rate(done)
            answers = forward(self.config, self.weights, batch)
            loss = self.task.loss(answers, batch, wanted)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.detach() * len(batch)
        if not total.isfinite() or not all(w.isfinite().all() for w in self.learning.values()):
            raise MechprobeError(
                f"training diverged in epoch {number}: the loss is not finite; lower lr"
                f" (now {self.plan.lr})"
            )
        self.curves["losses"].append(total.item() / len(tokens))


def _check_tokens(config: TransformerConfig, tokens: Int[Tensor, "n pos"], what: str) -> None:
    """Raises:
    MechprobeError: no sequences, or not those of the model.
    """
    if tokens.ndim != 2 or len(tokens) < 1 or tokens.shape[1] != config.n_ctx:
        raise MechprobeError(
            f"{what}: sequences of shape {tuple(tokens.shape)}; at least one of {config.n_ctx}"
            " positions is wanted"
        )
    if tokens.min() < 0 or tokens.max() >= config.n_vocab:
        raise MechprobeError(f"{what}: token ids go from 0 to {config.n_vocab - 1} in this model")


def _identity(
    config: TransformerConfig,
    weights: Weights,
    data: Data,
    plan: Plan,
    seed: int,
    validation: Tensor | None,
    frozen: Collection[str],
) -> str:
    """A run's name: all that decides what it becomes."""
    digest = hashlib.sha256()
    for epoch in (0, 1):  # two: fresh draws may begin alike
        digest.update(data.epoch(epoch).contiguous().numpy().tobytes())
    digest.update(b"" if validation is None else validation.contiguous().numpy().tobytes())
    named = [fingerprint(config.model_dump_json(), weights), asdict(plan), seed, sorted(frozen)]
    return json.dumps([*named, digest.hexdigest()])
