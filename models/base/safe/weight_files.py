"""A single file of weights, torch's or safetensors, by the ending of its name."""

from pathlib import Path

from mechprobe.models.base.safe.folders import inside
from mechprobe.models.base.safe.reading import read_safetensors
from mechprobe.models.base.safe.state_dicts import Check
from mechprobe.models.base.safe.torch_files import read_torch
from mechprobe.models.base.weights import Weights

TORCH = (".pt", ".pth", ".bin", ".ckpt")
SAFETENSORS = ".safetensors"
ENDINGS = (*TORCH, SAFETENSORS)


def read_tensors(file: Path, check: Check) -> Weights:
    """The tensors of a file, each a copy; never unpickled.

    Args:
        file: its path.
        check: as `read_torch` and `read_safetensors` take it.

    Raises:
        MechprobeError: no such file, damaged, more than tensors, or what `check` raises.
    """
    placed = inside(file.parent, file.name)
    read = read_safetensors if file.suffix == SAFETENSORS else read_torch
    return read(placed, check)
