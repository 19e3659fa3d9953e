"""Safe reading of checkpoint folders: files are data, bounded before anything is allocated.

A reader first gets a file's header as tensors without numbers (device "meta"), compares names,
shapes and types with what the configuration demands, and only then are numbers loaded. What is
allocated is thereby bounded by the size of the file.
"""

from pathlib import Path

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.safe.documents import read_json
from mechprobe.models.base.safe.folders import (
    CONFIG_FILE,
    INDEX_FILE,
    TASK_FILE,
    WEIGHTS_FILE,
    has,
    inside,
)
from mechprobe.models.base.safe.shards import Shards, shards_of
from mechprobe.models.base.safe.state_dicts import SPARE, Check, fitting
from mechprobe.models.base.safe.tensor_files import header_of, numbers_of
from mechprobe.models.base.safe.told import tell
from mechprobe.models.base.weights import Weights

__all__ = [
    "CONFIG_FILE",
    "INDEX_FILE",
    "TASK_FILE",
    "WEIGHTS_FILE",
    "Check",
    "has",
    "has_weights",
    "inside",
    "read_json",
    "read_safetensors",
    "weights_file",
]


def has_weights(folder: Path) -> bool:
    """Whether a folder has safetensors weights under their usual name, whole or in shards."""
    return has(folder, WEIGHTS_FILE) or has(folder, INDEX_FILE)


def weights_file(folder: Path) -> Path:
    """What `read_safetensors` is to be given: model.safetensors, or the index of its shards.

    Raises:
        MechprobeError: as `inside`.
    """
    if not has(folder, INDEX_FILE):
        return inside(folder, WEIGHTS_FILE)
    if has(folder, WEIGHTS_FILE):
        tell(f"{WEIGHTS_FILE} was read; {INDEX_FILE} left aside")
        return inside(folder, WEIGHTS_FILE)
    return inside(folder, INDEX_FILE)


def read_safetensors(file: Path, check: Check) -> Weights:
    """The tensors of a safetensors file, or of the shards of an index, each a copy.

    Names and types may be those of wrapped modules (`state_dicts`); what is done about it is told
    (`told.tell`).

    Args:
        file: as `inside` gave it; with a name that ends in .index.json, an index.
        check: is given the header, as tensors without numbers, before anything is loaded, and
            then the tensors; raises where they do not fit.

    Raises:
        MechprobeError: damaged, shards that do not fit their index, or what `check` raises.
    """
    is_index = file.name.endswith(".index.json")
    if is_index:
        shards = shards_of(file)
    else:
        header, tied = header_of(file)
        shards = Shards(header, dict.fromkeys(header, file), tied)
    way = fitting(shards.header, check, shards.tied)
    _refuse_swollen(file, shards, way.of(shards.header))
    stored: Weights = {}
    for path in set(shards.files.values()):
        wanted = {name for name in way.names.values() if shards.files[name] == path}
        stored |= numbers_of(path, wanted)
    weights = way.of(stored)
    if len(stored) < len(weights):  # a tensor under two names becomes two
        weights = {name: tensor.clone() for name, tensor in weights.items()}
    check(weights)
    if is_index:
        tell(f"{file.name}: {len(set(shards.files.values()))} files were read")
    for sentence in way.said:
        tell(f"{file.name}: {sentence}")
    return weights


def _refuse_swollen(file: Path, shards: Shards, weights: Weights) -> None:
    held = sum(tensor.nbytes for tensor in shards.header.values())
    # Types at most grow fourfold, from half to double precision.
    if sum(tensor.nbytes for tensor in weights.values()) > 4 * held + SPARE:
        raise MechprobeError(f"{file}: its tensors claim many more numbers than it holds")
