"""A family is one object: from outside, its models are made, stored and copied as ours are."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import pytest
import torch
from pydantic import ConfigDict
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from mechprobe import models
from mechprobe.models import HookedTransformer, MechprobeError
from mechprobe.models.base.weights import Weights, check_weights
from mechprobe.models.families.foreign import compiled_counter
from mechprobe.models.hooked import FAMILIES, Family, HookedConfig, copy_with, model_family
from mechprobe.models.hooked.embedding import Embed
from mechprobe.models.hooked.family import Parts
from mechprobe.models.hooked.unembedding import LearnedUnembed
from mechprobe.models.tasks import AskedConfig


class MeanConfig(AskedConfig):
    """A model that adds the sequence's mean embedding to every position."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    family: Literal["mean"] = "mean"
    T: int
    L: int
    d: int

    architecture = property(lambda self: "mean")
    n_ctx = property(lambda self: self.L)
    sizes = property(lambda self: {"T": self.T, "L": self.L, "d": self.d})

    @property
    def usual_task(self) -> dict[str, Any]:
        return {"name": "histogram", "T": self.T, "L": self.L}


def shapes(config: MeanConfig) -> dict[str, tuple[int, ...]]:
    c = config
    return {"W_E": (c.T, c.d), "W_M": (c.d, c.d), "W_U": (c.d, c.L + 1), "b_U": (c.L + 1,)}


class MeanBlock(nn.Module):
    """x + mean(x) W_M."""

    def __init__(self, W_M: Tensor) -> None:
        super().__init__()
        self.W_M = nn.Parameter(W_M)
        self.hook_resid_post = HookPoint()

    def forward(self, x: Tensor) -> Tensor:
        post: Tensor = self.hook_resid_post(x + x.mean(1, keepdim=True) @ self.W_M)
        return post


class MeanFamily(Family):
    """Plain hooked models."""

    def config(self, data: object, where: str) -> MeanConfig:
        return MeanConfig.checked(data, where)

    def check(self, config: MeanConfig, weights: Weights, where: str = "weights") -> None:
        check_weights(shapes(config), weights, where, "mean", str(config.sizes))

    def build(self, config: MeanConfig, weights: Weights, widened: bool) -> Parts:
        if widened:
            raise MechprobeError("no widened view: the model has an unembedding")
        cfg = HookedConfig(
            d_model=config.d,
            d_head=config.d,
            d_value=config.d,
            d_mlp=0,
            d_vocab=config.T,
            d_vocab_out=config.L + 1,
            n_ctx=config.L,
            attn_scale=1.0,
            softmax=False,
            widened=False,
            dtype=weights["W_E"].dtype,
        )
        unembed = LearnedUnembed(weights["W_U"], weights["b_U"])
        return Parts(cfg, Embed(weights["W_E"]), None, [MeanBlock(weights["W_M"])], unembed)

    def natural(self, config: MeanConfig, parts: Parts) -> Weights:
        embed, block = cast(Embed, parts.embed), cast(MeanBlock, parts.blocks[0])
        unembed = cast(LearnedUnembed, parts.unembed)
        return {"W_E": embed.W_E, "W_M": block.W_M, "W_U": unembed.W_U, "b_U": unembed.b_U}


class Loud(HookedTransformer):
    """A class of a family's own."""

    def _run(self, inputs: Tensor) -> Tensor:
        return 2 * super()._run(inputs)


CONFIG = MeanConfig(T=5, L=4, d=3)


def weights(config: MeanConfig = CONFIG) -> Weights:
    generator = torch.Generator().manual_seed(0)
    return {n: torch.randn(shape, generator=generator) for n, shape in shapes(config).items()}


def forward(w: Weights, tokens: Tensor) -> Tensor:
    x = w["W_E"][tokens]
    return (x + x.mean(1, keepdim=True) @ w["W_M"]) @ w["W_U"] + w["b_U"]


@pytest.fixture(params=[None, Loud], ids=["plain", "own-class"])
def kind(request: pytest.FixtureRequest) -> Iterator[type[HookedTransformer]]:
    """The family, registered for the time of a test; the class of its models."""
    with FAMILIES.isolated():
        made = MeanFamily
        if request.param is not None:
            made = type("LoudFamily", (MeanFamily,), {"model_class": request.param})
        model_family("mean")(made)
        yield request.param or HookedTransformer


