"""Modules of any shape by named submodules: the checks, the skip that is mended, known truth."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mechprobe.models import MechprobeError, TaskDescription, construct, wrap
from mechprobe.probes import label, study
from tests.models.families.foreign.own_models import TASK, D, L, P, T


class Gated(nn.Module):
    """No shape of ours: weights by squares, RMSNorm, a gated feed-forward layer."""

    def __init__(self) -> None:
        super().__init__()
        self.tok, self.q, self.k = nn.Embedding(T + 1, D), nn.Linear(D, D), nn.Linear(D, D)
        self.pattern, self.norm, self.act = nn.Identity(), nn.RMSNorm(D), nn.Identity()
        self.up, self.gate, self.down = nn.Linear(D, P), nn.Linear(D, P), nn.Linear(P, D)
        self.end, self.head = nn.Identity(), nn.Linear(D, L + 1)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tok(tokens)
        weights = (self.q(x) @ self.k(x).mT / 4).square() + 0.1
        x = x + self.pattern((weights / weights.sum(-1, keepdim=True)).unsqueeze(1)).squeeze(1) @ x
        n = self.norm(x)
        out = self.down(self.act(functional.silu(self.gate(n)) * self.up(n)))
        answers: Tensor = self.head(self.end(x + out))
        return answers


GATED = {
    "embed": "tok",
    "pattern": "pattern",
    "resid_mid": "norm:input",
    "post": "act",
    "resid_post": "end",
}


class Known(nn.Module):
    """A hand-built counter, with places for hooks."""

    def __init__(self, name: str) -> None:
        super().__init__()
        built = construct(name, T=T, L=L)
        self.w = built.weights()
        self.tok = nn.Embedding.from_pretrained(self.w["W_E"])
        self.soft, self.mid, self.act = nn.Softmax(-1), nn.Identity(), nn.ReLU()

    def forward(self, tokens: Tensor) -> Tensor:
        x, w = self.tok(tokens), self.w
        scores = (x @ w["W_Q"]) @ (x @ w["W_K"]).mT / x.shape[-1] ** 0.5
        x = self.mid(x + self.soft(scores.unsqueeze(1)).squeeze(1) @ x)
        return self.act(x @ w["W_in"] + w["b_in"]) @ w["W_out"] + w["b_out"]


KNOWN = {"embed": "tok", "pattern": "soft", "resid_mid": "mid", "post": "act"}


def gated() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Gated().eval()


def test_hooks_read_and_write() -> None:
    module = gated()
    model = wrap(module, TASK, GATED)
    tokens = TASK.sample(5, torch.Generator().manual_seed(0))
    answers, cache = model.run_with_cache(tokens)
    assert torch.equal(answers, module(tokens))
    assert cache["blocks.0.attn.hook_pattern"].shape == (5, 1, L + 1, L + 1)
    mid = model.resid_mid(tokens)
    assert torch.equal(mid, cache["blocks.0.hook_resid_mid"])
    torch.testing.assert_close(model.read_out(mid), answers)
    # Any leading axes, and hooks that see them.
    seen: list[tuple[int, ...]] = []
    with model.hooks(fwd_hooks=[("blocks.0.mlp.hook_post", lambda v, hook: seen.append(v.shape))]):
        one = model.read_out(mid[2, 3])
        model.read_out(mid[:, :4])
    torch.testing.assert_close(one, answers[2, 3])
    assert seen == [(P,), (5, 4, P)]
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_order_is_measured() -> None:
    assert not wrap(gated(), TASK, GATED).cfg.knows_positions

    class Placed(Gated):
        """Answers depend on the position behind the attention as well."""

        def forward(self, tokens: Tensor) -> Tensor:
            return super().forward(tokens) + torch.arange(L + 1.0).view(1, -1, 1)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Placed()
    with pytest.raises(MechprobeError, match="where it stands"):
        wrap(module, TASK, GATED)


def test_known_truth_without_a_mapping_of_weights() -> None:
    found = label(wrap(Known("bos+sftm"), TASK, KNOWN))
    assert (found.mechanism, found.attention, found.accuracy) == ("relation-based", "semantic", 1)
    again = wrap(Known("bos+sftm"), TaskDescription.of(L=L, tokens=range(T), bos=T), KNOWN)
    assert label(again).reasons == found.reasons


def test_a_study_names_what_cannot_be_read() -> None:
    result = study(wrap(gated(), TASK, GATED), name="gated")
    assert not result.problems
    assert "count-transport" in {one.probe for one in result.probes}
    bare = {name: at for name, at in GATED.items() if name != "pattern"}
    without = label(wrap(gated(), TASK, bare))
    assert without.attention is None
    assert any("no submodule was named" in reason for reason in without.reasons)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"resid_post": None}, "are not read from|does not reach"),
        ({"resid_mid": "tok"}, "reaches nothing"),
        ({"pattern": "down"}, "pattern has shape"),
        ({"pattern": "nowhere"}, "is no submodule"),
        ({"post": None}, "post is missing"),
        ({"attn": "q"}, "attn is none"),
        ({"embed": "q"}, "a torch.nn.Embedding is wanted"),
    ],
)
def test_what_cannot_be_read_exactly_is_refused(change: dict[str, Any], match: str) -> None:
    hooks = {name: at for name, at in (GATED | change).items() if at is not None}
    with pytest.raises(MechprobeError, match=match) as error:
        wrap(gated(), TASK, hooks)
    assert "\n" not in str(error.value)
