"""What a context runs and keeps: little, until more is asked for."""

import pytest
import torch

from mechprobe.models import MechprobeError, construct
from mechprobe.models.hooked.attention import Attention
from mechprobe.probes import CountContext, context_for, label
from mechprobe.probes.context import activations
from tests.models.scan_family import counter, registered

POST, PATTERN = "blocks.0.mlp.hook_post", "blocks.0.attn.hook_pattern"


def test_a_run_keeps_the_answers_and_resid_mid_alone() -> None:
    context = context_for(construct("bos+sftm", T=8, L=6))
    with torch.no_grad():
        logits, cache = context.model.run_with_cache(context.inputs)
    assert torch.equal(context.answers, logits)
    assert torch.equal(context.resid_mid, cache["resid_mid", 0])
    kept = [v for v in context._run if isinstance(v, dict)]
    assert [list(values) for values in kept] == [["blocks.0.hook_resid_mid"]]


def test_a_label_makes_no_full_cache() -> None:
    context = context_for(construct("bos+sftm", T=8, L=6))
    assert isinstance(context, CountContext)
    _ = context.transport, context.variation, context.main_head
    assert "cache" not in context.__dict__


def test_some_activations_are_those_of_the_full_cache() -> None:
    model = construct("lin", T=8, L=6)
    context, other = context_for(model), context_for(model)
    post, pattern = context.activations_at([POST, PATTERN])
    assert torch.equal(post, other.cache[POST])
    assert torch.equal(pattern, other.cache["pattern", 0])
    (again,) = other.activations_at([POST])
    assert again is other.cache[POST]  # not run again
    assert list(activations(model, context.inputs[:2], [POST])) == [POST]


def test_hooks_of_a_mixer_are_found_where_it_has_them() -> None:
    with registered():
        context = context_for(counter(weights="made", n_layers=2))
        assert context.hook_names("pattern") == [f"blocks.{i}.mixer.hook_pattern" for i in (0, 1)]
        assert context.hook_name("post") == "blocks.1.mlp.hook_post"


@pytest.mark.parametrize("ask", [lambda c: c.answers, lambda c: c.cache, lambda c: c.resid_mid])
def test_overflow_is_seen_wherever_it_happens(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores of minus infinity are zeros behind a softmax: no answer shows them."""
    model = construct("dot+sftm", T=8, L=6)

    scores = Attention.scores

    def overflow(self: Attention, x: torch.Tensor) -> torch.Tensor:
        out = scores(self, x).clone()
        out[..., 0] = -torch.inf
        return out

    monkeypatch.setattr(Attention, "scores", overflow)
    with pytest.raises(MechprobeError, match="activations overflow on its own sequences"):
        ask(context_for(model))
    with pytest.raises(MechprobeError, match="overflow"):
        label(model)
