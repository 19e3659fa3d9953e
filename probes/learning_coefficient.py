"""The local learning coefficient: how many directions of weight space a solution is fixed in.

Source: Lau, Furman, Wang, Murfet, Wei, arXiv:2308.12108: lambda = n beta (E[L_n(w)] - L_n(w*)),
with the mean over a posterior at inverse temperature beta = 1 / log n, drawn near w* by
stochastic-gradient Langevin dynamics (SGLD) in a Gaussian prior of precision gamma around w*. In
a regular model lambda is half the number of weights; a degenerate solution has less. Directions
whose curvature is below gamma / (n beta) are not seen.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
ACCEPTED = 0.7  # share of steps that a Metropolis test has to accept, or they are too large
TESTED = 10  # every so many steps one is put to that test

# Why there is no number, each in two words and in a clause.
NO_MINIMUM, DIVERGED, UNSETTLED = "no minimum", "chains diverge", "not settled"
REASONS = {
    NO_MINIMUM: "weights nearby have a lower loss, it is at no minimum",
    DIVERGED: "the chains diverge, or leave for a far higher loss, at every step size",
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
        acceptance: share of steps that a Metropolis test would accept, 1 for small ones.
        reason: one of `REASONS`; empty where there is a number.
    """

    value: float | None
    error: float | None
    chains: list[float]
    step: float
    virial: float
    acceptance: float
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
    (no model has more than half of it), or where the virial ratio is above 1. That is a mean over
    all weights, in which a few steep directions that throw a chain out of its basin do not show.
    So a Metropolis test has to accept most steps, and (w - w*) . grad L must not be less than the
    rise of L, twice of which it is in a basin: less means that chains wander on a plateau. A
    smaller step is tried then.

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
        values = [chain.value for chain in drawn]
        virial = fmean(chain.virial for chain in drawn) / len(begin)
        acceptance = fmean(chain.acceptance for chain in drawn)
        found = LearningCoefficient(None, None, values, step, virial, acceptance, DIVERGED)
        if all(math.isfinite(value) for value in values):
            room = SETTLED + ERRORS * _error([chain.virial for chain in drawn]) / len(begin)
            small = fmean(values) <= len(begin) and virial <= 1 + room and acceptance >= ACCEPTED
            if small and not _on_a_plateau(drawn):
                return _judged(found, room)
    return found


def _judged(found: LearningCoefficient, room: float) -> LearningCoefficient:
    mean = fmean(found.chains)
    if mean < 0:  # whatever its error: no coefficient is negative
        return replace(found, reason=NO_MINIMUM)
    if found.virial < 1 - room:
        return replace(found, reason=UNSETTLED)
    return replace(found, value=mean, error=_error(found.chains), reason="")


def _on_a_plateau(drawn: Sequence["_Chain"]) -> bool:
    flat = [chain.value - chain.climb for chain in drawn]
    return fmean(flat) > max(0.0, ERRORS * _error(flat)) and fmean(c.value for c in drawn) > 0


def _error(values: list[float]) -> float:
    return stdev(values) / math.sqrt(len(values))


@dataclass(frozen=True)
class _Chain:
    """What one chain gives; NaN where it diverged. The virial is summed over the weights, `climb`
    is the part of it that n beta L has."""

    value: float
    climb: float
    virial: float
    acceptance: float


def _chain(
    flat: "_Flat",
    begin: Float[Tensor, " k"],
    batches: Sequence[Tensor],
    base: Sequence[float],
    posterior: Posterior,
    step: float,
    generator: torch.Generator,
) -> _Chain:
    """One chain from w*. The loss at w* is taken on the same batch, so that its chance does not
    count twice."""
    order = draw_integers(len(batches), (posterior.steps,), generator).tolist()
    at, half = begin.clone(), posterior.steps // 2
    gaps: list[float] = []
    virials: list[float] = []
    pulled: list[float] = []  # of the virial, the prior's part
    accepted: list[float] = []
    for number, which in enumerate(order):
        value, pull = _energy(flat, at, begin, batches[which], posterior)
        if not math.isfinite(value):
            return _Chain(math.nan, math.nan, math.nan, math.nan)
        noise = draw_normal(at.shape, generator, at.dtype)
        after = at - step / 2 * pull + math.sqrt(step) * noise
        if number >= half:
            gaps.append(value - base[which])
            virials.append(((at - begin) @ pull).item())
            pulled.append(posterior.gamma * ((at - begin) @ (at - begin)).item())
            if (number - half) % TESTED == 0:
                there = _energy(flat, after, begin, batches[which], posterior)
                gain = posterior.n_beta * (value - there[0])
                gain += posterior.gamma / 2 * _square(at - begin, after - begin)
                back = (at - after + step / 2 * there[1]) / math.sqrt(step)
                gain += _square(noise, back) / 2
                accepted.append(math.exp(min(0.0, gain)) if math.isfinite(gain) else 0.0)
        at = after
    virial = fmean(virials)
    return _Chain(posterior.n_beta * fmean(gaps), virial - fmean(pulled), virial, fmean(accepted))


def _energy(
    flat: "_Flat",
    at: Float[Tensor, " k"],
    begin: Float[Tensor, " k"],
    batch: Tensor,
    posterior: Posterior,
) -> tuple[float, Float[Tensor, " k"]]:
    """The loss on a batch, and the gradient of U = n beta L + gamma |w - w*|^2 / 2."""
    now = at.detach().requires_grad_()
    value = flat.loss(now, batch)
    (slope,) = torch.autograd.grad(value, now)
    return value.item(), posterior.n_beta * slope + posterior.gamma * (at - begin)


def _square(one: Float[Tensor, " k"], less: Float[Tensor, " k"]) -> float:
    """|one|^2 - |less|^2."""
    return ((one - less) @ (one + less)).item()


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
