"""Interchanges of fields: students whose attention is planted."""

from functools import cache

import pytest
import torch

from mechprobe import HookedTransformer, SolvableConfig, find_probe, label
from mechprobe.models.families.solvable import initial, planted
from mechprobe.probes import context_for
from mechprobe.probes.mixing_accuracy import better, rivals
from mechprobe.probes.teacher import interchanged_fields as fields

PLANS = {
    "positional": {"m": 0.4, "noise": 0.05},
    "semantic": {"theta": 0.7, "noise": 0.05},
    "mixed": {"m": 0.35, "theta": 0.6, "noise": 0.05},
    "uninformed": {"noise": 0.5},
}


@cache
def student(kind: str, L: int = 2) -> HookedTransformer:
    config = SolvableConfig.of(d=300, L=L)
    generator = torch.Generator().manual_seed(0)
    weights = initial(config, generator)
    weights["Q"] = planted(weights["Q_star"], 1, generator, **PLANS[kind])
    return HookedTransformer(config, weights)


@pytest.mark.parametrize("L", [2, 3])
@pytest.mark.parametrize("kind", PLANS)
def test_the_planted_kind_explains_most(kind, L):
    model = student(kind, L)
    found = fields.numbers(context_for(model, model.task(), 0))
    assert found[kind] > 0.85
    for rival in rivals(kind):
        assert found[rival] < found[kind] - 0.05
    assert better(found, kind) is None


def test_random_directions_and_untrained_students_move_nothing():
    result = find_probe("interchange-fields")(student("semantic"))
    assert result.value("semantic") > 0.95
    for control in ("untrained", "random"):
        assert result.value(f"uninformed_{control}") > 0.95
        assert result.value(f"semantic_{control}") == pytest.approx(0.5, abs=0.1)
    # With two positions there is one other order, in which semantic weights are the base's.
    assert result.value("semantic_shuffled") == pytest.approx(result.value("positional"), abs=1e-9)
    assert "semantic attention in" in result.words


def test_labels_of_students_state_their_causal_model():
    found = label(student("mixed"))
    assert found.attention == "mixed"
    said = next(reason for reason in found.reasons if reason.startswith("mixing: "))
    assert "explained by mixed attention 9" in said
    assert said.count("controls") == 4
    assert found.number("mixing_mixed") > found.number("mixing_mixed_random")


def test_a_student_without_queries_tells_nothing():
    weights = student("semantic").weights()
    empty = student("semantic").rebuilt(weights | {"Q": torch.zeros_like(weights["Q"])})
    found = fields.numbers(context_for(empty, empty.task(), 0))
    assert set(found.values()) == {None}
    assert "nothing tells" in fields.sentence(found, "uninformed")
