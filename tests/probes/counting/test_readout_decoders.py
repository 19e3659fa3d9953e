"""Read-out and decoders where their values are known, and models with nothing to measure."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mechprobe.models import HookedTransformer, MechprobeError, construct
from mechprobe.models.hooked import copy_with
from mechprobe.probes import ProbeResult, all_probes, find_probe
from mechprobe.probes.counting.measures.linear_decoders import POINTS, credit, decode, whitened
from mechprobe.probes.counting.measures.readout import participation as serves
from mechprobe.probes.counting.measures.readout import reading_spectrum

SIZES = {"T": 8, "L": 6}


def values(name: str, model: HookedTransformer) -> dict[str, float]:
    result = find_probe(name)(model)
    return {metric: result.value(metric) for metric in result.metrics}


# -- the read-out --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "participation", "neurons", "rank"),
    [
        ("dot", 1.0, 1, 1.0),
        ("bos+sftm", 1.0, 1, 1.0),
        ("bos-relation-split", 1.0, 16, 1.0),
        ("dot-lookup", 1 / 8, 8, 8.0),
        ("lin", 1 / 8, 8, 8.0),
        ("dot-relation-groups", 1 / 2, 2, 2.0),
    ],
)
def test_who_reads_what(name: str, participation: float, neurons: int, rank: float) -> None:
    found = values("readout", construct(name, **SIZES))
    assert found["participation"] == pytest.approx(participation, rel=0.05)
    assert found["active_neurons"] <= neurons  # a threshold beyond the counts is never crossed
    assert found["active_neurons"] >= max(1, neurons // 2)
    assert found["reading_rank"] == pytest.approx(rank, rel=0.05)
    assert found["top_direction"] == pytest.approx(1 / rank, rel=0.15)


def test_spectrum_of_known_readings() -> None:
    E, out = torch.eye(3), torch.tensor([[1.0, -1.0], [2.0, -2.0], [0.0, 0.0]])
    found = reading_spectrum(E, torch.eye(3), out)
    torch.testing.assert_close(found, torch.tensor([2 / 3, 1 / 3, 0.0]).double())
    assert not reading_spectrum(E, torch.zeros(3, 2), out[:2]).any()
    assert serves(torch.tensor([[1.0, 1.0, 1.0, 1.0], [4.0, 0.0, 0.0, 0.0]])) == 0.625
    assert np.isnan(serves(torch.zeros(2, 3)))


# -- decoders ------------------------------------------------------------------------------------


def test_where_the_count_can_be_decoded() -> None:
    found = values("linear-decoders", construct("bos+sftm", **SIZES))
    assert found["count_resid_mid"] > 0.99
    assert found["count_attn_out"] > 0.99
    assert found["count_mlp_post"] > 0.99
    assert found["count_embed"] < 0.4  # a token does not say how often it occurs
    assert found["token_embed"] == pytest.approx(1)
    assert found["token_resid_mid"] == pytest.approx(1)
    assert found["token_mlp_post"] < 0.4  # one neuron, shared by all tokens
    assert found["count_control"] < 0.45
    assert found["token_control"] < 0.35


def test_a_look_up_decodes_by_neurons() -> None:
    found = values("linear-decoders", construct("dot-lookup", **SIZES))
    assert found["count_mlp_post"] > 0.95
    assert found["token_mlp_post"] > 0.95
    assert found["count_resid_post"] > 0.95
    assert found["token_resid_post"] < 0.4


def test_decode_knows_and_does_not_know() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], 60)
    known = np.eye(3)[labels] + 0.01 * rng.normal(size=(180, 3))
    assert decode(whitened(known), labels, 0) == 1.0
    assert decode(whitened(rng.normal(size=(180, 3))), labels, 0) < 0.5
    assert decode(np.zeros((180, 1)), np.array([0] * 100 + [1] * 80), 0) == 100 / 180


def test_ties_are_shared() -> None:
    class Model:
        classes_ = np.array([3, 5, 9])

        def predict_log_proba(self, features: np.ndarray) -> np.ndarray:
            return features

    score = np.log(np.array([[0.4, 0.4, 0.2], [0.2, 0.2, 0.6], [1 / 3, 1 / 3, 1 / 3]]))
    labels = np.array([3, 5, 9])
    assert credit.__wrapped__(Model(), score, labels) == pytest.approx((1 / 2 + 0 + 1 / 3) / 3)


# -- where nothing is to be measured -------------------------------------------------------------


@pytest.mark.parametrize("T_L", [(2, 3), (6, 5)])
@pytest.mark.parametrize("architecture", ["bos", "bos+sftm", "dot", "lin", "lin+sftm"])
def test_empty_models_are_measured_without_a_word_of_nan(
    architecture: str, T_L: tuple[int, int], untrained: Callable[..., HookedTransformer]
) -> None:
    """All weights zero: no warning, no infinite metric, words without numbers that are not."""
    model = untrained(architecture, *T_L, 3, 2, 0)
    model = copy_with(model, **{name: 0 * w for name, w in model.weights().items()})
    results: dict[str, ProbeResult] = {}
    for name, probe in all_probes().items():
        if probe.why_not(model, model.config.task()) is None:
            results[name] = probe(model)
            assert "nan" not in results[name].words
            assert all(
                m.value is None or np.isfinite(m.value) for m in results[name].metrics.values()
            )
    assert results["count-transport"].metrics["kappa"].value is None
    assert results["readout"].metrics["participation"].value is None
    assert results["counting-subspace"].metrics["shared_share"].value is None
    assert results["counting-subspace"].metrics["linearity"].value is None
    assert results["linear-decoders"].value("token_embed") < 0.6
    assert set(results["linear-decoders"].arrays["count"]) == {
        results["linear-decoders"].value(f"count_{point}") for point in POINTS
    }


def test_two_positions_leave_a_single_count() -> None:
    model = construct("bos+sftm", T=6, L=2)
    apply = {n for n, p in all_probes().items() if p.why_not(model, model.config.task()) is None}
    by_attention = {"attention-dependence", "attention-sources", "keep-source", "mean-pattern"}
    by_attention |= {"interchange-mixing"}
    assert apply == {"mutual-coherence"} | by_attention
    with pytest.raises(MechprobeError, match="count-transport: L=2 leaves a single count"):
        find_probe("count-transport")(model)
    found = find_probe("attention-dependence")(model)
    assert found.metrics["contrast"].value is None
    assert "nan" not in found.words
