"""What is probed: models that do what their weights say, on the CPU."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mechprobe.models import HookedTransformer, MechprobeError, construct
from mechprobe.models.hooked.built import built_of
from mechprobe.probes import context_for, find_probe, label, study
from mechprobe.probes.quick import quick

OUT = "blocks.0.hook_attn_out"
DOORS: dict[str, Callable[[HookedTransformer], object]] = {
    "label": label,
    "study": lambda model: study(model, name="one"),
    "probe": find_probe("readout"),
    "context": context_for,
    "quick": quick,
}


def silence(value: Tensor, hook: object) -> Tensor:
    """Nothing is left of it."""
    return value * 0


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("widened", [False, True])
def test_a_hooked_model_is_not_probed(door: str, widened: bool) -> None:
    model = construct("dot", T=5, L=4)
    model = model.widened() if widened else model
    model.add_hook(OUT, silence, is_permanent=True)
    with pytest.raises(MechprobeError, match=f"^the model is not probed: .*hooks at {OUT}"):
        DOORS[door](model)


def test_hooks_that_come_later_are_seen() -> None:
    model = construct("dot", T=5, L=4)
    context = context_for(model)
    probe = find_probe("readout")
    before = probe.on(context).metrics
    model.add_hook(OUT, silence)
    with pytest.raises(MechprobeError, match="not probed: it carries hooks"):
        probe.on(context)
    model.reset_hooks()
    assert probe.on(context).metrics == before


def test_a_model_on_another_device_is_not_probed() -> None:
    model = construct("dot", T=5, L=4).to("meta")
    with pytest.raises(MechprobeError, match=r"not probed: its weights hold no numbers \(device"):
        label(model)


def test_the_way_back_from_an_accelerator_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be none where the tests run: a weight says that it lies on one."""

    class Elsewhere(nn.Parameter):
        is_cpu = False
        device = torch.device("cuda", 1)

    model = construct("dot", T=5, L=4)
    model.blocks[0].mlp.b_out.__class__ = Elsewhere
    with pytest.raises(MechprobeError, match=r"lies on cuda:1, and .* give them model\.cpu\(\)$"):
        label(model)


def test_training_mode_matters_where_there_is_chance_in_it() -> None:
    model = construct("dot", T=5, L=4)
    verdict = label(model)
    model.train()  # nothing of ours asks for it
    assert label(model) == verdict
    model.blocks[0].add_module("dropout", nn.Dropout(0.5))
    model.built = built_of(model)  # as a family that has such a layer builds it
    model.train()
    with pytest.raises(MechprobeError, match=r"its Dropout is in training mode.*model\.eval\(\)"):
        label(model)
    model.eval()
    assert label(model) == verdict


def test_a_model_that_was_made_in_inference_mode_is_probed() -> None:
    """Its parameters take part in no gradient; probes that need one work on a copy."""
    plain = construct("dot", T=5, L=4)
    model = construct("dot", T=5, L=4)
    with torch.inference_mode():
        for module in model.modules():
            for name, weight in module._parameters.items():
                module._parameters[name] = nn.Parameter(weight.clone(), requires_grad=False)
    assert next(model.parameters()).is_inference()
    probe = find_probe("ablate-neurons")
    assert probe(model).metrics == probe(plain).metrics
