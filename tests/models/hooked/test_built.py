"""A model whose parts or settings were exchanged does not pass for the one it was built as."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mechprobe
from mechprobe.models import HookedTransformer, MechprobeError, construct, save
from mechprobe.probes.admission import refuse_others


class Silent(nn.Module):
    """Gives nothing."""

    def forward(self, value: Tensor) -> Tensor:
        """Zeros."""
        return value * 0


class Other(HookedTransformer):
    """Another class."""


def scale(model: Any) -> None:
    """A softmax of nearly equal scores."""
    model.cfg.attn_scale = 1e9


def point(model: Any) -> None:
    """A hook point that changes what passes."""
    model.blocks[0].hook_attn_out = Silent()


def part(model: Any) -> None:
    """A layer of others."""
    model.blocks[0].mlp = Silent()


def activation(model: Any) -> None:
    """Another function."""
    model.blocks[0].mlp.activation = lambda value: value * 0


def kind(model: Any) -> None:
    """Another class with the same parts."""
    model.__class__ = Other


CHANGES = [
    (scale, r"cfg\.attn_scale"),
    (point, r"blocks\.0\.hook_attn_out"),
    (part, r"blocks\.0\.mlp"),
    (activation, r"blocks\.0\.mlp\.activation"),
    (kind, "the model"),
]


@pytest.mark.parametrize(("change", "told"), CHANGES, ids=[c.__name__ for c, _ in CHANGES])
def test_an_exchanged_part_is_refused(
    change: Callable[[Any], None], told: str, tmp_path: Any
) -> None:
    """By labels, fingerprints and files alike; a copy is what the weights say."""
    model = construct("bos+sftm", T=4, L=3)
    right = model.fingerprint()
    change(model)
    for use in (mechprobe.label, lambda m: m.fingerprint(), lambda m: save(m, tmp_path / "m")):
        with pytest.raises(MechprobeError, match=rf"not what it was built of \({told}"):
            use(model)
    assert not (tmp_path / "m").exists()
    if change not in (part, kind):
        model.blocks[0].train()  # modes are no parts
        assert HookedTransformer(model.config, model.weights()).fingerprint() == right


def test_weights_modes_and_copies_are_free() -> None:
    """What training changes, and what copies are made of."""
    model = construct("dot", T=4, L=3)
    model.train()
    with torch.no_grad():
        model.W_E.mul_(2)
    assert model.fingerprint() == model.rebuilt(model.weights()).fingerprint()
    model.run_with_cache(torch.tensor([[0, 1, 2]]))
    model.double()
    model.fingerprint()


def test_models_of_others_are_told_the_way() -> None:
    """A wrapper of torch's, or any module."""
    model = construct("dot", T=4, L=3)
    with pytest.raises(MechprobeError, match=r"a DataParallel is given.*model\.module"):
        refuse_others(nn.DataParallel(model))
