"""A model that does not do what its weights say has no name, is not stored and not wrapped."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.nn.utils import prune

from mechprobe.models import HookedTransformer, MechprobeError, construct, load, save, wrap
from mechprobe.models.families.foreign.booting import booted
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.hooked.altered import refuse_altered

OUT = "blocks.0.hook_attn_out"
DESCRIPTION = TaskDescription(L=4, tokens=tuple(range(5)), bos=5)
Alteration = Callable[[HookedTransformer], AbstractContextManager[object]]


def silence(value: Tensor, hook: object) -> Tensor:
    """Nothing is left of it."""
    return value * 0


def counter() -> HookedTransformer:
    """A model that counts."""
    return construct("dot", T=5, L=4)


def bridge() -> nn.Module:
    """A TransformerBridge with random weights."""
    made: nn.Module = booted(
        {
            "n_layers": 1, "n_heads": 2, "d_model": 8, "d_head": 4, "d_mlp": 8, "n_ctx": 5,
            "d_vocab": 6, "d_vocab_out": 5, "act_fn": "relu", "attention_dir": "bidirectional",
            "normalization_type": "LN", "seed": 0,
        }
    )  # fmt: skip
    return made


@contextmanager
def handle(made: object) -> Iterator[None]:
    """A hook for a while."""
    try:
        yield
    finally:
        made.remove()  # type: ignore[attr-defined]


@contextmanager
def added(model: HookedTransformer, permanent: bool, direction: str = "fwd") -> Iterator[None]:
    """A hook as TransformerLens adds it; nothing but a reset removes it."""
    model.add_hook(OUT, silence, dir=direction, is_permanent=permanent)
    yield
    model.reset_hooks(including_permanent=True)


@contextmanager
def replaced(module: nn.Module, name: str) -> Iterator[None]:
    """A method of one object's own."""
    setattr(module, name, lambda *inputs: inputs[0] * 0)
    yield
    delattr(module, name)


ALTERATIONS: dict[str, tuple[Alteration, str]] = {
    "a hook": (lambda m: added(m, False), rf"hooks at {OUT}; .*reset_hooks"),
    "a permanent hook": (lambda m: added(m, True), rf"hooks at {OUT}; .*including_permanent"),
    "a backward hook": (lambda m: added(m, False, "bwd"), rf"hooks at {OUT}"),
    "hooks for a while": (
        lambda m: m.hooks(fwd_hooks=[(lambda name: True, silence)]),
        r"hooks at hook_embed, .* and \d+ more places; leave the `with model.hooks",
    ),
    "torch's hook on a hook point": (
        lambda m: handle(m.hook_dict[OUT].register_forward_hook(lambda *_: None)),
        rf"hooks at {OUT}",
    ),
    "torch's hook": (
        lambda m: handle(m.blocks[0].mlp.register_forward_hook(lambda *_: None)),
        r"torch's hooks at blocks\.0\.mlp; call remove\(\)",
    ),
    "torch's hook before": (
        lambda m: handle(m.blocks[0].mlp.register_forward_pre_hook(lambda *_: None)),
        r"torch's hooks at blocks\.0\.mlp",
    ),
    "torch's hook backward": (
        lambda m: handle(m.blocks[0].register_full_backward_hook(lambda *_: None)),
        r"torch's hooks at blocks\.0;",
    ),
    "torch's hook on the whole": (
        lambda m: handle(m.register_forward_hook(lambda *_: None)),
        "torch's hooks at the model itself",
    ),
    "a hook on everything": (
        lambda m: handle(register_module_forward_hook(lambda *_: None)),
        "hooks on all modules are registered in torch",
    ),
    "another forward": (
        lambda m: replaced(m.blocks[0].mlp, "forward"),
        r"replaced methods: blocks\.0\.mlp\.forward; delete",
    ),
    "another method": (lambda m: replaced(m, "read_out"), "replaced methods: read_out"),
}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_altered_model_has_no_name_and_is_not_stored(name: str, tmp_path: Path) -> None:
    alter, fault = ALTERATIONS[name]
    model = counter()
    named = model.fingerprint()
    with alter(model):
        with pytest.raises(MechprobeError, match=f"^the model is not named by .*{fault}"):
            model.fingerprint()
        with pytest.raises(MechprobeError, match=f"^the model is not stored: .*{fault}"):
            save(model, tmp_path / "m")
        assert not (tmp_path / "m").exists()
    assert model.fingerprint() == named
    save(model, tmp_path / "m")
    assert load(tmp_path / "m").fingerprint() == named


def test_runs_with_hooks_leave_a_model_as_it_was() -> None:
    model = counter()
    tokens = model.task().sample(2, torch.Generator().manual_seed(0))
    model.run_with_hooks(tokens, fwd_hooks=[(OUT, silence)])
    model.run_with_cache(tokens)
    refuse_altered(model, "probed")


def test_a_hooked_foreign_model_is_not_wrapped() -> None:
    """Its hooks would be baked into the copy, and lost when that is stored."""
    model = bridge()
    plain = wrap(model, DESCRIPTION).fingerprint()
    model(torch.zeros(1, 5, dtype=torch.long))  # the bridge leaves hooks of its own
    assert wrap(model, DESCRIPTION).fingerprint() == plain
    for permanent in (False, True):
        model.add_hook(OUT, silence, is_permanent=permanent)
        with pytest.raises(MechprobeError, match=rf"^the model is not wrapped: .*{OUT}"):
            wrap(model, DESCRIPTION)
        model.reset_hooks(including_permanent=True)
    with (
        handle(model.blocks[0].mlp.register_forward_hook(lambda *_: None)),
        pytest.raises(MechprobeError, match=r"not wrapped: it carries torch's hooks at .*mlp"),
    ):
        wrap(model, DESCRIPTION)
    assert wrap(model, DESCRIPTION).fingerprint() == plain


def test_hooks_inside_a_wrapped_model_are_found(tmp_path: Path) -> None:
    model = wrap(bridge(), DESCRIPTION)
    model.inner.add_hook(OUT, silence)
    with pytest.raises(MechprobeError, match=rf"inner\.{OUT}; .*model\.inner\.reset_hooks"):
        model.fingerprint()
    with pytest.raises(MechprobeError, match="not stored"):
        save(model, tmp_path / "m")
    model.inner.reset_hooks()
    save(model, tmp_path / "m")


def test_pruning_is_a_part_of_the_weights() -> None:
    """torch prunes by a hook that makes the weight out of stored tensors."""
    model = bridge()
    linear = next(m for m in model.modules() if isinstance(m, nn.Linear))
    prune.l1_unstructured(linear, "weight", 0.5)
    refuse_altered(model, "wrapped")


def test_a_model_without_numbers_has_no_name(tmp_path: Path) -> None:
    model = counter().to("meta")
    with pytest.raises(MechprobeError, match=r"W_E holds no numbers \(device meta\)"):
        model.fingerprint()
    with pytest.raises(MechprobeError, match="not stored: W_E holds no numbers"):
        save(model, tmp_path / "m")
