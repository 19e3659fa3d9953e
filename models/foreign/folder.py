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

from models.checkpoints.reading import JSON_BYTES, inside, read_json, read_safetensors
from models.errors import MechprobeError
from models.files import put_tensors, whole_folder
from models.foreign.description import TaskDescription
from models.foreign.wrapped import ForeignTransformer, wrap
from models.validation import validated
from models.weights import Weights, check_weights

FILES = ("config.json", "task.json", "model.safetensors")
# Attention patterns of one sequence in all layers and heads, and masks: numbers at most.
PATTERNS, MASKS = 2**23, 2**28

Size = Annotated[int, Field(ge=1, le=1_000_000)]


class NativeConfig(BaseModel):
    """The fields of TransformerLens's configuration that shape a model of its `boot_native`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    n_layers: Annotated[int, Field(ge=1, le=48)]
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
    attention_dir: Literal["bidirectional", "causal"]
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
    folder = Path(folder)
    kind = getattr(model.inner.cfg, "architecture", None)
    if not model.taps.is_bridge or kind != "TransformerLensNative":
        raise MechprobeError(
            f"a model of kind {kind or type(model.inner).__name__} is not written; only those of"
            " TransformerBridge.boot_native are"
        )
    if folder.is_dir() and any(entry.name not in FILES for entry in folder.iterdir()):
        raise MechprobeError(f"{folder}: holds other files; choose an empty or new folder")
    fields = dict(model.config.transformer_lens)
    validated(NativeConfig, fields, "the model's configuration")
    description = json.loads(model.description.model_dump_json())
    tensors = {name: weight.contiguous() for name, weight in model.weights().items()}
    with whole_folder(folder) as temporary:
        for name, data in (
            (FILES[0], fields | {"meta": dict(meta or {})}),
            (FILES[1], description),
        ):
            text = json.dumps(data, indent=2, sort_keys=True) + "\n"
            if len(text) > JSON_BYTES:
                raise MechprobeError(f"{folder}: {name} would hold more than {JSON_BYTES:,} bytes")
            (temporary / name).write_text(text, encoding="utf-8")
        put_tensors(temporary / FILES[2], tensors)


def load_foreign(folder: str | Path) -> ForeignTransformer:
    """Read what `save_foreign` writes.

    Raises:
        MechprobeError: files are missing or damaged, do not fit each other, or hold a model that
            `wrap` refuses.
    """
    folder = Path(folder)
    fields = {k: v for k, v in read_json(folder, FILES[0]).items() if k != "meta"}
    if "architectures" in fields or "model_type" in fields:
        raise MechprobeError(
            f"{folder}: a Hugging Face model; its hooks cannot be written as probes need it"
            " (docs/foreign_models.md); bring a model of TransformerBridge.boot_native"
        )
    config = validated(NativeConfig, fields, str(folder / FILES[0]))
    task = read_json(folder, FILES[1])
    description = TaskDescription.checked(task, str(folder / FILES[1]))
    _bounded(config, description, folder)
    file = inside(folder, FILES[2])
    kept = config.model_dump(exclude_none=True)
    kept["normalization_type"] = config.normalization_type  # None is a kind there
    wanted = {n: tuple(w.shape) for n, w in _boot(kept, "meta", folder).state_dict().items()}
    sizes = f"n_layers={config.n_layers}, d_model={config.d_model}, n_ctx={config.n_ctx}"

    def check(weights: Weights) -> None:
        check_weights(wanted, weights, str(file), "boot_native", sizes)

    weights = read_safetensors(file, check)
    model = _boot(kept, "cpu", folder)
    dtype = next(iter(weights.values())).dtype
    # Half precision is for storing.
    nn.Module.to(model, dtype=dtype if dtype == torch.float64 else torch.float32)
    model.load_state_dict(weights)
    try:
        return wrap(model, description)
    except MechprobeError as error:
        raise MechprobeError(f"{folder}: {error}") from None


def _boot(fields: dict[str, JsonValue], device: str, folder: Path) -> Any:
    # Importing the bridge takes long, and most who load checkpoints need none.
    from transformer_lens.model_bridge import TransformerBridge

    try:
        with torch.device(device):
            return TransformerBridge.boot_native({**fields, "init_weights": False})
    except (ValueError, TypeError, NotImplementedError, RuntimeError) as error:
        raise MechprobeError(
            f"{folder / FILES[0]}: TransformerLens cannot build this ({error})"
        ) from None


def _bounded(config: NativeConfig, description: TaskDescription, folder: Path) -> None:
    patterns = config.n_layers * config.n_heads * description.n_ctx**2
    masks = config.n_layers * config.n_ctx**2
    if patterns > PATTERNS or masks > MASKS:
        raise MechprobeError(
            f"{folder}: n_layers={config.n_layers}, n_heads={config.n_heads}, n_ctx={config.n_ctx}"
            f" with L={description.L} need too large attention patterns; wrap the model in Python"
        )
