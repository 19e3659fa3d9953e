"""Foreign models as folders: config.json (TransformerLens's fields), task.json, model.safetensors.

A folder is data: sizes are compared with the header of the weights' file before anything of these
sizes is allocated, and no code is loaded from it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from torch import nn

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.safe.reading import (
    CONFIG_FILE,
    TASK_FILE,
    WEIGHTS_FILE,
    inside,
    read_json,
    read_safetensors,
)
from mechprobe.models.base.safe.writing import write_folder
from mechprobe.models.base.validation import validated
from mechprobe.models.base.weights import Weights, check_weights
from mechprobe.models.families.foreign.booting import booted
from mechprobe.models.families.foreign.checks import RUN_NUMBERS
from mechprobe.models.families.foreign.config import ForeignConfig
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.families.foreign.wrapped import ForeignTransformer, checked

# Numbers at most of the masks that boot_native keeps, n_ctx x n_ctx in every block.
MASKS = 2**26

Size = Annotated[int, Field(ge=1, le=1_000_000)]


class NativeConfig(BaseModel):
    """The fields of TransformerLens's configuration that shape a model of its `boot_native`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    n_layers: Annotated[int, Field(ge=1, le=8)]
    d_model: Size
    n_ctx: Annotated[int, Field(ge=1, le=16_384)]
    d_head: Size
    n_heads: Size
    d_mlp: Size | None = None
    d_vocab: Annotated[int, Field(ge=1, le=10_000_000)]
    d_vocab_out: Annotated[int, Field(ge=-1, le=10_000_000)] = -1
    n_key_value_heads: Size | None = None
    act_fn: Literal["gelu", "gelu_new", "relu", "silu", "solu", "solu_ln"] = "gelu"
    attn_only: bool = False
    gated_mlp: bool = False
    attention_dir: Literal["bidirectional"]
    normalization_type: Literal["LN", "LNPre", "RMS", "RMSPre"] | None = None
    final_rms: bool = False
    eps: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    positional_embedding_type: Literal["standard"] = "standard"
    parallel_attn_mlp: Literal[False] = False
    use_attn_scale: bool = True
    attn_scale: Annotated[float, Field(ge=-1, le=1e6)] = -1.0
    attn_scores_soft_cap: Annotated[float, Field(ge=-1, le=-1)] = -1.0
    output_logits_soft_cap: Annotated[float, Field(ge=-1, le=-1)] = -1.0


def save_foreign(
    model: ForeignTransformer, folder: str | Path, meta: Mapping[str, Any] | None = None
) -> None:
    """Write a model of TransformerLens's `boot_native` as a folder, whole or not at all.

    Args:
        model: as `wrap` gave it.
        folder: an older one there is replaced after the new one is complete.
        meta: where the model comes from, kept under "meta" in config.json.

    Raises:
        MechprobeError: another kind of model, or the folder cannot be written or holds other
            files.
    """
    kind = getattr(model.inner.cfg, "architecture", None)
    if not model.taps.is_bridge or kind != "TransformerLensNative":
        raise MechprobeError(
            f"a model of kind {kind or type(model.inner).__name__} is not written; only those of"
            " TransformerBridge.boot_native are"
        )
    fields = dict(model.config.transformer_lens)
    validated(NativeConfig, fields, "the model's configuration")
    description = json.loads(model.description.model_dump_json())
    files = {CONFIG_FILE: fields | {"meta": dict(meta or {})}, TASK_FILE: description}
    write_folder(Path(folder), files, model.weights())


def load_foreign(folder: str | Path) -> ForeignTransformer:
    """Read what `save_foreign` writes.

    Raises:
        MechprobeError: files are missing or damaged, do not fit each other, or hold a model that
            `wrap` refuses.
    """
    folder = Path(folder)
    fields = {k: v for k, v in read_json(folder, CONFIG_FILE).items() if k != "meta"}
    where = str(folder / CONFIG_FILE)
    if "architectures" in fields or "model_type" in fields:
        raise MechprobeError(
            f"{folder}: a Hugging Face model; its hooks cannot be written as probes need it"
            " (docs/foreign_models.md); bring a model of TransformerBridge.boot_native"
        )
    if fields.get("attention_dir") == "causal":
        raise MechprobeError(
            f"{where}: attention_dir is causal: a position that does not see those after it cannot"
            " count"
        )
    config = validated(NativeConfig, fields, where)
    task = read_json(folder, TASK_FILE)
    description = TaskDescription.checked(task, str(folder / TASK_FILE))
    _bounded(config, description, folder)
    file = inside(folder, WEIGHTS_FILE)
    kept = config.model_dump(exclude_none=True)
    kept["normalization_type"] = config.normalization_type  # None is a kind there
    wanted = _shapes(kept, where)
    sizes = f"n_layers={config.n_layers}, d_model={config.d_model}, n_ctx={config.n_ctx}"

    def check(weights: Weights) -> None:
        check_weights(wanted, weights, str(file), "boot_native", sizes)

    weights = read_safetensors(file, check)
    model = _boot(kept, "cpu", where)
    dtype = next(iter(weights.values())).dtype
    # Half precision is for storing.
    nn.Module.to(model, dtype=dtype if dtype == torch.float64 else torch.float32)
    model.load_state_dict(weights)
    try:
        return checked(model, description)
    except MechprobeError as error:
        raise MechprobeError(f"{folder}: {error}") from None


def _shapes(fields: dict[str, JsonValue], where: str) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight; blocks are alike, so that one is made, without numbers."""
    one = _boot({**fields, "n_layers": 1}, "meta", where).state_dict()
    layers = range(int(str(fields["n_layers"])))
    return {
        name.replace("blocks.0.", f"blocks.{layer}.", 1): tuple(weight.shape)
        for name, weight in one.items()
        for layer in (layers if name.startswith("blocks.0.") else range(1))
    }


def _boot(fields: dict[str, JsonValue], device: str, where: str) -> Any:
    try:
        return booted({**fields, "init_weights": False}, device)
    except MechprobeError as error:
        raise MechprobeError(f"{where}: {error}") from None


def _bounded(config: NativeConfig, description: TaskDescription, folder: Path) -> None:
    if description.n_ctx > config.n_ctx:
        return  # `wrap` says so, and runs nothing
    numbers = ForeignConfig.of(config, description).run_numbers
    masks = config.n_layers * config.n_ctx**2
    if numbers > RUN_NUMBERS or masks > MASKS:
        raise MechprobeError(
            f"{folder}: n_layers={config.n_layers}, n_heads={config.n_heads}, n_ctx={config.n_ctx}"
            f" with L={description.L} are too large to be tried ({numbers:,} numbers a sequence,"
            f" {RUN_NUMBERS:,} at most, {masks:,} of masks, {MASKS:,} at most); wrap the model in"
            " Python"
        )
