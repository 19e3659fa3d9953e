"""A family without attention, registered from outside: every probe says something, labels too."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from mechprobe.models import HistogramTask, HookedTransformer, MechprobeError
from mechprobe.models.hooked.mixers import NO_SCORES
from mechprobe.probes import all_probes, check_probe, label, study
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.label.range import CAUTIOUS
from mechprobe.probes.counting.measures.attention_dependence import attention_dependence
from mechprobe.probes.results import MechanismLabel, ModelResult
from tests.models.scan_family import NO_WEIGHTS, counter, registered

COUNTING = [name for name, probe in all_probes().items() if "histogram" in probe.tasks]
OF_WEIGHTS = {"attention-dependence", "interchange-mixing", "mean-pattern"}
OF_QUERIES = {"attention-sources", "keep-source"}
OTHERS = {
    "bos-anchoring": "no BOS",
    "count-by-block": "one block",
    "interchange-storage": "one block",
}
DEEP = ("count-by-block", "interchange-storage")
KINDS = {
    "no weights": {},
    "made weights": {"weights": "made"},
    "selective weights": {"weights": "made", "selective": True},
    "two blocks": {"n_layers": 2, "selective": True},
}


@pytest.fixture(autouse=True)
def _scan() -> Iterator[None]:
    with registered():
        yield


def test_without_weights_the_label_is_the_mechanism_alone() -> None:
    found = label(counter())
    assert (found.mechanism, found.counters, found.accuracy) == ("inventory-based", 8, 1.0)
    assert found.confidence == CAUTIOUS
    assert found.axis("counting").details["beyond"] == ["family"]
    assert found.attention is None
    assert found.attention_agreement is None
    assert found.verdict == "inventory-based counting"
    assert f"attention: {NO_WEIGHTS}" in found.reasons
    assert found.evidence["variation"].value is None
    assert MechanismLabel.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(("selective", "attention"), [(False, "positional"), (True, "semantic")])
def test_made_weights_give_the_label_its_attention_axis(selective: bool, attention: str) -> None:
    found = label(counter(weights="made", selective=selective))
    assert (found.mechanism, found.attention) == ("inventory-based", attention)
    assert found.attention_agreement == 1.0
    assert found.evidence["token_share"].value == float(selective)


def test_a_damaged_scan_is_not_solved() -> None:
    """What is told of it hangs on the weights of the model."""
    model = counter()
    with torch.no_grad():
        model.blocks[0].mixer.decay.fill_(0.5)
    assert label(model).mechanism == "unsolved"


def test_attention_dependence_measures_made_weights() -> None:
    """Gates 0.5 to 0.94 over L: weights on a token are its gate, whoever looks."""
    model = counter(weights="made", selective=True)
    found = attention_dependence(model)
    assert found.value("token_share") == pytest.approx(1.0)
    gates = model.blocks[0].mixer.gate.detach()
    here = CountContext(model, model.task())
    (pattern,) = here.patterns
    assert torch.equal(pattern[:, 0, 0], gates[here.tokens])
    assert found.arrays["pattern"].shape == (6, 6)
    assert np.isfinite(found.arrays["contrast"]).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", COUNTING)
def test_every_probe_gives_a_result_or_one_sentence_why_not(name: str, kind: str) -> None:
    model, probe = counter(**KINDS[kind]), all_probes()[name]
    reason = probe.why_not(model, model.task())
    made = "weights" in KINDS[kind]
    if name in OF_QUERIES or (name in OF_WEIGHTS and not made):
        assert reason is not None
        assert (NO_SCORES if made else NO_WEIGHTS) in reason
    elif name in OTHERS and not (name in DEEP and model.cfg.n_layers > 1):
        assert OTHERS[name] in str(reason)
    else:
        assert reason is None
        check_probe(probe, {kind: model})


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_has_no_problems_and_is_stored(kind: str) -> None:
    result = study(counter(**KINDS[kind]), name="scan")
    assert result.problems == []
    assert len(result.probes) > 8
    assert ModelResult.model_validate_json(result.model_dump_json()).label == result.label


def test_the_path_of_a_count_goes_through_the_mixing() -> None:
    """The last block's scan writes it, its feed-forward layer reads it; no head has a number."""
    found = all_probes()["count-path"](counter(n_layers=2))
    assert found.value("writer_block") == 1
    assert found.value("writer_share") == pytest.approx(1.0)
    assert found.value("mlp_block") == 1
    assert found.metrics["writer_head"].value is None
    assert found.metrics["head_number"].value is None
    assert "written by the mixing of block 1" in found.words
    assert "head" not in found.words


def test_a_scan_with_bos_would_need_scores_to_anchor() -> None:
    task = HistogramTask(T=8, L=6, bos=True)
    asked = all_probes()["bos-anchoring"].why_not
    assert asked(counter(), task) == NO_WEIGHTS
    assert asked(counter(weights="made"), task) == NO_SCORES


def test_made_weights_without_a_main_head_of_their_own_name_a_coordinate() -> None:
    model: HookedTransformer = counter(weights="made")
    layer, head = CountContext(model, model.task()).main_head
    assert (layer, 0 <= head < 8) == (0, True)


@pytest.mark.parametrize("shared", ["patterns", "variation", "main_head"])
def test_what_probes_share_says_why_there_is_none(shared: str) -> None:
    model = counter()
    with pytest.raises(MechprobeError, match=NO_WEIGHTS):
        getattr(CountContext(model, model.task()), shared)
