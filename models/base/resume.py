"""State of a training run on disk: kept whole or not at all, and taken up by the same run only."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.tensor_files import open_tensors, write_tensors


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
    write_tensors(path, tensors, {"identity": identity, **meta})


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
        yield tensors, meta
    except MechprobeError:
        raise
    except Exception as error:  # a damaged file can fail anywhere in here
        raise MechprobeError(
            f"{path}: not a whole training state ({type(error).__name__}); remove it to start over"
        ) from error
