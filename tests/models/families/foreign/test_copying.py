"""`wrap` copies whatever its makers did to a model, leaves it as it is, and holds plain weights."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm

from mechprobe import models
from mechprobe.models import wrap
from tests.models.families.foreign.test_foreign import CLASSES, booted

TOKENS = CLASSES.ids()[torch.tensor([[8, 0, 1, 1, 2, 7, 3], [8, 5, 5, 5, 5, 0, 1]])]


class Halved(nn.Module):
    """A parametrisation of somebody's own."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight / 2


def layers(model: nn.Module, kind: type = nn.Linear) -> list[Any]:
    """The layers inside the bridges."""
    return [module for module in model.modules() if type(module) is kind]


def ran(model: Any) -> None:
    """With gradients: what it keeps of the run has a history."""
    model(TOKENS)


def noted(model: Any) -> None:
    model.hook_embed.ctx["answer"] = [{"kept": model(TOKENS)}]


def on_first(change: Callable[..., object], **arguments: Any) -> Callable[[nn.Module], None]:
    def apply(model: nn.Module) -> None:
        for layer in layers(model)[:3]:  # q, k and v
            change(layer, **arguments)

    return apply


CUT = {"name": "weight", "amount": 0.3}
CHANGES: dict[str, Callable[[Any], object]] = {
    "ran": ran,
    "a note in a hook": noted,
    "pruned": on_first(prune.l1_unstructured, **CUT),
    "pruned embedding": lambda m: prune.l1_unstructured(layers(m, nn.Embedding)[0], **CUT),
    "weight norm": on_first(parametrizations.weight_norm),
    "spectral norm": on_first(parametrizations.spectral_norm),
    "a parametrisation": on_first(
        parametrize.register_parametrization, tensor_name="weight", parametrization=Halved()
    ),
    "old weight norm": on_first(weight_norm),
    "old spectral norm": on_first(spectral_norm),
    "frozen": lambda m: m.requires_grad_(False),
    "tied": lambda m: setattr(layers(m)[1], "weight", layers(m)[0].weight),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
@pytest.mark.parametrize("change", CHANGES)
def test_whatever_was_done_to_a_model_wrap_computes_the_same(change: str, tmp_path: Any) -> None:
    model = booted(n_layers=1)
    CHANGES[change](model)
    model.eval()
    before, wanted = copied_state(model), model(TOKENS)
    wrapped = wrap(model, CLASSES)
    assert torch.equal(wrapped(TOKENS), wanted)
    # The original is as it was.
    assert torch.equal(model(TOKENS), wanted)
    after = copied_state(model)
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    # Its own copies, and its folder.
    wrapped.resid_mid(TOKENS)
    assert torch.equal(copy.deepcopy(wrapped)(TOKENS), wanted)
    models.save(wrapped, tmp_path / "m")
    again = models.load(tmp_path / "m")
    assert again.fingerprint() == wrapped.fingerprint()
    assert torch.equal(again(TOKENS), wanted)


def copied_state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_a_users_copy_of_a_bridge_that_ran_is_wrapped() -> None:
    model = booted(n_layers=1)
    wanted = model(TOKENS)
    theirs = copy.deepcopy(model)
    theirs(TOKENS)  # writes to the original, to which its hooks hold on
    assert torch.equal(wrap(model, CLASSES)(TOKENS), wanted)
    del model
    assert torch.equal(wrap(theirs, CLASSES)(TOKENS), wanted)
