"""Checkpoints of the published positional and semantic counting code (arXiv:2402.03902,
section 3): run_0_model_only_sem_orig.pt and its like, or transformer.pt with config.json.

The state dict holds semantic_emb.weight, positional_emb.embedding.weight and positional_emb.pe,
attention.Q, .K and .V, norm.*, fc1.* and fc2.*. The script writes no arguments: all sizes are seen
in the shapes, and what attention sees in the file's name. Where there is a config.json, it holds T,
seq_len, model_dim, p and attention_input.
"""

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.safe.reading import has, inside
from mechprobe.models.base.safe.torch_files import wanted_tensors
from mechprobe.models.base.safe.weight_files import read_tensors
from mechprobe.models.base.validation import validated
from mechprobe.models.base.weights import Weights
from mechprobe.models.checkpoints.asking import Settings, asked
from mechprobe.models.checkpoints.place import Place, holds, only_torch_file, weights_of
from mechprobe.models.checkpoints.registry import checkpoint_format
from mechprobe.models.families.counting.formats.arguments import (
    OPTION,
    refuse_lacking,
    refuse_unknown,
)
from mechprobe.models.families.counting.formats.positions import PLACES, order
from mechprobe.models.families.counting.formats.translated import turned
from mechprobe.models.families.transformer import TransformerConfig, check
from mechprobe.models.hooked import HookedTransformer

WEIGHTS_FILE = "transformer.pt"
# What the script names its files: before training, after it, set free, and trained again. Those set
# free and later attend to everything, whatever they were before.
NAME = re.compile(r"run_(\d+)_(?:init)?model_(only_sem|only_pos|both)_(orig|repar|retrained)\.pt")
# Its table of accuracies epoch by epoch, of those after training and of those trained again.
TABLES = {"orig": "frozen_transformer_result.csv", "retrained": "reparameterized_transformers.csv"}
TABLE_BYTES = 2**24
# Variables of the script that say how long, on what and with what luck it trained.
HARMLESS = (
    "lr", "n_epochs", "num_samples", "batch_size", "train_ratio", "val_ratio", "train_size",
    "val_size", "n_runs", "run", "seed", "device", "train_losses", "val_losses", "val_acc", "meta",
)  # fmt: skip
# Theirs, and ours; the weights of torch's linear layers are turned, attention's are not.
ATTENTION = {f"attention.{name}": f"blocks.0.W_{name}" for name in "QKV"}
OTHERS = {
    "norm.weight": "blocks.0.ln2.w",
    "norm.bias": "blocks.0.ln2.b",
    "fc1.weight": "blocks.0.W_in",
    "fc1.bias": "blocks.0.b_in",
    "fc2.weight": "blocks.0.W_out",
    "fc2.bias": "blocks.0.b_out",
}
EMBEDDINGS = ("semantic_emb.weight", "positional_emb.embedding.weight", PLACES)
WANTED = (*EMBEDDINGS, *ATTENTION, *OTHERS)
WHOSE = "the published positional and semantic code"


class PublishedConfig(BaseModel):
    """The arguments of the published script that shape a model."""

    model_config = ConfigDict(strict=True)

    T: Annotated[int, Field(ge=2)]
    seq_len: Annotated[int, Field(ge=2)]
    model_dim: Annotated[int, Field(ge=2)]
    p: Annotated[int, Field(ge=1)]
    attention_input: Literal["only_sem", "only_pos", "both"]


@checkpoint_format(
    "positional-semantic",
    "run_N_model_NAME_orig.pt and its like, or transformer.pt with config.json, with attention.Q:"
    " the published code of the positional and semantic counting models (arXiv:2402.03902,"
    " section 3)",
)
class PositionalSemantic:
    """The published positional and semantic code's."""

    advice = ""

    def recognises(self, folder: Path, config: Mapping[str, Any]) -> bool:
        """By the weights' file; the counting code's configuration says more. Without any, by the
        names of weights."""
        if not config:
            name = only_torch_file(folder)
            return name is not None and self.recognises_file(folder / name)
        own = not {"no_softmax", "dataset_type"} & config.keys()
        return has(folder, WEIGHTS_FILE) and own and config.get("attention_input") != "linear"

    def recognises_file(self, file: Path) -> bool:
        """By the names of weights."""
        return holds(file, lambda names: "attention.Q" in names)

    def read(self, folder: Path, config: Mapping[str, Any]) -> HookedTransformer:
        """The model in a folder; see `read_place`."""
        return self.read_place(Place(folder, folder, None, config), {})

    def read_place(self, place: Place, settings: Settings) -> HookedTransformer:
        """The model.

        Raises:
            MechprobeError: unsupported or unknown arguments, something that neither they nor the
                settings say, an unsafe or damaged file, weights that do not fit.
        """
        file, config = weights_of(place, WEIGHTS_FILE)
        where = str(place.folder / "config.json") if config else str(file)
        if config:
            refuse_unknown(config, PublishedConfig.model_fields, HARMLESS, where)
        arguments = validated(PublishedConfig, dict(config), where) if config else None

        def made(state: Weights) -> tuple[TransformerConfig, Weights]:
            known = arguments or _from_shapes(state, settings, file)
            return _translated(known, state, file, where)

        model = HookedTransformer(*made(read_tensors(file, made)))
        asks = {name: value for name, value in settings.items() if name != "attention_input"}
        return asked(model, settings if config else asks)

    def claimed(self, place: Place) -> float | None:
        """The last validation accuracy in the script's table of this run."""
        found = NAME.fullmatch(weights_of(place, WEIGHTS_FILE)[0].name)
        if found is None or found[3] not in TABLES or "_initmodel_" in found[0]:
            return None
        table = inside(place.folder, TABLES[found[3]])
        if table.stat().st_size > TABLE_BYTES:
            return None
        with table.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if (row["run"], row["model_type"]) == (found[1], found[2]):
                    return float(json.loads(row["val_acc"])[-1])
        return None


