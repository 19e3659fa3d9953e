"""Coherence, BOS and the counting subspace where their values are known beforehand."""

from math import log, sqrt

import numpy as np
import pytest
import torch

from mechprobe.models import HookedTransformer, MechprobeError, construct
from mechprobe.models.families.counting.bounds import welch_coherence
from mechprobe.models.families.counting.constructions import DIFFERENCE_SETS, harmonic_frame
from mechprobe.probes import find_probe
from mechprobe.probes.counting.measures.bos_anchoring import line_fit
from mechprobe.probes.counting.measures.counting_subspace import (
    linearity,
    participation,
    shared_share,
    whitener,
)
from mechprobe.probes.counting.measures.linear_decoders import whitened
from mechprobe.probes.counting.measures.mutual_coherence import cosines

SIZES = {"T": 8, "L": 6}


def values(name: str, model: HookedTransformer) -> dict[str, float]:
    result = find_probe(name)(model)
    return {metric: result.value(metric) for metric in result.metrics}


# -- mutual coherence ----------------------------------------------------------------------------


@pytest.mark.parametrize(("v", "members"), DIFFERENCE_SETS)
def test_harmonic_frames_lie_between_the_bounds(v: int, members: tuple[int, ...]) -> None:
    """No frame is below the Welch bound; these are within their own, complex, bound."""
    k = len(members)
    frame = harmonic_frame(v, members)
    overlap = (cosines(frame) - torch.eye(2 * v)).abs().max().item()
    assert welch_coherence(2 * v, 2 * k) <= overlap <= sqrt((v - k) / (k * (v - 1))) + 1e-9


def test_the_welch_bound_is_attained_by_a_simplex() -> None:
    """d + 1 vectors to the corners of a simplex overlap by exactly 1/d."""
    d = 5
    corners = torch.eye(d + 1).double() - 1 / (d + 1)
    assert welch_coherence(d + 1, d) == pytest.approx(1 / d)
    off = cosines(corners)[~torch.eye(d + 1, dtype=torch.bool)]
    torch.testing.assert_close(off, torch.full_like(off, -1 / d))
    assert welch_coherence(d, d) == welch_coherence(3, d) == 0.0


def test_coherence_of_models() -> None:
    plain = values("mutual-coherence", construct("dot", **SIZES))
    assert plain["coherence"] == pytest.approx(0, abs=1e-6)
    assert plain["norm_spread"] == pytest.approx(0, abs=1e-6)
    assert np.isnan(plain["bos_overlap_mean"])
    # At d = T the BOS embedding is the sum of the tokens'.
    bos = values("mutual-coherence", construct("bos", **SIZES))
    assert bos["bos_overlap_mean"] == pytest.approx(1 / sqrt(8), rel=1e-5)
    frame = values("mutual-coherence", construct("dot-frame", T=26, L=5))
    gram = cosines(harmonic_frame(13, (0, 1, 3, 9))).fill_diagonal_(0)
    assert frame["coherence"] == pytest.approx(gram.abs().max().item(), rel=1e-5)
    assert frame["welch_bound"] == pytest.approx(welch_coherence(26, 8))
    assert frame["mean_overlap"] == pytest.approx(gram.abs().sum().item() / (26 * 25), rel=1e-5)


def test_a_missing_embedding_overlaps_with_nothing() -> None:
    E = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    assert cosines(E)[0].tolist() == [0.0, 0.0, 0.0]
    assert cosines(E)[1, 2].item() == pytest.approx(1 / sqrt(2))


# -- BOS -----------------------------------------------------------------------------------------


def test_bos_mass_of_the_binary_code() -> None:
    """Its mass on BOS is 1/(1 + c): the inverse is a line of slope 1, so that a = 0."""
    result = find_probe("bos-anchoring")(construct("bos+sftm-binary", **SIZES))
    count = result.arrays["count"]
    np.testing.assert_allclose(result.arrays["mass"], [1 / (1 + count)] * 8, rtol=1e-3)
    assert result.value("inverse_r2") == pytest.approx(1, abs=1e-5)
    assert result.value("linear_r2") < 0.95
    assert result.value("gap") == pytest.approx(0, abs=1e-3)
    assert result.value("mass_slope") == pytest.approx(1 / 6 - 1 / 2, abs=1e-3)
    assert result.value("bos_score_positive") == 1.0


