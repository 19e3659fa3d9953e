"""The estimator where the truth is known, on our models, and where there is no estimate."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from mechprobe.models import HookedTransformer, SolvableConfig, TransformerConfig, construct
from mechprobe.models.families import solvable, transformer
from mechprobe.probes import learning_coefficient as module
from mechprobe.probes.learning_coefficient import (
    LearningCoefficient,
    Posterior,
    learning_coefficient,
    of_model,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


NOTHING = [torch.zeros(1)]  # of losses that need no data


def toy(loss, k: int, posterior: Posterior, seed: int = 0) -> LearningCoefficient:
    """Of a function of k weights at the origin."""
    weights = {"w": torch.zeros(k, dtype=torch.float64)}
    return learning_coefficient(
        lambda now, _: loss(now["w"]), weights, NOTHING, posterior, generator(seed)
    )


def in_the_plane(loss, n_beta: float, gamma: float) -> float:
    """n beta E[loss] over the posterior of two weights, by quadrature."""
    side = np.linspace(-4, 4, 2001) / math.sqrt(gamma)
    x, y = np.meshgrid(side, side)
    values = n_beta * loss(x, y)
    mass = np.exp(-values - gamma * (x**2 + y**2) / 2)
    return float((values * mass).sum() / mass.sum())


def test_linear_regression_has_half_its_weights() -> None:
    """Six weights on noisy data: lambda = 3."""
    x = torch.randn(1000, 6, generator=generator(1), dtype=torch.float64)
    y = torch.randn(1000, 1, generator=generator(2), dtype=torch.float64)
    best = torch.linalg.lstsq(x, y).solution
    data = torch.cat([x, y], 1).split(100)

    def loss(now: dict[str, Tensor], batch: Tensor) -> Tensor:
        return ((batch[:, :6] @ now["w"] - batch[:, 6:]) ** 2).mean() / 2

    posterior = Posterior(n=1000, gamma=10.0, step=3e-3, steps=500)
    found = learning_coefficient(loss, {"w": best}, data, posterior, generator())
    assert found.value == pytest.approx(3.0, abs=0.6)
    assert found.error is not None
    assert found.error < 0.5


def test_weights_that_do_not_matter_count_nothing() -> None:
    posterior = Posterior(n=1000, gamma=10.0, step=3e-3, steps=500)
    found = toy(lambda w: (w[:2] ** 2).sum() / 2, 6, posterior)
    assert found.value == pytest.approx(1.0, abs=0.3)


def test_a_singular_minimum_has_less_than_half_its_weights() -> None:
    """(w1 w2)^2: lambda is 1/2, not 1; at a finite n beta what quadrature says."""
    posterior = Posterior(n=10_000, gamma=10.0, step=2e-3, steps=1000)
    found = toy(lambda w: (w[0] * w[1]) ** 2, 2, posterior)
    truth = in_the_plane(lambda x, y: (x * y) ** 2, posterior.n_beta, posterior.gamma)
    assert 0.25 < truth < 0.5
    assert found.value == pytest.approx(truth, abs=0.12)


def reduced_rank(M: int, H: int, N: int, r: int) -> float:
    """The coefficient of y = B A x with A [H, M] and B [N, H] where the truth has rank r: Aoyagi
    and Watanabe, Neural Networks 18 (2005) 924, main theorem."""
    if N + r > M + H:
        return (H * M - H * r + N * r) / 2
    if M + r > N + H:
        return (H * N - H * r + M * r) / 2
    if H + r > M + N:
        return M * N / 2
    even = -((H + r) ** 2) - M**2 - N**2 + 2 * (H + r) * (M + N) + 2 * M * N
    return (even + (M + H + N + r) % 2) / 8


def of_one_product(left: int, right: int, n_beta: float, gamma: float) -> float:
    """n beta E[|a|^2 |b|^2 / 2] over the posterior of two vectors of these sizes, by quadrature
    over the logarithms of their lengths: one idle hidden unit at a finite n beta."""
    u = np.linspace(-30, 3, 1500) - math.log(gamma) / 2
    x, y = np.meshgrid(u, u)
    a, b = np.exp(2 * x), np.exp(2 * y)
    values = n_beta * a * b / 2
    mass = np.exp(left * x + right * y - values - gamma * (a + b) / 2)
    return float((values * mass).sum() / mass.sum())


@pytest.mark.parametrize(("sizes", "truth"), [((3, 2, 3, 1), 3.5), ((4, 2, 3, 2), 5.0)])
def test_a_deep_linear_network_has_its_known_coefficient(
    sizes: tuple[int, int, int, int], truth: float
) -> None:
    """At the most singular solution, where r units pass one input each and the others are idle;
    half the weights are 6 and 7. Inputs are white: the mean loss is |BA - W|^2 / 2."""
    M, H, N, r = sizes
    posterior = Posterior(n=10_000, gamma=10.0, step=5e-5, steps=1600, chains=3)
    n_beta, gamma = posterior.n_beta, posterior.gamma
    assert reduced_rank(*sizes) == truth
    used, wanted = r * (M + N - r) / 2, truth
    if r < H:  # the idle unit comes up to its own coefficient, 1, as n grows
        assert used + of_one_product(M - r, N - r, 1e12, gamma) == pytest.approx(truth, abs=0.1)
        wanted = used + of_one_product(M - r, N - r, n_beta, gamma)
    ones = [torch.eye(rows, k, dtype=torch.float64) for rows, k in ((H, M), (N, H))]
    first, second = (torch.where(torch.arange(w.shape[1]) < r, w, 0.0) for w in ones)

    def loss(now: dict[str, Tensor], _: Tensor) -> Tensor:
        return ((now["B"] @ now["A"] - second @ first) ** 2).sum() / 2

    found = learning_coefficient(loss, {"A": first, "B": second}, NOTHING, posterior, generator())
    assert found.step == posterior.step
    assert found.value == pytest.approx(wanted, abs=0.5)


def test_a_saddle_is_no_minimum() -> None:
    posterior = Posterior(n=1000, gamma=100.0, step=2e-3, steps=300)
    found = toy(lambda w: -(w**2).sum() / 2 * 0.5, 4, posterior)
    assert found.value is None
    assert "lower loss" in found.problem


def test_a_step_that_is_too_large_is_made_smaller_or_said() -> None:
    steep = Posterior(n=1000, gamma=1.0, step=1.0 / 20, steps=200)
    found = toy(lambda w: (w**2).sum() / 2, 4, steep)
    assert found.step < steep.step
    assert found.value == pytest.approx(2.0, abs=0.8)
    never = toy(lambda w: 1e6 * (w**2).sum(), 4, steep)
    assert never.value is None
    assert "diverge" in never.problem
    slow = toy(lambda w: (w**2).sum() / 2, 4, Posterior(n=1000, gamma=1.0, step=1e-6, steps=40))
    assert slow.value is None
    assert "still on their way" in slow.problem


def counter() -> HookedTransformer:
    return construct("dot", T=4, L=3)


def other_transformer() -> HookedTransformer:
    config = TransformerConfig.standard(T=4, L=3, d=6, p=6, n_layers=1, n_heads=1)
    return HookedTransformer(config, transformer.initial(config, generator()))


def student() -> HookedTransformer:
    config = SolvableConfig.of(d=50)
    return HookedTransformer(config, solvable.initial(config, generator()))


@pytest.mark.parametrize("make", [counter, other_transformer, student])
def test_models_of_all_families_have_one(make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a reason; the same for the same seed, and the model is left as it was."""
    monkeypatch.setattr(module, "SEQUENCES", 128)
    monkeypatch.setattr(module, "Posterior", lambda: Posterior(n=128, steps=10, chains=2))
    model = make()
    before = model.fingerprint()
    first, again = (of_model(model, model.task(), 3) for _ in range(2))
    assert first == again or np.isnan(first.chains).any()
    assert (first.value is None) == bool(first.problem)
    assert model.fingerprint() == before
    assert all(weight.grad is None for weight in model.parameters())