def drawn(model: HookedTransformer) -> Tensor:
    return model.task().sample(6, torch.Generator().manual_seed(1))


def test_it_is_built_stored_and_loaded(kind: type[HookedTransformer], tmp_path: Path) -> None:
    model = kind(CONFIG, weights())
    tokens = drawn(model)
    scale = 2 if kind is Loud else 1
    torch.testing.assert_close(model(tokens), scale * forward(weights(), tokens))
    assert model(tokens, return_type="loss") == model.task().loss(model(tokens), tokens)
    models.save(model, tmp_path / "m", {"from": "a test"})
    stored = json.loads((tmp_path / "m" / "config.json").read_text())
    assert stored == {"family": "mean", "T": 5, "L": 4, "d": 3, "meta": {"from": "a test"}}
    again = models.load(tmp_path / "m")
    assert type(again) is kind
    assert again.fingerprint() == model.fingerprint()
    assert torch.equal(again(tokens), model(tokens))


def test_its_copies_are_of_its_class(kind: type[HookedTransformer]) -> None:
    model = kind(CONFIG, weights())
    model.embed.W_E.requires_grad_(False)
    tokens = drawn(model)
    twin = copy.deepcopy(model)
    assert type(twin) is kind
    assert not twin.embed.W_E.requires_grad
    assert twin.unembed.W_U.requires_grad
    assert torch.equal(twin(tokens), model(tokens))
    double = model.with_dtype(torch.float64)
    assert (type(double), double(tokens).dtype) == (kind, torch.float64)
    moved = copy_with(model, b_U=model.b_U.detach() + 1)
    scale = 2 if kind is Loud else 1
    torch.testing.assert_close(moved(tokens), model(tokens) + scale)
    with pytest.raises(MechprobeError, match="b_U has shape"):
        copy_with(model, b_U=torch.zeros(2))
    with pytest.raises(MechprobeError, match="no widened view"):
        model.widened()


def test_what_it_stores_beside_the_weights_is_its_own(tmp_path: Path) -> None:
    class Noting(MeanFamily):
        def files(self, model: Any) -> dict[str, dict[str, Any]]:
            return {**super().files(model), "note.json": {"d": model.config.d}}

    with FAMILIES.isolated():
        model_family("mean")(Noting)
        models.save(HookedTransformer(CONFIG, weights()), tmp_path / "m")
        assert json.loads((tmp_path / "m" / "note.json").read_text()) == {"d": 3}
        assert models.load(tmp_path / "m").config == CONFIG


def test_faults_in_what_is_stored_are_one_line(
    kind: type[HookedTransformer], tmp_path: Path
) -> None:
    models.save(kind(CONFIG, weights()), tmp_path / "m")
    file = tmp_path / "m" / "config.json"
    for field, value, said in [
        ("d", "three", "d: Input should be a valid integer"),
        ("d", 4, "W_E has shape (5, 3), but config says (5, 4)"),
        ("family", "meen", "family 'meen' is unknown; did you mean 'mean'?"),
    ]:
        good = file.read_text()
        file.write_text(json.dumps(json.loads(good) | {field: value}))
        with pytest.raises(MechprobeError) as caught:
            models.load(tmp_path / "m")
        assert str(caught.value).startswith(str(tmp_path / "m"))
        assert said in str(caught.value)
        file.write_text(good)


def test_an_unregistered_family_is_unknown() -> None:
    with pytest.raises(MechprobeError, match="family 'mean' is unknown"):
        HookedTransformer(CONFIG, weights())


def test_foreign_models_are_a_family_like_any_other() -> None:
    model = compiled_counter(5, 4)
    tokens = drawn(model)
    assert FAMILIES["foreign"] is model.family
    again = model.family.assemble(model.config, model.weights())
    assert torch.equal(again(tokens), model(tokens))
    name = "unembed.weight"
    double = copy_with(model, **{name: 2 * model.weights()[name]})
    assert type(double) is type(model)
    torch.testing.assert_close(double(tokens), 2 * model(tokens))
    with pytest.raises(MechprobeError, match="weights do not fit"):
        copy_with(model, **{name: torch.zeros(2)})
    with pytest.raises(MechprobeError, match="not made of our modules"):
        HookedTransformer(model.config, model.weights())
    with pytest.raises(MechprobeError, match=r"^here: n_layers: Field required"):
        FAMILIES["foreign"].config(
            {"description": model.description, "transformer_lens": {}}, "here"
        )
