"""Checkpoints: our own format, readers of other people's, and a register of both."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.locks import held
from mechprobe.models.base.safe.reading import CONFIG_FILE
from mechprobe.models.base.safe.told import listening
from mechprobe.models.base.safe.writing import write_folder
from mechprobe.models.base.settled import settled
from mechprobe.models.base.weights import Weights, refuse_numberless
from mechprobe.models.checkpoints.asking import Setting, Settings, settings_of
from mechprobe.models.checkpoints.place import Place, place_of
from mechprobe.models.checkpoints.registry import (
    FORMATS,
    FileReader,
    Format,
    PlaceReader,
    Reader,
    checkpoint_format,
    claim_of,
    format_of,
    formats,
    read_with,
)
from mechprobe.models.hooked import HookedTransformer
from mechprobe.models.hooked.altered import refuse_altered
from mechprobe.models.hooked.others import refuse_models, refuse_others

__all__ = [
    "FORMATS",
    "FileReader",
    "Format",
    "Place",
    "PlaceReader",
    "Reader",
    "Setting",
    "Settings",
    "checkpoint_format",
    "claimed_accuracy",
    "formats",
    "load",
    "read_meta",
    "recognised",
    "save",
    "settings_of",
]


@settled()
def load(
    path: str | Path, task: Settings | None = None, mapping: str | Path | None = None
) -> HookedTransformer:
    """A checkpoint of any known format as a hooked model; its `taken` says what was taken of files
    that hold more than a plain state dict.

    Args:
        path: its folder, or a single file of weights (NAME.pt, NAME.safetensors, ...) that a known
            code wrote, or that a mapping of names lies beside (docs/own_models.md).
        task: what the files do not say, and what the model is to be asked in place of its own
            task: `{"T": 32, "L": 10, "sampler": "uniform"}`, or another task by its "name".
        mapping: a TOML file that says which name is which part, in place of one that lies beside
            the weights; settings may say it as "mapping".

    Raises:
        MechprobeError: no such folder, no known format, damaged or hostile content, settings that
            do not fit it, or one that is lacking.
    """
    refuse_models(path, "a checkpoint")
    # Held, so that nobody replaces some of its files meanwhile.
    with held(Path(path), shared=True), listening() as told:
        settings, place = _placed(path, task, mapping)
        model = read_with(format_of(place), place, settings)
    # Half precision is for storing: counts are a few thousandths of a logit apart.
    small = model.cfg.dtype not in (torch.float32, torch.float64)
    taken = model.taken
    model = model.with_dtype(torch.float32) if small else model
    model.taken = (*told, *taken)
    return model


def recognised(path: str | Path, task: Settings | None = None) -> Format:
    """Which format a checkpoint is of; numbers of its weights are not looked at.

    Args:
        path: as `load` takes it.
        task: likewise.

    Raises:
        MechprobeError: no such folder, or no known format.
    """
    return format_of(_placed(path, task)[1])


def claimed_accuracy(path: str | Path) -> tuple[float | None, str]:
    """How good a checkpoint is by its own account.

    Returns:
        Share of right answers, in [0, 1], that the files beside it claim, None where none of them
        says one; and what its format advises to look at where it is far from that, or empty.

    Raises:
        MechprobeError: no such folder, or no known format.
    """
    place = place_of(Path(path))
    return claim_of(format_of(place), place)


def read_meta(path: str | Path) -> dict[str, Any]:
    """Where one of our checkpoints says it comes from; empty for others."""
    meta = place_of(Path(path)).config.get("meta", {})
    return meta if isinstance(meta, dict) else {}


def save(model: HookedTransformer, path: str | Path, meta: Mapping[str, Any] | None = None) -> None:
    """Write a checkpoint folder whole or not at all: config.json, model.safetensors, and what else
    the model's family stores.

    Args:
        model: natural weights are written, whatever the view.
        path: the folder; an older checkpoint there is replaced after the new one is complete.
        meta: where the model comes from (construction, training), kept under "meta".

    Raises:
        MechprobeError: the folder cannot be written, or holds something else than a checkpoint,
            the model carries hooks or holds no numbers, or the family stores no such model, or
            `load` would not take it.
    """
    refuse_others(model)
    refuse_altered(model, "stored")
    files, weights = model.family.files(model), model.weights()
    refuse_numberless(weights, "stored")
    _check_loads(model, weights, f"{path}: not written")
    files[CONFIG_FILE]["meta"] = dict(meta or {})
    write_folder(Path(path), files, weights)


def _placed(
    path: str | Path, settings: Settings | None, mapping: str | Path | None = None
) -> tuple[Settings, Place]:
    """Settings without the mapping that they may name, and the place with it."""
    rest = dict(settings or {})
    named = rest.pop("mapping", None)
    given = mapping if mapping is not None else named
    return rest, place_of(Path(path), None if given is None else Path(str(given)))


def _check_loads(model: HookedTransformer, weights: Weights, where: str) -> None:
    """Whether configuration and weights pass what they are read with; training in place or code of
    others may have changed them since they were checked.

    Raises:
        MechprobeError: they do not.
    """
    stored = json.loads(model.config.model_dump_json())
    config = model.family.config(stored, f"{where}, configuration")
    if config.model_dump_json() != model.config.model_dump_json():
        raise MechprobeError(f"{where}: the configuration would be read as another one")
    model.family.check(config, weights, f"{where}, weights")
