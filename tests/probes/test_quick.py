"""One call for a sweep: the label and cheap measures are those of the parts, drawn once."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mechprobe.models import ARCHITECTURES, HookedTransformer, MechprobeError, construct
from mechprobe.models.families.solvable import Dataset, Problems, initial, minimise, start
from mechprobe.models.families.solvable.config import SolvableConfig
from mechprobe.probes import CountContext, MechanismLabel, draws, find_probe, label
from mechprobe.probes.counting.label.bootstrap import draws as replicates
from mechprobe.probes.quick import CHEAP, quick


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_is_the_label_and_the_probes(
    architecture: str, untrained: Callable[..., HookedTransformer]
) -> None:
    model = untrained(architecture, 8, 6, 9, 12, 1)
    verdict, measures = quick(model, seed=4)
    assert verdict.model_dump_json() == label(model, seed=4).model_dump_json()
    wanted = {}
    for name in CHEAP:
        if name != "bos-anchoring" or architecture.startswith("bos"):
            result = find_probe(name)(model, seed=4)
            wanted |= {f"{name}.{key}": metric.value for key, metric in result.metrics.items()}
    assert measures == pytest.approx(wanted, nan_ok=True)
    assert all(value is None or isinstance(value, float) for value in measures.values())


def test_the_probes_are_the_callers_choice() -> None:
    model = construct("dot", T=8, L=6)
    verdict, measures = quick(model, probes=["mean-pattern", "bos-anchoring"])
    assert verdict.mechanism == "relation-based"
    assert {name.split(".")[0] for name in measures} == {"mean-pattern"}
    assert quick(model, probes=())[1] == {}


def test_an_unknown_probe_is_refused_before_any_work() -> None:
    with pytest.raises(MechprobeError, match="did you mean 'mutual-coherence'") as caught:
        quick(construct("dot", T=8, L=2), probes=["mutual-coherense"])
    assert "\n" not in str(caught.value)


def test_kappa_is_stored_token_by_token() -> None:
    model = construct("dot-relation-groups", T=9, L=6, groups=3)
    found = label(model)
    transport = CountContext(model, model.config.task()).transport
    np.testing.assert_array_equal(found.kappa, transport.kappa())
    assert found.kappa.shape == (9,)
    assert found.evidence["kappa"].value == pytest.approx(found.kappa.mean())
    again = MechanismLabel.model_validate_json(found.model_dump_json())
    np.testing.assert_allclose(again.kappa, found.kappa, rtol=1e-6)
    assert again == found
    counting, attention = found.axes
    moved = counting.model_copy(update={"details": {**counting.details, "kappa": [0.1] * 9}})
    assert again != found.model_copy(update={"axes": [moved, attention]})
    assert again != "a label"


def test_kappa_of_silent_tokens_is_missing() -> None:
    model = construct("dot", T=8, L=6)
    with torch.no_grad():
        model.blocks[0].mlp.b_in -= 1e6
    found = label(model)
    assert np.isnan(found.kappa).all()
    stored = found.model_dump(mode="json")
    assert stored["axes"][0]["details"]["kappa"] == [None] * 8
    assert np.isnan(MechanismLabel.model_validate(stored).kappa).all()


def test_labels_stored_before_kappa_are_read() -> None:
    stored = label(construct("lin", T=8, L=6)).model_dump(mode="json")
    del stored["axes"][0]["details"]["kappa"]
    assert MechanismLabel.model_validate(stored).kappa.shape == (0,)


def test_students_have_no_kappa() -> None:
    config = SolvableConfig.of(d=60, omega=0.2)
    generator = torch.Generator().manual_seed(0)
    weights = initial(config, generator)
    data = Dataset.draw(config, weights, 120, generator)
    first = start("positional", config, weights["Q_star"], generator)
    fit = minimise(Problems.of(config, data, [0.2]), first.unsqueeze(0))
    student = HookedTransformer(config, weights | {"Q": fit.Q[0]})
    verdict, measures = quick(student, probes=["mutual-coherence", "order-parameters"])
    assert verdict.kappa.shape == (0,)
    assert {name.split(".")[0] for name in measures} == {"order-parameters"}


def test_kept_draws_are_those_of_a_fresh_start_and_are_not_spoilt() -> None:
    model = construct("bos+sftm", T=8, L=6)
    first = CountContext(model, model.config.task(), 3)
    tokens = first.tokens.clone()
    first.tokens.zero_()
    first.held_out.data.tokens.zero_()
    kept = CountContext(model, model.config.task(), 3)
    assert torch.equal(kept.tokens, tokens)
    verdict = label(model, seed=3).model_dump_json()
    for function in (draws.sampled, draws.balanced, replicates):
        function.cache_clear()
    assert label(model, seed=3).model_dump_json() == verdict
    other = CountContext(model, model.config.task(), 4)
    assert not torch.equal(other.tokens, tokens)


def test_cells_keep_what_a_whole_run_gives(untrained: Callable[..., HookedTransformer]) -> None:
    """Residuals, answers, attention and neurons at the marked positions, without a whole run."""
    for model in (untrained("bos+sftm", 8, 6, 9, 12, 3), construct("lin+sftm", T=8, L=6)):
        here = CountContext(model, model.config.task())
        cells = here.reference
        flat, at = cells.data.tokens.flatten(0, 2), cells.data.position.flatten()
        with torch.no_grad():
            logits, cache = model.run_with_cache(flat)
        row, shape = torch.arange(len(at)), at.view(cells.data.position.shape).shape
        assert torch.equal(cells.predicted, logits[row, at].argmax(-1).view(shape))
        for found, name in ((cells.resid, "resid_mid"), (here.activations, "post")):
            whole = cache[name, 0][row, at].view(*shape, -1)
            wanted = whole if name == "resid_mid" else whole.double().mean(2)
            torch.testing.assert_close(found, wanted)
        for found, name in zip(
            here.attention_at(cells.data, 0, 0), ("attn_scores", "pattern"), strict=True
        ):
            assert torch.equal(found, cache[name, 0][row, 0, at].view(*shape, -1))
