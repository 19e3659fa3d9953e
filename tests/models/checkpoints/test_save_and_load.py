"""What `save` writes `load` reads as the same model, or else `save` writes nothing."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformer_lens.model_bridge import TransformerBridge

from mechprobe.models import (
    ARCHITECTURES,
    CountingConfig,
    HookedTransformer,
    MechprobeError,
    SolvableConfig,
    TaskDescription,
    TransformerConfig,
    construct,
    load,
    save,
    wrap,
)
from mechprobe.models.families import counting, solvable, transformer

SMALL = st.integers(2, 4)
DTYPES = st.sampled_from([torch.float32, torch.float64])
FORMS: dict[str, st.SearchStrategy[Any]] = {
    "n_layers": st.integers(1, 2),
    "n_heads": st.integers(1, 2),
    "d_head": SMALL,
    "mixing": st.sampled_from(["dot", "lin"]),
    "softmax": st.booleans(),
    "activation": st.sampled_from(["relu", "gelu", "identity"]),
    "positions": st.booleans(),
    "norm": st.sampled_from(["none", "pre", "mlp"]),
    "residual": st.booleans(),
    "values": st.sampled_from(["raw", "value", "value-output"]),
    "readout": st.sampled_from(["classes", "unembed"]),
    "biases": st.booleans(),
    "attends": st.sampled_from(["both", "only_sem", "only_pos"]),
    "sampler": st.sampled_from(["partition", "uniform"]),
    "bos": st.booleans(),
    "n_classes": st.sampled_from([0, 9]),
}
NATIVE: list[tuple[dict[str, Any], bool]] = [  # and whether it is written
    ({"act_fn": "swish", "n_key_value_heads": 1}, True),
    ({"act_fn": "gelu_new", "gated_mlp": True, "normalization_type": "RMS", "d_mlp": None}, True),
    ({"act_fn": "solu_ln", "normalization_type": "LNPre", "final_rms": True, "eps": 1e-2}, True),
    ({"attn_only": True, "normalization_type": None, "attn_scale": 2.5}, True),
    ({"act_fn": "GELU"}, False),
    ({"n_layers": 9, "attn_only": True}, False),
]


def same_or_refused(model: HookedTransformer, folder: Path) -> bool:
    """Whether it was written; either way as it has to be."""
    target = folder / "model"
    try:
        save(model, target, {"from": "a test"})
    except MechprobeError:
        assert not list(folder.iterdir())
        return False
    again = load(target)
    inputs = model.task().sample(2, torch.Generator().manual_seed(0))
    assert again.fingerprint() == model.fingerprint()
    assert torch.equal(again(inputs), model(inputs))
    assert again.config == model.config
    return True


def cast(weights: dict[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    return {name: weight.to(dtype) for name, weight in weights.items()}


@given(st.data(), DTYPES)
def test_counting_models(tmp_path_factory: Any, data: st.DataObject, dtype: torch.dtype) -> None:
    kind = data.draw(st.sampled_from(ARCHITECTURES))
    config = CountingConfig.of(
        kind, T=data.draw(SMALL), L=data.draw(SMALL), d=data.draw(SMALL), p=data.draw(SMALL)
    )
    weights = cast(counting.initial(config, torch.Generator().manual_seed(0)), dtype)
    assert same_or_refused(HookedTransformer(config, weights), tmp_path_factory.mktemp("c"))


@given(st.fixed_dictionaries({}, optional=FORMS), DTYPES)
def test_transformers(tmp_path_factory: Any, form: dict[str, Any], dtype: torch.dtype) -> None:
    try:
        config = TransformerConfig.checked({"T": 4, "L": 3, "d": 4, "p": 3, **form})
    except MechprobeError:
        return  # such a model cannot be
    weights = cast(transformer.initial(config, torch.Generator().manual_seed(0)), dtype)
    assert same_or_refused(HookedTransformer(config, weights), tmp_path_factory.mktemp("t"))


@given(SMALL, SMALL, st.booleans(), DTYPES)
def test_students(tmp_path_factory: Any, L: int, rank: int, full: bool, dtype: torch.dtype) -> None:
    plain = SolvableConfig.of(d=6, L=L, rank=rank, omega=1 / 3, sigma=0.1)
    config = SolvableConfig.checked({**plain.model_dump(), "full_covariance": full})
    weights = solvable.initial(config, torch.Generator().manual_seed(0), dtype)
    assert same_or_refused(HookedTransformer(config, weights), tmp_path_factory.mktemp("s"))


@pytest.mark.parametrize(("form", "written"), NATIVE)
def test_wrapped_models(form: dict[str, Any], written: bool, tmp_path: Path) -> None:
    fields = {"n_layers": 1, "d_model": 6, "d_head": 3, "n_heads": 2, "n_ctx": 4, "d_vocab": 6}
    bridge = TransformerBridge.boot_native(
        {**fields, "attention_dir": "bidirectional", "seed": 0, "d_mlp": 5, **form}
    )
    model = wrap(bridge, TaskDescription.of(L=3, tokens=range(5), bos=5))
    assert same_or_refused(model, tmp_path) == written


def test_long_sequences_are_read_or_not_written(tmp_path: Path) -> None:
    config = CountingConfig.of("dot", T=4, L=1500, d=3, p=2)
    long = HookedTransformer(config, counting.initial(config, torch.Generator().manual_seed(0)))
    (tmp_path / "ours").mkdir()
    assert same_or_refused(long, tmp_path / "ours")
    fields = {"n_layers": 1, "d_model": 6, "d_head": 3, "n_heads": 2, "n_ctx": 1500, "d_vocab": 6}
    bridge = TransformerBridge.boot_native(
        {**fields, "d_vocab_out": 1501, "attention_dir": "bidirectional", "seed": 0}
    )
    model = wrap(bridge, TaskDescription.of(L=1500, tokens=range(5)))
    with pytest.raises(
        MechprobeError, match=r"not written, configuration: .* too large to be tried"
    ):
        save(model, tmp_path / "theirs")
    assert not (tmp_path / "theirs").exists()


def nan(model: HookedTransformer) -> None:
    with torch.no_grad():
        model.W_E[0, 0] = torch.nan


def another_shape(model: HookedTransformer) -> None:
    model.blocks[0].mlp.W_in = nn.Parameter(torch.zeros(3, 3))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (nan, "weights: W_E holds NaN"),
        (another_shape, "weights: W_in has shape"),
        (lambda model: model.blocks[0].mlp.double(), "one type is wanted"),
        (lambda model: model.to("meta"), "device meta"),
    ],
)
def test_weights_that_would_not_be_read_are_not_written(
    change: Callable[[HookedTransformer], object], said: str, tmp_path: Path
) -> None:
    model = construct("dot", T=8, L=6)
    save(model, tmp_path / "m")
    good = {file.name: file.read_bytes() for file in (tmp_path / "m").iterdir()}
    change(model)
    with pytest.raises(MechprobeError, match=f"not (written|stored).*{said}"):
        save(model, tmp_path / "m")
    # The older checkpoint is still there.
    assert {file.name: file.read_bytes() for file in (tmp_path / "m").iterdir()} == good


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    "meta",
    [math.nan, math.inf, {1}, Path("x"), nested(100), "\ud800", 10**5000, torch.tensor(1)],
    ids=["nan", "inf", "set", "path", "deep", "surrogate", "digits", "tensor"],
)
def test_what_json_has_no_words_for_is_not_written(meta: Any, tmp_path: Path) -> None:
    with pytest.raises(MechprobeError, match=r"not written: config\.json with its meta"):
        save(construct("dot", T=8, L=6), tmp_path / "m", {"from": meta})
    assert not (tmp_path / "m").exists()


def test_a_foreign_folder_says_its_activation(tmp_path: Path) -> None:
    """Without it every activation reads as the same: the weights do not show which it was."""
    fields = {"n_layers": 1, "d_model": 6, "d_head": 3, "n_heads": 2, "n_ctx": 4, "d_vocab": 6}
    for attn_only in (False, True):
        bridge = TransformerBridge.boot_native(
            {**fields, "attention_dir": "bidirectional", "seed": 0, "attn_only": attn_only}
        )
        model = wrap(bridge, TaskDescription.of(L=3, tokens=range(5), bos=5))
        save(model, folder := tmp_path / str(attn_only))
        config = json.loads((folder / "config.json").read_text())
        del config["act_fn"]
        (folder / "config.json").write_text(json.dumps(config))
        if attn_only:
            tokens = model.task().sample(2, torch.Generator().manual_seed(0))
            assert torch.equal(load(folder)(tokens), model(tokens))
        else:
            with pytest.raises(MechprobeError, match="act_fn is missing; add the activation"):
                load(folder)
