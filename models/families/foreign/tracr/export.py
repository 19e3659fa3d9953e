"""From a model in tracr's hands to plain files; this part alone runs where tracr is installed.

from tracr.compiler import compiling, lib
from mechprobe.models.families.foreign.tracr import export

program = lib.make_hist()
export(compiling.compile_rasp_to_model(program, vocab={0, 1, 2}, max_seq_len=5), "hist")
"""

import json
from pathlib import Path
from typing import Any

import torch

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.files import put_text
from mechprobe.models.base.folders import whole_folder
from mechprobe.models.base.tensor_files import put_tensors
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.foreign.tracr.description import TracrDescription

PROGRAM_FILE, WEIGHTS_FILE = "tracr.json", "tracr.safetensors"


def export(assembled: Any, path: str | Path) -> None:
    """Write a compiled program as a checkpoint folder, whole or not at all.

    Args:
        assembled: what tracr's `compile_rasp_to_model` gives.
        path: the folder; an older export there is replaced.

    Raises:
        MechprobeError: tracr is not installed, the model is none that counts (`parts_of`), or the
            folder cannot be written.
    """
    write(*parts_of(assembled), Path(path))


def write(description: TracrDescription, weights: Weights, path: Path) -> None:
    """Write a compiled program's parts as a checkpoint folder."""
    text = json.dumps(json.loads(description.model_dump_json()), indent=1) + "\n"
    with whole_folder(path, replaces={PROGRAM_FILE, WEIGHTS_FILE}) as folder:
        put_text(folder / PROGRAM_FILE, text)
        put_tensors(folder / WEIGHTS_FILE, weights)


def parts_of(assembled: Any) -> tuple[TracrDescription, Weights]:
    """Description and weights of a compiled program.

    Args:
        assembled: what tracr's `compile_rasp_to_model` gives.

    Raises:
        MechprobeError: tracr is not installed, or the model is none that counts: its values are no
            JSON, a count is missing among its outputs, it has another activation than relu.
    """
    try:
        import haiku
        import jax
        import numpy as np
    except ImportError:
        raise MechprobeError(
            "tracr is not installed; pip install mechprobe[compiled] (exporting needs it, reading"
            " does not)"
        ) from None
    config, inputs = assembled.model_config, assembled.input_encoder
    outputs = getattr(assembled.output_encoder, "encoding_map", None)
    weights = {
        f"{module}.{name}": torch.from_numpy(np.array(value, dtype=np.float32))
        for module, parameters in assembled.params.items()
        for name, value in parameters.items()
    }
    d = len(assembled.residual_labels)

    # What reads the output is no parameter of tracr's: the stream's basis is run through it.
    def read(stream: Any) -> Any:
        return assembled.get_compiled_model().unembed(stream, use_unembed_argmax=False)

    pure = haiku.without_apply_rng(haiku.transform(read))
    basis = pure.apply(assembled.params, np.eye(d, dtype=np.float32))
    weights["unembed.w"] = torch.from_numpy(np.array(basis, dtype=np.float32).reshape(d, -1))
    activation = config.activation_function
    described = {
        "num_layers": config.num_layers,
        "num_heads": config.num_heads,
        "key_size": config.key_size,
        "mlp_hidden_size": config.mlp_hidden_size,
        "activation": "relu" if activation is jax.nn.relu else short(activation),
        "layer_norm": config.layer_norm,
        "causal": config.causal,
        "max_seq_len": len(weights["pos_embed.embeddings"]) - 1,
        "residual_labels": list(assembled.residual_labels),
        "tokens": _in_order(inputs.encoding_map),
        "bos": inputs.bos_token,
        "pad": inputs.pad_token,
        "outputs": None if outputs is None else _in_order(outputs),
    }
    return TracrDescription.checked(described, "compiled program"), weights


def _in_order(encoding: dict[Any, int]) -> list[Any]:
    return sorted(encoding, key=lambda value: encoding[value])
