"""Models that count so far: labelled on it, refused on the plain task, with known truth."""

from pathlib import Path

import pytest
import torch

from mechprobe.models import (
    HookedTransformer,
    MechprobeError,
    SoFarTask,
    TransformerConfig,
    construct,
    from_torch,
    load,
    save,
)
from mechprobe.models.families.transformer import forward
from mechprobe.probes import check_probe, find_probe, label
from mechprobe.probes.reading import READINGS
from tests.models.families.foreign.own_models import CAUSAL, TASK, Causal, D, L, T

SO_FAR = "histogram-so-far"


def so_far(construction: str) -> HookedTransformer:
    """A hand-built counter whose attention is masked: what it reads of the keys that it sees is the
    count so far, by the same mechanism."""
    plain = construct(construction, T=T, L=L)
    c, heads = plain.config, ("W_Q", "W_K", "W_mix")
    config = TransformerConfig.counting(
        c.architecture, T=T, L=L, d=c.d, p=c.p, causal=True,
        asked=SoFarTask(T=T, L=L, bos=c.bos).describe(),
    )  # fmt: skip
    weights = {
        (name if name == "W_E" else f"blocks.0.{name}"): (w[None] if name in heads else w)
        for name, w in plain.weights().items()
    }
    return HookedTransformer(config, weights)


def test_the_count_so_far() -> None:
    task = SoFarTask(T=5, L=5)
    assert task.targets(torch.tensor([[1, 0, 0, 3, 1]])).tolist() == [[1, 1, 2, 1, 2]]
    data = task.balanced(4, torch.Generator().manual_seed(0))
    flat, at = data.tokens.flatten(0, 2), data.position.flatten()
    marked = flat[torch.arange(len(flat)), at].view(data.position.shape)
    assert torch.equal(marked, torch.arange(5).view(-1, 1, 1).expand_as(marked))
    found = task.targets(flat)[torch.arange(len(flat)), at].view(data.position.shape)
    assert torch.equal(found, data.counts.view(1, -1, 1).expand_as(found))


def test_a_mask_hides_what_comes_after() -> None:
    model = so_far("bos+sftm")
    tokens = model.task().sample(4, torch.Generator().manual_seed(0))
    answers, cache = model.run_with_cache(tokens)
    assert cache["pattern", 0].triu(1).abs().max() == 0
    assert cache["attn_scores", 0].isfinite().all()
    other = tokens.clone()
    other[:, -1] = (other[:, -1] + 1) % T
    assert torch.equal(model(other)[:, :-1], answers[:, :-1])
    plain = forward(model.config, model.weights(), tokens)
    torch.testing.assert_close(plain, answers, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("construction", "mechanism"), [("bos+sftm", "relation-based"), ("lin", "inventory-based")]
)
def test_labels_of_known_models(construction: str, mechanism: str, tmp_path: Path) -> None:
    model = so_far(construction)
    found = label(model)
    assert (found.mechanism, found.accuracy) == (mechanism, 1)
    save(model, tmp_path / "m")
    assert load(tmp_path / "m").fingerprint() == model.fingerprint()


def test_the_plain_task_is_refused_with_the_way_out() -> None:
    config = TransformerConfig.counting("dot", T=T, L=L, d=T, p=1, causal=True)
    weights = so_far("dot").weights()
    way = r"it can count so far; ask it that: mechprobe\.SoFarTask"
    with pytest.raises(MechprobeError, match=way):
        HookedTransformer(config, weights)


def test_an_own_causal_module_is_read() -> None:
    """The mask is found by what answers do not see, whatever the module says."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Causal().eval()
    with pytest.raises(MechprobeError, match="histogram-so-far"):
        from_torch(module, CAUSAL, TASK)
    model = from_torch(module, CAUSAL, SoFarTask(T=T, L=L, bos=True))
    assert model.config.causal
    assert f"scores divided by {D**0.5}" in model.taken[1]
    tokens = TASK.sample(8, torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(tokens), module(tokens).detach(), atol=1e-5, rtol=1e-5)
    said = {**CAUSAL, "activation": "relu", "scale": D**0.5}
    again = from_torch(module.state_dict(), said, SoFarTask(T=T, L=L, bos=True))
    torch.testing.assert_close(again(tokens), model(tokens), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["count-transport", "remove-shared-count", "keep-source"])
def test_probes_read_them(name: str) -> None:
    probe = find_probe(name)
    check_probe(probe, dict(READINGS[SO_FAR].subjects()))
    assert probe(so_far("dot")).words


def test_removal_is_compared_with_chance_at_the_last_position() -> None:
    model = so_far("bos+sftm")
    found = find_probe("remove-shared-count")(model)
    tokens = model.task().sample(4000, torch.Generator().manual_seed(0))
    last = model.task().targets(tokens)[:, -1].bincount().max().item() / 4000
    assert found.value("chance") == pytest.approx(last, abs=0.05)
    assert model.task().chance(tokens) > last + 0.1  # small counts are common before it
