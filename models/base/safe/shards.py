"""Weights split into several safetensors files by an index, as Hugging Face writes them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.safe.documents import read_json
from mechprobe.models.base.safe.folders import inside
from mechprobe.models.base.safe.tensor_files import header_of
from mechprobe.models.base.weights import Weights


@dataclass(frozen=True)
class Shards:
    """Headers of all shards.

    Args:
        header: tensors without numbers by name.
        files: where each tensor lies.
        tied: names that are stored under others.
    """

    header: Weights
    files: dict[str, Path]
    tied: dict[str, str]


def shards_of(index: Path) -> Shards:
    """The shards that an index names: all of them, and no tensor but those it names.

    Args:
        index: model.safetensors.index.json, as `inside` gave it.

    Raises:
        MechprobeError: a damaged index or shard, one that does not lie beside the index, a tensor
            that is missing, stands twice or is not in the index, another total size.
    """
    where = str(index)
    data = read_json(index.parent, index.name)
    places = _places(data, where)
    header: Weights = {}
    tied: dict[str, str] = {}
    shards = {name: inside(index.parent, name) for name in sorted(set(places.values()))}
    for name, shard in shards.items():
        found, same = header_of(shard)
        for tensor in found:
            if tensor in header:
                raise MechprobeError(f"{where}: {short(tensor)} lies in two of its files")
            if places.get(tensor) != name:
                raise MechprobeError(f"{where}: does not say that {short(tensor)} lies in {name}")
        header |= found
        tied |= same
    for tensor, name in places.items():
        if tensor not in header:
            raise MechprobeError(f"{where}: {short(tensor)} is not in {name}")
    size = sum(tensor.nbytes for tensor in header.values())
    meta = data.get("metadata")
    claimed = meta.get("total_size", size) if isinstance(meta, dict) else size
    if claimed != size:
        raise MechprobeError(
            f"{where}: total_size is {short(claimed, 40)}, but its files hold {size} bytes"
        )
    return Shards(header, {tensor: shards[places[tensor]] for tensor in header}, tied)


def _places(data: dict[str, Any], where: str) -> dict[str, str]:
    places = data.get("weight_map")
    if not isinstance(places, dict) or not places:
        raise MechprobeError(f"{where}: weight_map is wanted, the file of every tensor by its name")
    for tensor, name in places.items():
        if not isinstance(name, str) or Path(name).name != name or "\\" in name:
            raise MechprobeError(
                f"{where}: {short(tensor)} lies in {short(repr(name))}; the name of a file beside"
                " the index is wanted"
            )
        if not name.endswith(".safetensors"):
            raise MechprobeError(f"{where}: {short(name)} is no safetensors file by its name")
    return places
