"""The local learning coefficient: how many directions of weight space a solution is fixed in.

Source: Lau, Furman, Wang, Murfet, Wei, arXiv:2308.12108: lambda = n beta (E[L_n(w)] - L_n(w*)),
with the mean over a posterior at inverse temperature beta = 1 / log n, drawn near w* by
stochastic-gradient Langevin dynamics (SGLD) in a Gaussian prior of precision gamma around w*. In
a regular model lambda is half the number of weights; a degenerate solution has less. Directions
whose curvature is below gamma / (n beta) are not seen.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call

from mechprobe.models import Task
from mechprobe.models.base.draws import draw_integers, draw_normal
from mechprobe.models.base.settled import settled
from mechprobe.models.base.weights import Weights
from mechprobe.probes.draws import generator as generator_for

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer

SEQUENCES, BATCH = 2048, 64  # n, and those behind a gradient
CHAINS, STEPS = 4, 400
GAMMA = 1000.0
STEP = 1e-5  # of the dynamics; made smaller where it is too large
SHRINK, TRIES = 4.0, 3  # by which factor, and how often
SETTLED = 0.2  # that the virial ratio may be off 1, beside its own error
ERRORS = 2.0  # standard errors that chance allows

# Why there is no number, each in two words and in a clause.
NO_MINIMUM, DIVERGED, UNSETTLED = "no minimum", "chains diverge", "not settled"
REASONS = {
    NO_MINIMUM: "weights nearby have a lower loss, it is at no minimum",
    DIVERGED: "the chains diverge at every step size",
    UNSETTLED: "the chains are still on their way",
}

Loss = Callable[[Weights, Tensor], Float[Tensor, ""]]


@dataclass(frozen=True)
class Posterior:
    """How weights are drawn near w*.

    Args:
        n: samples that the loss is a mean over, at least 2.
        gamma: precision of the prior around w*.
        step: of the dynamics.
        steps: of a chain; its first half is dropped.
        chains: independent ones, at least 2.
    """

    n: int = SEQUENCES
    gamma: float = GAMMA
    step: float = STEP
    steps: int = STEPS
    chains: int = CHAINS

    @property
    def n_beta(self) -> float:
        """n / log n."""
        return self.n / math.log(self.n)


@dataclass(frozen=True)
class LearningCoefficient:
    """An estimate with its error, or why there is none.

    Args:
        value: mean over the chains; None where `reason` says why.
        error: its standard error, from the spread of the chains.
        chains: what each gives; NaN where one diverged.
        step: of the dynamics that was used in the end.
        virial: mean of (w - w*) . grad U over the number of weights, 1 in equilibrium: less
            where the chains are still on their way, more where their steps are too large.
        reason: one of `REASONS`; empty where there is a number.
    """

    value: float | None
    error: float | None
    chains: list[float]
    step: float
    virial: float
    reason: str = ""

    @property
    def problem(self) -> str:
        """Why there is no number, in one clause; nothing where there is one."""
        clause = REASONS.get(self.reason, "")
        if self.reason == UNSETTLED:
            return f"{clause} (virial ratio {self.virial:.2f}, 1 is wanted)"
        return clause


def of_model(model: "HookedTransformer", task: Task, seed: int) -> LearningCoefficient:
    """The coefficient of a model's trainable weights on fresh data of a task.

    Args:
        model: hooked model, natural view; left as it is.
        task: which it was asked; its loss is taken.
        seed: of data and noise.
    """
    source = generator_for(seed, "learning coefficient")
    with settled():
        weights = {n: w.detach() for n, w in model.named_parameters() if w.requires_grad}

        def loss(now: Weights, batch: Tensor) -> Tensor:
            answers = functional_call(model, now, (batch,))
            return task.loss(answers, batch)

        batches = torch.split(task.sample(SEQUENCES, source), BATCH)
        return learning_coefficient(loss, weights, batches, Posterior(), source)


@settled()
def learning_coefficient(
    loss: Loss,
    weights: Weights,
    batches: Sequence[Tensor],
    posterior: Posterior,
    generator: torch.Generator,
) -> LearningCoefficient:
    """The estimate at weights w*.

    A step is too large where a chain diverges, where the estimate is above the number of weights
    (no model has more than half of it), or where the virial ratio is above 1. A smaller one is
    tried then.

    Args:
        loss: mean loss of weights on a batch; differentiable.
        weights: w*.
        batches: of equal size; their mean loss is L_n.
        posterior: how to draw; its step is the largest that is tried.
        generator: source of noise and of the order of batches.
    """
    flat = _Flat(loss, weights)
    begin = flat.of(weights)
    with torch.no_grad():
        base = [flat.loss(begin, batch).item() for batch in batches]
    for attempt in range(TRIES):
        step = posterior.step / SHRINK**attempt
        drawn = [
            _chain(flat, begin, batches, base, posterior, step, generator)
            for _ in range(posterior.chains)
        ]
        values = [value for value, _ in drawn]
        virials = [virial / len(begin) for _, virial in drawn]
        if all(math.isfinite(value) for value in values):
            room = SETTLED + ERRORS * _error(virials)
            if fmean(values) <= len(begin) and fmean(virials) <= 1 + room:
                return _judged(values, step, fmean(virials), room)
    return LearningCoefficient(None, None, values, step, fmean(virials), DIVERGED)


def _judged(values: list[float], step: float, virial: float, room: float) -> LearningCoefficient:
    mean, error = fmean(values), _error(values)
    if mean < 0:  # whatever its error: no coefficient is negative
        return LearningCoefficient(None, None, values, step, virial, NO_MINIMUM)
    if virial < 1 - room:
        return LearningCoefficient(None, None, values, step, virial, UNSETTLED)
    return LearningCoefficient(mean, error, values, step, virial)


def _error(values: list[float]) -> float:
    return stdev(values) / math.sqrt(len(values))


def _chain(
    flat: "_Flat",
    begin: Float[Tensor, " k"],
    batches: Sequence[Tensor],
    base: Sequence[float],
    posterior: Posterior,
    step: float,
    generator: torch.Generator,
) -> tuple[float, float]:
    """The estimate of one chain, and its virial; NaN where it diverges.

    The loss at w* is taken on the same batch, so that its chance does not count twice.
    """
    order = draw_integers(len(batches), (posterior.steps,), generator).tolist()
    at, half = begin.clone(), posterior.steps // 2
    gaps: list[float] = []
    virials: list[float] = []
    for number, which in enumerate(order):
        now = at.detach().requires_grad_()
        value = flat.loss(now, batches[which])
        (slope,) = torch.autograd.grad(value, now)
        away = at - begin
        pull = posterior.n_beta * slope + posterior.gamma * away
        if number >= half:
            gaps.append(value.item() - base[which])
            virials.append((away @ pull).item())
        noise = draw_normal(at.shape, generator, at.dtype)
        at = at - step / 2 * pull + math.sqrt(step) * noise
        if not math.isfinite(value.item()):
            return math.nan, math.nan
    return posterior.n_beta * fmean(gaps), fmean(virials)


class _Flat:
    """Weights as one vector, and the loss of it."""

    def __init__(self, loss: Loss, weights: Weights) -> None:
        self._loss = loss
        self._shapes = {name: weight.shape for name, weight in weights.items()}

    def of(self, weights: Weights) -> Float[Tensor, " k"]:
        return torch.cat([weights[name].detach().flatten() for name in self._shapes])

    def loss(self, vector: Float[Tensor, " k"], batch: Tensor) -> Float[Tensor, ""]:
        sizes = [math.prod(shape) for shape in self._shapes.values()]
        parts = torch.split(vector, sizes)
        pairs = zip(self._shapes.items(), parts, strict=True)
        return self._loss({name: part.view(shape) for (name, shape), part in pairs}, batch)
