"""Fixed random embeddings of the published code, where a folder gives them.

Its scripts draw them as `mus`, from N(0, 1/d), feed the model with (mus + eps nu) / sqrt(1 + eps^2)
where nu is fresh noise of the same size and eps 0.001, and save neither: `semantic_emb` in the
state dict was never used. Only the BOS token's is saved, as BOS.npy.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.safe.reading import has, inside

GIVEN, BOS = "mus.npy", "BOS.npy"
EPS = 1e-3


def given_embeddings(
    folder: Path, config: Mapping[str, Any], rows: int, d: int
) -> Float[Tensor, "rows d"] | None:
    """The embeddings that a model was trained with, where they were fixed; float32.

    Args:
        folder: of the checkpoint.
        config: the script's arguments.
        rows: of the embedding, BOS included.
        d: its width.

    Raises:
        MechprobeError: the folder is of the code with fixed embeddings and lacks them, or what
            it gives are none.
    """
    if not has(folder, GIVEN):
        signs = [f"model_type in {folder / 'config.json'}"] * ("model_type" in config)
        signs += [BOS] * has(folder, BOS)
        if signs:
            raise MechprobeError(
                f"{folder}: of the published code with fixed random embeddings ({signs[0]}), which"
                " does not save them, and semantic_emb was never used; put them beside it as"
                f" {GIVEN} [{rows}, {d}] (val_dataset.mus of the script)"
            )
        return None
    found = _array(folder, GIVEN, d)
    if len(found) == rows - 1 and has(folder, BOS):
        found = np.concatenate([found, _array(folder, BOS, d)])
    if len(found) != rows:
        raise MechprobeError(f"{folder / GIVEN}: holds {len(found)} rows, {rows} are wanted")
    # What the model saw of a token in the mean.
    return torch.from_numpy(found / math.sqrt(1 + EPS**2)).float()


def _array(folder: Path, name: str, d: int) -> Float[np.ndarray, "rows d"]:
    file = inside(folder, name)
    try:
        # Mapped, so that nothing larger than the file is allocated; never unpickled.
        found = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged file can fail anywhere in the reader
        raise MechprobeError(f"{file}: not a whole NumPy array ({short(error, 200)})") from None
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
        raise MechprobeError(f"{file}: an array of floats is wanted")
    if found.ndim not in (1, 2) or found.shape[-1] != d:
        raise MechprobeError(f"{file}: has shape {found.shape}, its rows have to hold {d} numbers")
    numbers: np.ndarray = np.atleast_2d(np.asarray(found, dtype=np.float64))
    if not np.isfinite(numbers).all():
        raise MechprobeError(f"{file}: holds NaN or infinite values")
    return numbers
