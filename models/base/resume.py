"""State of a training run on disk: kept whole or not at all, and taken up by the same run only."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.tensor_files import open_tensors, write_tensors

DIGEST = "digest"


def keep_state(
    path: Path, identity: str, tensors: Mapping[str, Tensor], meta: Mapping[str, str]
) -> None:
    """Write the state of a run.

    Args:
        path: of the file.
        identity: of the run: all that decides what becomes of it.
        tensors: by name.
        meta: what else there is to know.

    Raises:
        MechprobeError: the folder cannot be written, or the disk is full.
    """
    header = {"identity": identity, **meta}
    write_tensors(path, tensors, {**header, DIGEST: _digest(tensors, header)})


@contextmanager
def kept_state(path: Path, identity: str) -> Iterator[tuple[dict[str, Tensor], dict[str, str]]]:
    """What `keep_state` wrote, tensors and meta; whatever goes wrong while it is taken up is one
    line about the file.

    Raises:
        MechprobeError: the state is damaged, or belongs to another run.
    """
    try:
        with open_tensors(path) as file:
            meta: dict[str, str] = file.metadata() or {}
            if meta["identity"] != identity:
                raise MechprobeError(
                    f"{path}: holds the state of another training run; remove it or choose another"
                    " place"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        # A single changed byte gives other weights, or a training that diverges for no reason to
        # be seen. States of earlier versions hold no digest.
        if (kept := meta.pop(DIGEST, None)) not in (None, _digest(tensors, meta)):
            raise ValueError(f"digest {kept}")
        yield tensors, meta
    except MechprobeError:
        raise
    except Exception as error:  # a damaged file can fail anywhere in here
        raise MechprobeError(
            f"{path}: not a whole training state ({type(error).__name__}); remove it to start over"
        ) from error


def _digest(tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> str:
    """SHA-256 of all that a state holds, in hex digits."""
    digest = hashlib.sha256(json.dumps(dict(header), sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
