"""Models of plain PyTorch by a mapping of names: what is read, what is found, what is refused."""

from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mechprobe.models import (
    HistogramTask,
    HookedTransformer,
    MechprobeError,
    TaskDescription,
    from_torch,
)
from mechprobe.models.families.foreign.mapped.mapping import ORDERS
from mechprobe.models.families.foreign.mapped.oriented import split
from tests.models.families.foreign.own_models import (
    CAUSAL,
    COUNTER,
    ENCODER,
    PRODUCTS,
    SAID,
    TASK,
    Causal,
    Counter,
    D,
    Encoder,
    L,
    P,
    Products,
    T,
)

MODELS: dict[str, tuple[type[nn.Module], dict[str, Any]]] = {
    "pre-norm, fused": (Counter, COUNTER),
    "torch's encoder, post-norm, tied": (Encoder, ENCODER),
    "parameters, all square": (Products, PRODUCTS),
}


def made(kind: type[nn.Module], seed: int = 0, **sizes: Any) -> nn.Module:
    """A module with random weights, none of which are the ones that layers begin with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = kind(**sizes)
        with torch.no_grad():
            for weight in module.parameters():
                weight += 0.3 * torch.randn_like(weight)
    return module


def logits(answers: Any) -> Tensor:
    """The logits among what a module answers."""
    if isinstance(answers, dict):
        answers = answers["logits"]
    found: Tensor = answers[0] if isinstance(answers, tuple) else answers
    return found.detach()


def tokens(n: int = 8, task: HistogramTask = TASK) -> Tensor:
    return task.sample(n, torch.Generator().manual_seed(5))


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_answers_are_the_modules(name: str, dtype: torch.dtype) -> None:
    kind, mapping = MODELS[name]
    module = made(kind).to(dtype).eval()
    model = from_torch(module, mapping, TASK)
    given = tokens()
    close = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(
        model(given), logits(module(given))[..., : L + 1], atol=close, rtol=close
    )
    assert model.cfg.dtype == dtype
    assert model.taken[0].startswith("logits agree with the module's")
    assert not model.doubts


def test_what_weights_do_not_show_is_found_by_comparing() -> None:
    model = from_torch(made(Counter, layers=2), COUNTER, TASK)
    assert (model.config.n_layers, model.config.n_heads) == (2, 2)
    assert (model.config.activation, model.config.norm) == ("gelu", "pre")
    assert model.taken[1] == 'found by comparing them: heads=2, activation gelu, norm "pre"'
    turned = from_torch(made(Products), PRODUCTS, TASK)
    assert "as x @ W: q, k, mlp_in" in turned.taken[1]
    # It is one of the counting transformers that labels were calibrated on.
    assert (turned.config.family, turned.config.architecture) == ("counting", "bos+sftm")


def test_another_scale_is_found_and_folded_in() -> None:
    module = made(Products, scale=1.0)
    model = from_torch(module, PRODUCTS, TASK)
    assert "scores divided by 1.0" in model.taken[1]
    torch.testing.assert_close(model(tokens()), logits(module(tokens())), atol=1e-5, rtol=1e-5)
    assert from_torch(module, {**PRODUCTS, "scale": 1}, TASK).fingerprint() == model.fingerprint()


@pytest.mark.parametrize("order", ORDERS)
def test_fused_projections_come_apart(order: Any) -> None:
    """Whatever the order of their axes."""
    sizes = {"qkv": 3, "head": 2, "e": 4}
    apart = torch.arange(24).view(3, 2, 4)
    names = ("qkv", "head", "e")
    fused = apart.permute([names.index(axis) for axis in order.split()]).flatten()
    assert list(sizes) == list(names)
    for found, wanted in zip(split(fused, 2, order, "qkv"), apart, strict=True):
        assert torch.equal(found, wanted.flatten())


def test_the_module_stays_as_it_is() -> None:
    module = made(Counter).train()
    before = {name: weight.clone() for name, weight in module.state_dict().items()}
    from_torch(module, COUNTER, TASK)
    assert module.training
    assert not any(m._forward_hooks for m in module.modules())
    assert all(torch.equal(before[name], w) for name, w in module.state_dict().items())


def test_wrapped_modules_are_read() -> None:
    module = made(Counter).eval()
    plain = from_torch(module, COUNTER, TASK)

    class Training(nn.Module):
        """As training libraries hold a model."""

        def __init__(self) -> None:
            super().__init__()
            self.net = module

        def forward(self, given: Tensor) -> Tensor:
            found: Tensor = self.net(given)
            return found

    class Compiled(nn.Module):
        """What torch.compile gives has the model under this name."""

        def __init__(self) -> None:
            super().__init__()
            self._orig_mod = module

    for wrapped in (nn.DataParallel(module), Compiled(), Training()):
        again = from_torch(wrapped, COUNTER, TASK)
        assert again.fingerprint() == plain.fingerprint()


def test_other_ids_and_answers() -> None:
    """Tokens, BOS and counts under ids of a vocabulary."""
    module = made(Counter, T=10, L=11).eval()
    ids, says = (7, 2, 9, 0), {count: (11 - count,) for count in range(1, L + 1)}
    task = TaskDescription.of(L=L, tokens=ids, bos=4, answers=says)
    model = from_torch(module, COUNTER, task)
    ours = torch.tensor([[4, 0, 1, 1, 2, 3]])
    theirs = module(torch.tensor([[4, 7, 2, 2, 9, 0]])).detach()
    torch.testing.assert_close(model(ours)[..., 1:], theirs[..., [10, 9, 8, 7, 6]])
    assert model(ours)[..., 0].max() < model(ours)[..., 1:].min() - 1000


def test_where_both_part_is_told() -> None:
    module = made(Counter)
    with pytest.raises(MechprobeError, match=r"part at blocks\.0\.attn\.hook_z, the input of") as e:
        from_torch(module, {**COUNTER, "heads": 4}, TASK)
    assert "hook_resid_pre and what comes before agree" in str(e.value)
    without = {role: name for role, name in COUNTER.items() if role != "ln_final"}
    with pytest.raises(MechprobeError, match=r"part at blocks\.0\.hook_resid_post"):
        from_torch(module, without, TASK)


# -- a state dict alone -------------------------------------------------------------------------


def test_a_state_dict_is_read_as_the_mapping_says(tmp_path: Any) -> None:
    module = made(Counter).eval()
    state, said = module.state_dict(), COUNTER | SAID
    plain = from_torch(state, said, TASK)
    torch.testing.assert_close(plain(tokens()), module(tokens()).detach(), atol=1e-5, rtol=1e-5)
    assert "nothing was compared" in plain.doubts[0]
    assert plain.taken[0].startswith("as mapped ")
    wrapped = {f"module._orig_mod.{name}": weight for name, weight in state.items()}
    torch.save({"model": wrapped, "step": 3}, tmp_path / "a.pt")
    save_file({n: w.contiguous() for n, w in state.items()}, tmp_path / "a.safetensors")
    for given in (
        wrapped,
        {"state_dict": state},
        tmp_path / "a.pt",
        str(tmp_path / "a.safetensors"),
    ):
        assert from_torch(given, said, TASK).fingerprint() == plain.fingerprint()


def test_what_is_left_open_is_asked_for() -> None:
    state = made(Counter).state_dict()
    with pytest.raises(MechprobeError, match=r"heads = 2.*activation = .*norm = ") as error:
        from_torch(state, COUNTER, TASK)
    assert "layout" not in str(error.value)  # the fused one shows how all of them lie
    products = {**PRODUCTS, "heads": 1, "activation": "relu"}
    with pytest.raises(MechprobeError, match=r"layout = .* since q, k, mlp_in are square"):
        from_torch(made(Products).state_dict(), products, TASK)
    found = from_torch(made(Products).state_dict(), {**products, "layout": "in-out"}, TASK)
    assert found.fingerprint() == from_torch(made(Products), PRODUCTS, TASK).fingerprint()


def test_tensors_without_a_part_are_refused() -> None:
    state = made(Counter).state_dict() | {"gate.weight": torch.ones(D, D)}
    with pytest.raises(MechprobeError, match=r"gate\.weight have no part"):
        from_torch(state, COUNTER | SAID, TASK)
    model = from_torch(state, COUNTER | SAID | {"ignore": ["gate"]}, TASK)
    assert "left aside: gate.weight" in model.taken


def test_a_mask_among_the_buffers_is_known() -> None:
    """It is no weight, and says that the attention is causal."""
    module = made(Causal)
    assert "heads.0.tril" in module.state_dict()
    said = {**CAUSAL, "activation": "relu", "scale": D**0.5}
    with pytest.raises(MechprobeError, match="causal"):
        from_torch(module.state_dict(), said, TASK)


# -- refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            {"qkv": "layers.{block}.att.qkv"},
            r"qkv = 'layers\.0\.att\.qkv' is not in the state dict",
        ),
        ({"query": "a"}, "query"),
        ({"q": "layers.{block}.up", "k": "layers.{block}.up"}, "give one or the others"),
        ({"qkv": None}, "scores come from qkv"),
        ({"mlp_in": "head"}, "a matrix with a side of"),
        ({"unembed": "layers.0.up", "task": {"T": T, "L": 40}}, "answers"),
        ({"heads": 3}, "3 heads"),
        ({"bias": {"up": "b"}}, "up is no part"),
        ({"activation": "swish"}, "activation"),
        ({"ln2": None}, "ln1 without ln2"),
    ],
)
def test_bad_mappings_are_refused_in_a_line(change: dict[str, Any], match: str) -> None:
    mapping = {k: v for k, v in (COUNTER | change).items() if v is not None}
    task = None if "task" in mapping else TASK
    with pytest.raises(MechprobeError, match=match) as error:
        from_torch(made(Counter), mapping, task)
    assert "\n" not in str(error.value)


def test_bad_models_and_tasks_are_refused() -> None:
    module = made(Counter)
    for given, task, match in (
        (3, TASK, "a int is given"),
        (from_torch(module, COUNTER, TASK), TASK, "hooked one already"),
        (module, None, "what the model was asked"),
        (module, "histogram", "given as the task"),
        (module, HistogramTask(T=T, L=L + 1, bos=True), "classes"),
        (module, HistogramTask(T=T + 5, L=L), "does not run on its task"),
        (nn.Linear(2, 2), TASK, "is not in the state dict"),
    ):
        with pytest.raises(MechprobeError, match=match):
            from_torch(given, COUNTER, task)  # type: ignore[arg-type]
    module.register_forward_hook(lambda *_: None)
    with pytest.raises(MechprobeError, match="hooks"):
        from_torch(module, COUNTER, TASK)


def test_widths_of_a_model_without_bos() -> None:
    """More tokens than are asked for, as of a padding, are left out."""
    task = HistogramTask(T=T, L=L)
    module = made(Counter, T=T + 3).eval()
    model = from_torch(module, COUNTER, task)
    given = tokens(task=task)
    torch.testing.assert_close(model(given), module(given).detach(), atol=1e-5, rtol=1e-5)
    assert isinstance(model, HookedTransformer)
    assert model.config.p == P