def test_bos_mass_of_the_plain_construction() -> None:
    """1/w = 1 + c + (L - c) e^-s, by count a line of slope 1 - e^-s."""
    model = construct("bos+sftm", **SIZES)
    w = model.weights()
    scores = w["W_E"] @ w["W_Q"] @ w["W_K"].T @ w["W_E"].T / 8**0.5
    s = (scores[0, 0] - scores[0, 1]).item()
    found = values("bos-anchoring", model)
    assert found["inverse_r2"] == pytest.approx(1, abs=1e-6)
    assert found["gap"] == pytest.approx(log(1 - np.exp(-s)), abs=1e-4)


def test_bos_without_softmax_or_without_anchor() -> None:
    bare = values("bos-anchoring", construct("bos", **SIZES))
    assert np.isnan(bare["inverse_r2"])
    assert np.isnan(bare["gap"])
    flat = values("bos-anchoring", construct("bos+sftm-inventory", **SIZES))
    assert np.isnan(flat["inverse_r2"])
    assert flat["bos_score_positive"] == 0.0
    assert flat["bos_mass"] == pytest.approx(1 / 7)
    with pytest.raises(MechprobeError, match="bos-anchoring: the model has no BOS token"):
        find_probe("bos-anchoring")(construct("dot", **SIZES))


def test_line_fit() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert line_fit(x, 3 * x - 1) == pytest.approx((-1.0, 3.0, 1.0))
    assert line_fit(x, np.full(4, 7.0))[2] is None
    noisy = np.array([1.0, -1.0, 1.0, -1.0])
    assert line_fit(x, noisy)[2] == pytest.approx(np.corrcoef(x, noisy)[0, 1] ** 2)


# -- the counting subspace -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bos+sftm", "bos+sftm-binary", "bos+sftm-relation-split"])
def test_tokens_share_the_bos_direction(name: str) -> None:
    found = values("counting-subspace", construct(name, T=16, L=10))
    assert found["shared_share"] > 0.85
    assert found["direction_cosine"] > 0.85
    assert found["dimension"] < 1.2


@pytest.mark.parametrize("name", ["lin", "lin+sftm", "dot+sftm"])
def test_without_bos_every_token_has_its_own_direction(name: str) -> None:
    found = values("counting-subspace", construct(name, T=16, L=10))
    assert abs(found["shared_share"]) < 0.15
    assert abs(found["direction_cosine"]) < 0.15
    assert found["token_dimension"] > 8


def test_shared_share_of_known_curves() -> None:
    count = np.arange(5.0) - 2
    shared, own = np.zeros((4, 5, 5)), np.zeros((4, 5, 5))
    shared[:, :, 4] = count
    own[np.arange(4), :, np.arange(4)] = 2 * count
    assert shared_share(shared, shared) == pytest.approx(1)
    assert shared_share(own, own) == pytest.approx(0)
    assert shared_share(shared + own, shared + own) == pytest.approx(1 / 5)
    assert np.isnan(shared_share(0 * own, 0 * own))


def test_participation_and_linearity_of_known_curves() -> None:
    line = np.outer(np.arange(4.0), [3.0, 4.0])
    assert participation(line) == pytest.approx(1)
    assert participation(np.eye(3)) == pytest.approx(2)  # centred, it spans a plane evenly
    assert participation(np.ones((3, 2))) == 1.0
    count = np.arange(1, 5)
    assert linearity(count, 2.0 * count) == pytest.approx(1)
    assert linearity(count, np.full(4, 3.0)) is None
    parabola = (count - 2.5) ** 2
    assert linearity(count, parabola) == pytest.approx(0)


def test_whitening_drops_what_does_not_vary() -> None:
    data = np.random.default_rng(0).normal(size=(500, 3)) @ np.diag([5.0, 1.0, 0.0])
    white = whitener(data)
    assert white.shape == (3, 2)
    np.testing.assert_allclose(np.cov((data @ white).T), np.eye(2), atol=1e-9)
    assert not whitener(np.ones((10, 3))).any()
    np.testing.assert_allclose(np.cov(whitened(data).T), np.eye(2), atol=1e-9)
    assert not whitened(np.ones((10, 3))).any()
