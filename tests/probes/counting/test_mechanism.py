"""Labels of models whose mechanism is known, and what they must not depend on."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mechprobe.models import (
    ARCHITECTURES,
    CONSTRUCTIONS,
    HookedTransformer,
    MechprobeError,
    construct,
)
from mechprobe.models.families.counting.constructions import Sizes
from mechprobe.models.families.counting.symmetries import random_symmetry
from mechprobe.probes import MechanismLabel, label
from mechprobe.probes.counting.label.calibration import calibrated, load
from mechprobe.probes.counting.label.range import CAUTIOUS

PURE = [n for n, c in CONSTRUCTIONS.items() if c.option != "alpha" and c.plant is None]
BLENDS = [name for name, c in CONSTRUCTIONS.items() if c.option == "alpha"]
FRAMES = ["dot-frame", "bos-frame"]  # there is none for eight tokens


def axes(found: MechanismLabel) -> tuple[str, str, int | None]:
    return found.mechanism, found.attention, found.counters


@pytest.mark.parametrize(
    ("name", "T", "L"),
    [(n, 16, 10) for n in PURE] + [(n, 8, 6) for n in PURE if n not in FRAMES],
)
def test_constructions_are_what_they_were_built_to_be(name: str, T: int, L: int) -> None:
    found = label(construct(name, T=T, L=L, seed=3))
    assert axes(found) == CONSTRUCTIONS[name].truth(Sizes(T, L))
    assert found.accuracy == 1.0
    assert found.agreement > 0.9
    assert found.confidence > 0.9


@pytest.mark.parametrize(("T", "L"), [(8, 6), (16, 10)])
@pytest.mark.parametrize("name", BLENDS)
@pytest.mark.parametrize("alpha", [0.05, 0.42, 0.58, 0.95])
def test_blends_follow_alpha(name: str, T: int, L: int, alpha: float) -> None:
    found = label(construct(name, T=T, L=L, alpha=alpha))
    mechanism, attention, counters = CONSTRUCTIONS[name].truth(Sizes(T, L, alpha))
    assert (found.mechanism, found.attention) == (mechanism, attention)
    if mechanism != "mixed":  # a mixed model's counters have no sharp borders
        assert found.counters == counters


@pytest.mark.parametrize("groups", [1, 2, 3, 4])
def test_counters_are_counted(groups: int) -> None:
    found = label(construct("dot-relation-groups", T=12, L=8, groups=groups))
    assert axes(found) == ("relation-based", "semantic", groups)
    says = "all 12 tokens share one" if groups == 1 else f"{groups} groups of tokens share one each"
    assert found.reasons[1] == f"counters: {says}"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("seed", [0, 1])
def test_untrained_models_are_unsolved(
    architecture: str, seed: int, untrained: Callable[..., HookedTransformer]
) -> None:
    found = label(untrained(architecture, 8, 6, 16, 16, seed))
    assert (found.mechanism, found.counters) == ("unsolved", None)
    assert found.accuracy < 0.9
    assert "leans to" in found.reasons[0]
    assert not any(reason.startswith("counters") for reason in found.reasons)
    assert len(found.tokens) == 8


@settings(max_examples=15)
@given(name=st.sampled_from([*PURE, *BLENDS]), seed=st.integers(0, 2**31), probe=st.integers(0, 99))
def test_labels_survive_symmetries_and_seeds(name: str, seed: int, probe: int) -> None:
    T, L = (16, 10) if name in FRAMES else (8, 6)
    model = construct(name, T=T, L=L, seed=seed % 100, alpha=0.42 if name in BLENDS else None)
    turned = random_symmetry(model, torch.Generator().manual_seed(seed))
    first, second = label(model, seed=0), label(turned, seed=probe)
    assert (first.mechanism, first.attention) == (second.mechanism, second.attention)
    if name in PURE:
        assert first.counters == second.counters


@settings(max_examples=5)
@given(name=st.sampled_from(PURE), seed=st.integers(0, 2**31))
def test_unsolved_models_stay_unsolved(name: str, seed: int) -> None:
    """A construction whose neurons are silenced holds the counts and cannot say them."""
    T, L = (16, 10) if name in FRAMES else (8, 6)
    model = construct(name, T=T, L=L)
    with torch.no_grad():
        model.blocks[0].mlp.b_in -= 1e6
    turned = random_symmetry(model, torch.Generator().manual_seed(seed))
    found = label(turned, seed=seed % 100)
    assert (found.mechanism, found.counters) == ("unsolved", None)
    assert found.tokens == ["silent"] * T


def test_the_same_seed_gives_the_same_label() -> None:
    model = construct("bos+sftm-blend", T=8, L=6)
    first, again = (label(model, seed=5).model_dump_json() for _ in range(2))
    assert first == again
    assert label(model, seed=6).model_dump_json() != first


def test_labels_keep_their_evidence() -> None:
    found = label(construct("lin+sftm", T=8, L=6))
    again = MechanismLabel.model_validate_json(found.model_dump_json())
    assert again == found
    values = {name: metric.value for name, metric in found.evidence.items()}
    assert values["accuracy"] == 1.0
    assert values["private"] == 1.0
    assert values["kappa"] == pytest.approx(0, abs=0.05)
    assert values["own_slope"] == pytest.approx(1, abs=0.05)
    assert values["lost"] == pytest.approx(0, abs=0.05)
    assert values["token_share"] == pytest.approx(0, abs=1e-9)
    assert found.tokens == ["private"] * 8
    assert found.version


@pytest.mark.parametrize("name", ["dot", "lin", "bos+sftm"])
def test_two_positions_are_too_few(name: str) -> None:
    with pytest.raises(MechprobeError, match="L=2: a mechanism label needs L of at least 3"):
        label(construct(name, T=8, L=2))


def test_confidence_is_monotone_and_a_probability() -> None:
    points = [calibrated(m) for m in np.linspace(-10, 10, 201)]
    assert all(a <= b for a, b in pairwise(points))
    assert 0 <= points[0] < 0.5 < points[-1] <= 1
    fitted = load()
    assert (points[0], points[-1]) == (fitted.floor, fitted.ceiling)
    inner = [calibrated(m) for m in np.linspace(-0.3, 0.3, 13)]
    assert inner[0] < inner[6] < inner[-1]


@pytest.mark.parametrize("T", [2, 3])
@pytest.mark.parametrize("name", ["dot", "bos+sftm", "dot-lookup", "lin", "dot+sftm"])
def test_few_tokens_are_labelled_with_caution(name: str, T: int) -> None:
    """One count tells the other in long sequences: told apart by sign, and the label admits it."""
    found = label(construct(name, T=T, L=8))
    assert found.mechanism == CONSTRUCTIONS[name].counting
    assert found.confidence <= CAUTIOUS
    assert found.axis("counting").details["beyond"] == ["alphabet"]
    assert "tell one token's count from another's" in found.reasons[0]
