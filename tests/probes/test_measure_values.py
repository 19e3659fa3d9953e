"""What each measure must say of models built to have a known answer."""

import pytest
import torch

from models import construct
from models.constructions import harmonic_frame
from probes import find_probe
from probes.measures.attention_dependence import position_variance, token_variance
from probes.measures.mutual_coherence import cosines, welch_bound


def test_coherence_of_orthonormal_tokens_is_zero_and_of_frames_is_welch() -> None:
    """Orthonormal tokens do not overlap; a harmonic frame stays within the complex Welch bound."""
    assert find_probe("mutual-coherence")(construct("dot", T=8, L=6)).value("coherence") < 1e-6
    frame = harmonic_frame(15, (0, 1, 2, 4, 5, 8, 10))
    overlap = (cosines(frame) - torch.eye(30, dtype=torch.float64)).abs().max().item()
    assert welch_bound(30, 14) <= overlap <= (8 / (7 * 14)) ** 0.5 + 1e-9
    built = find_probe("mutual-coherence")(construct("dot-frame", T=30, L=10))
    assert abs(built.value("coherence") - overlap) < 1e-5
    assert abs(built.value("welch_bound") - welch_bound(30, 14)) < 1e-9


def test_bos_mass_follows_the_paper() -> None:
    """The binary construction has mass 1 / (1 + c): slope one of the inverse, gap zero."""
    result = find_probe("bos-anchoring")(construct("bos+sftm-binary", T=16, L=10))
    assert result.value("inverse_r2") > 0.9999
    assert abs(result.value("gap")) < 1e-3
    assert result.value("bos_score_positive") == 1
    expected = 1 / (1 + torch.arange(1, 10).double())
    assert abs(result.arrays["mass"].mean(0) - expected.numpy()).max() < 1e-4
    flat = find_probe("bos-anchoring")(construct("bos+sftm-inventory", T=8, L=6))
    assert flat.metrics["inverse_r2"].value is None
    assert abs(flat.value("bos_mass") - 1 / 7) < 1e-6


def test_counting_subspace_tells_shared_from_private() -> None:
    """One counter is one dimension that all share; look-ups share none."""
    shared = find_probe("counting-subspace")(construct("bos+sftm-binary", T=16, L=10))
    assert shared.value("shared_share") > 0.9
    assert shared.value("dimension") < 1.1
    private = find_probe("counting-subspace")(construct("lin", T=16, L=10))
    assert private.value("shared_share") < 0.05
    assert private.value("token_dimension") > 10


def test_readout_participation_and_rank() -> None:
    """One neuron for all tokens, or one for each."""
    one = find_probe("readout")(construct("dot", T=16, L=10))
    assert (one.value("participation"), one.value("active_neurons")) == pytest.approx((1, 1), 1e-3)
    each = find_probe("readout")(construct("lin", T=16, L=10))
    assert each.value("participation") == pytest.approx(1 / 16, 0.05)
    assert each.value("active_neurons") == 16
    assert each.value("reading_rank") > 10


def test_decision_regions_hold_the_right_answers() -> None:
    """On the path of the model's own residuals the region is that of the count."""
    result = find_probe("readout")(construct("bos+sftm-binary", T=16, L=10))
    regions, path = result.arrays["regions"], result.arrays["path"]
    left, right, bottom, top = result.arrays["extent"]
    n = regions.shape[0] - 1
    for count, (x, y) in enumerate(path[:5], start=1):
        column = round((x - left) / (right - left) * n)
        row = round((y - bottom) / (top - bottom) * n)
        assert abs(int(regions[row, column]) - count) <= 1


def test_decoders_against_their_control() -> None:
    """The count is in the residual stream of a BOS counter, not in its embeddings."""
    result = find_probe("linear-decoders")(construct("bos+sftm", T=8, L=6))
    assert result.value("count_resid_mid") > 0.98
    assert result.value("count_embed") < 0.3
    assert result.value("token_embed") > 0.98
    assert result.value("count_control") < 0.35
    assert result.value("token_control") < 0.3


def test_attention_contrast_has_a_sign() -> None:
    """Relational constructions attract their own kind; constant scores do neither."""
    attract = find_probe("attention-dependence")(construct("dot", T=8, L=6))
    assert attract.value("contrast_positive") == 1
    assert attract.value("token_share") == 1
    neither = find_probe("attention-dependence")(construct("dot-inventory", T=8, L=6))
    assert neither.value("variation") < 1e-4
    assert neither.value("contrast_positive") == 0


def test_variances_of_patterns_made_by_hand() -> None:
    """w_ij = token part + position part, with known variances of either."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(3, (4000, 6), generator=generator)
    value = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    by_key_token = value[tokens].unsqueeze(1).expand(-1, 6, -1)
    place = torch.arange(6, dtype=torch.float64)
    by_key_place = place.expand(4000, 6, 6)
    assert token_variance(by_key_place).mean() == 0
    assert position_variance(by_key_token, tokens, 3).nanmean() == 0
    assert token_variance(by_key_token).mean().item() == pytest.approx(2 / 3, 0.03)
    both = by_key_token + by_key_place
    assert token_variance(both).mean().item() == pytest.approx(2 / 3, 0.03)
    # Independent unit variance on every pair of places: the estimate is unbiased.
    pairs = torch.randn(4000, 6, 6, generator=generator, dtype=torch.float64)
    found = position_variance(by_key_token + pairs, tokens, 3).nanmean().item()
    assert found == pytest.approx(1, 0.03)
