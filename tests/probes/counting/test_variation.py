"""Hand-made mixing weights whose token and position shares are known."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mechprobe.models import HookedTransformer, construct
from mechprobe.models.hooked import copy_with
from mechprobe.probes import CountContext, find_probe, label
from mechprobe.probes.counting.measures.attention_dependence import (
    example_sequence,
    same_token_contrast,
)
from mechprobe.probes.counting.variation import Variation, position_variance, token_variance

T, L, N = 6, 5, 4000


def drawn(seed: int = 0) -> torch.Tensor:
    return torch.randint(T, (N, L), generator=torch.Generator().manual_seed(seed))


def table(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def split(pattern: torch.Tensor, tokens: torch.Tensor) -> tuple[float, float]:
    square = pattern.square().mean((1, 2)).numpy()
    return Variation(
        token_variance(pattern).numpy(), position_variance(pattern, tokens, T).numpy(), square
    ).split()


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0, 3.0])
def test_shares_of_a_sum(weight: float) -> None:
    """w_ij = f(query token) + g(position): each share is its part's own variance."""
    tokens = drawn()
    f, g = table(T), weight * table(L, L, seed=2)
    pattern = f[tokens].unsqueeze(-1) + g
    share, relative = split(pattern, tokens)
    # Tokens are independent and uniform: the variance of f over the alphabet.
    token = f.var(correction=0).item()
    position = weight**2 * position_of(table(L, L, seed=2), tokens)
    assert share == pytest.approx(token / (token + position), rel=0.03)
    size = pattern.square().mean().item()
    assert relative == pytest.approx(((token + position) / size) ** 0.5, rel=0.03)


def position_of(g: torch.Tensor, tokens: torch.Tensor) -> float:
    """Within-group variance of position pairs with equal tokens, sequence by sequence, by hand."""
    found = []
    for row in tokens.tolist():
        groups: dict[tuple[int, int], list[float]] = {}
        for i, q in enumerate(row):
            for j, k in enumerate(row):
                groups.setdefault((q, k), []).append(g[i, j].item())
        freedom = sum(len(values) - 1 for values in groups.values())
        if freedom:
            within = sum(len(v) * float(np.var(v)) for v in groups.values())
            found.append(within / freedom)
    return float(np.mean(found))


def test_only_positions_and_only_tokens_and_nothing() -> None:
    tokens = drawn(3)
    constant = table(L, L).expand(N, L, L).clone()
    assert split(constant, tokens)[0] == pytest.approx(0.0, abs=1e-12)
    pairs = table(T, T)[tokens.unsqueeze(-1), tokens.unsqueeze(-2)]
    assert split(pairs, tokens)[0] == pytest.approx(1.0)
    assert split(torch.ones(N, L, L).double(), tokens) == (0.0, 0.0)
    assert split(torch.zeros(N, L, L).double(), tokens) == (0.0, 0.0)


def test_equal_parts_share_by_halves() -> None:
    """Unit variance from tokens, unit variance from positions: half each."""
    g = torch.Generator().manual_seed(7)
    noise = torch.randn(N, L, L, generator=g, dtype=torch.float64)
    one = torch.zeros(N, L, dtype=torch.long)  # a single token: all pairs are one group
    position = position_variance(noise, one, T)
    assert position.mean().item() == pytest.approx(1.0, rel=0.02)  # unbiased
    assert token_variance(noise).mean().item() == pytest.approx(1.0, rel=0.02)
    assert split(noise, one)[0] == pytest.approx(0.5, abs=0.01)


def test_sequences_without_equal_pairs_are_no_evidence() -> None:
    tokens = torch.tensor([[0, 1, 2], [0, 0, 1]])
    found = position_variance(table(2, 3, 3), tokens, 3)
    assert found.isnan().tolist() == [True, False]


def test_variance_of_few_sequences_is_unbiased() -> None:
    many = table(20_000, 1, 1, seed=5)
    small = torch.stack([token_variance(part).mean() for part in many.split(4)])
    assert small.mean().item() == pytest.approx(many.var().item(), rel=0.05)


def test_contrast_is_the_score_gap_whatever_a_row_adds() -> None:
    tokens = torch.tensor([[0, 0, 1, 2], [1, 1, 1, 0], [2, 2, 2, 2]])
    same = tokens.unsqueeze(-1) == tokens.unsqueeze(-2)
    scores = 1.5 * same.double() + table(3, 4).unsqueeze(-1)
    scores += 9 * torch.eye(4).double()  # one's own position does not count
    found = same_token_contrast(scores, tokens, 4)
    # Token 2 stands alone once and with nothing else once; token 3 is not there.
    np.testing.assert_allclose(found.numpy(), [1.5, 1.5, np.nan, np.nan])


def test_an_example_shows_equal_and_different_tokens() -> None:
    body = torch.tensor([[0, 0, 0, 0], [0, 1, 2, 3], [0, 0, 1, 2]])
    assert example_sequence(body) == 2


def attention(model: HookedTransformer) -> str:
    return label(model).attention


def test_attention_of_models(untrained: Callable[..., HookedTransformer]) -> None:
    lin = construct("lin", T=8, L=6)
    assert attention(lin) == "positional"
    uniform = copy_with(lin, W_mix=torch.full((6, 6), 1 / 6))
    assert attention(uniform) == "uninformed"
    assert attention(construct("dot-inventory", T=8, L=6)) == "uninformed"
    assert attention(construct("dot-lookup", T=8, L=6)) == "semantic"
    for seed in range(3):
        # Scores by tokens alone: no position can matter.
        model = untrained("bos+sftm", 8, 6, 12, 8, seed)
        assert CountContext(model, model.config.task()).variation.share == pytest.approx(1.0)
        assert attention(model) in ("semantic", "uninformed")


def test_the_probe_reports_the_gap_that_was_built_in() -> None:
    model = construct("dot+sftm", T=8, L=6, seed=2)
    w = model.weights()
    scores = w["W_E"] @ w["W_Q"] @ w["W_K"].T @ w["W_E"].T / 8**0.5
    gap = (scores[0, 0] - scores[0, 1]).item()
    found = find_probe("attention-dependence")(model)
    assert found.value("contrast") == pytest.approx(gap, rel=1e-5)
    assert found.value("contrast_positive") == 1.0
    assert found.value("token_share") == pytest.approx(1.0)