def _from_shapes(state: Weights, settings: Settings, file: Path) -> PublishedConfig:
    """Sizes as the shapes have them; what attention sees from the file's name, or as it is told."""
    sizes = _sizes(wanted_tensors(state, WANTED, "", file, WHOSE), file)
    named = NAME.fullmatch(file.name)
    attends = settings.get("attention_input")
    if named is not None:
        says = named[2] if named[3] == "orig" else "both"
        if attends not in (None, says):
            raise MechprobeError(
                f"{file}: {OPTION} says attention_input={attends}, its name says {says}"
            )
        attends = says
    refuse_lacking({"attention_input": "only_sem"} if attends is None else {}, file)
    for name, size in (("T", sizes["T"]), ("L", sizes["seq_len"])):
        if settings.get(name, size) != size:
            raise MechprobeError(
                f"{file}: {OPTION} says {name}={settings[name]}, its shapes say {name}={size}"
            )
    return validated(PublishedConfig, {**sizes, "attention_input": attends}, f"{file}")


def _sizes(state: Weights, file: Path) -> dict[str, int]:
    named = {
        ("T", "model_dim"): EMBEDDINGS[0],
        ("seq_len", "model_dim"): EMBEDDINGS[1],
        ("p", "model_dim"): "fc1.weight",
    }
    sizes: dict[str, int] = {}
    for names, tensor in named.items():
        shape = tuple(state[tensor].shape)
        if len(shape) != 2:
            raise MechprobeError(f"{file}: {tensor} has shape {shape}, a matrix is wanted")
        sizes |= dict(zip(names, shape, strict=True))
    return sizes


def _translated(
    arguments: PublishedConfig, state: Weights, file: Path, where: str
) -> tuple[TransformerConfig, Weights]:
    """Configuration and weights in our words; also of a header, whose tensors hold no numbers."""
    if any(name.startswith("token_mixer.") for name in state):
        raise MechprobeError(
            f"{file}: token_mixer.* is of the published counting code, whose config.json has"
            " no_softmax and dataset_type; add them"
        )
    state = wanted_tensors(state, WANTED, "", file, WHOSE)
    fields = {
        "T": arguments.T,
        "L": arguments.seq_len,
        "d": arguments.model_dim,
        "p": arguments.p,
        "positions": True,
        "norm": "mlp",
        "residual": False,
        "values": "value",
        "attends": arguments.attention_input,
        "sampler": "uniform",
        # As in the counting code's models: more classes than counts, never fewer.
        "n_classes": max((arguments.seq_len + 1, *state["fc2.weight"].shape[:1])),
    }
    config = TransformerConfig.checked(fields, where=where)
    tokens, positions, places = (state[name] for name in EMBEDDINGS)
    weights = {
        "W_E": tokens,
        "W_pos": positions,
        **{ours: state[theirs].unsqueeze(0) for theirs, ours in ATTENTION.items()},
        **{ours: turned(state[theirs]) for theirs, ours in OTHERS.items()},
    }
    check(config, weights, where=str(file))
    weights["W_pos"] = positions[order(places, config.L, file)]
    if arguments.attention_input != "both":
        # Tokens live in the first half of the coordinates, positions in the second; what the
        # file holds in the other half is never seen.
        half = config.d // 2
        weights["W_E"] = torch.cat([tokens[:, :half], torch.zeros_like(tokens[:, half:])], 1)
        other = weights["W_pos"]
        weights["W_pos"] = torch.cat([torch.zeros_like(other[:, :half]), other[:, half:]], 1)
    return config, {name: weight.contiguous() for name, weight in weights.items()}
