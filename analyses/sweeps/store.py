"""A sweep's folder: sweep.toml, shards/NNNNN.safetensors, results.parquet, sweep.log.

A shard's file holds the weights of its models, and their rows of the table as JSON in its
header: it is there whole or not at all, and is all a finished shard leaves.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError

from mechprobe.analyses.sweeps.grid import Grid
from mechprobe.analyses.sweeps.shards import Shard
from mechprobe.models import MechprobeError, Trained
from mechprobe.models.base.files import add_line, write_whole
from mechprobe.models.base.folders import names_in
from mechprobe.models.base.tensor_files import open_tensors, write_tensors
from mechprobe.models.base.workplaces import clean, make_folder
from mechprobe.models.families.counting import Weights

GRID_FILE, LOG_FILE, LOCK_FILE, SHARDS = "sweep.toml", "sweep.log", ".lock", "shards"
HEADER = "sweep"  # entry of a shard's header: the grid's digest, and the rows
FIRST = {LOCK_FILE, LOG_FILE}  # what may be there before the grid is
PATIENCE = 1.0  # seconds; `status` holds the lock for a moment to see whether it is free


class Store:
    """The folder of one sweep.

    Args:
        folder: where it lies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def grid(self) -> Grid:
        """What is swept there.

        Raises:
            MechprobeError: no sweep there.
        """
        path = self.folder / GRID_FILE
        if not path.is_file():
            raise MechprobeError(
                f"{self.folder}: no sweep here (no {GRID_FILE});"
                " give a folder that `mechprobe sweep counting --out` wrote"
            )
        return Grid.read(path)

    def begin(self, grid: Grid) -> None:
        """Take the folder for a grid, or find that it is its already.

        Raises:
            MechprobeError: the folder belongs to another grid or holds other files, or cannot be
                written.
        """
        self.refuse_foreign(grid)
        path = self.folder / GRID_FILE
        if not path.is_file() or grid.difference(self.grid()) is not None:
            write_whole(path, grid.write)  # nothing of another grid was stored
        self.clean()

    def refuse_foreign(self, grid: Grid) -> None:
        """Look whether the folder is this grid's or free, and touch nothing.

        Raises:
            MechprobeError: the folder belongs to another grid or holds other files.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise MechprobeError(f"{self.folder}: is a file, a folder is wanted")
        path = self.folder / GRID_FILE
        if path.is_file():
            difference = grid.difference(self.grid())
            if difference is not None and self.stored():
                raise MechprobeError(
                    f"{self.folder}: holds the sweep of another grid ({difference});"
                    " choose another --out"
                )
        elif names_in(self.folder) - FIRST:
            raise MechprobeError(
                f"{self.folder}: holds other files and no sweep (no {GRID_FILE});"
                " choose a new folder"
            )

    def clean(self) -> None:
        """Remove what writers that were killed left: temporary files, never whole ones."""
        clean(self.folder)
        clean(self.folder / SHARDS)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder against other sweeps; the system frees it when this process ends.

        Raises:
            MechprobeError: another sweep holds it, or it cannot be written.
        """
        try:
            make_folder(self.folder)
            lock = FileLock(self.folder / LOCK_FILE)
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            raise MechprobeError(
                f"{self.folder}: another sweep is at work here; wait for it or choose another --out"
            ) from None
        except OSError as error:
            raise MechprobeError(
                f"{self.folder}: cannot write here ({error.strerror or error})"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def path(self, shard: Shard) -> Path:
        """Where a shard's file stands once it is done."""
        return self.folder / SHARDS / f"{shard.index:05d}.safetensors"

    def stored(self) -> set[str]:
        """Names of the shards' files that are there."""
        try:
            return {entry.name for entry in (self.folder / SHARDS).iterdir()}
        except OSError:
            return set()

    def put(self, shard: Shard, rows: list[dict[str, Any]], trained: list[Trained]) -> None:
        """Store a finished shard, whole or not at all.

        Raises:
            MechprobeError: it cannot be written, the disk is full.
        """
        tensors: dict[str, torch.Tensor] = {}
        for member, one in zip(shard.members, trained, strict=True):
            shots = {None: one.weights} | one.snapshots
            for step, weights in shots.items():
                at = member.name if step is None else f"{member.name}@{step}"
                tensors |= {f"{at}/{name}": w for name, w in weights.items()}

        # One entry: safetensors writes several in any order, and equal sweeps are equal bytes.
        meta = {HEADER: json.dumps({"grid": _digest(shard.grid), "rows": rows})}
        write_tensors(self.path(shard), tensors, meta)

    def rows(self, shard: Shard) -> list[dict[str, Any]] | None:
        """A finished shard's rows; None for one that is not done, or whose file is damaged.

        Raises:
            MechprobeError: the file is another grid's.
        """
        try:
            with open_tensors(self.path(shard)) as file:
                header = json.loads((file.metadata() or {})[HEADER])
            grid, rows = header["grid"], list(header["rows"])
            fits = [row["model"] for row in rows] == [m.name for m in shard.members]
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None
        if grid != _digest(shard.grid):
            raise MechprobeError(
                f"{self.path(shard)}: was made for another grid than {GRID_FILE} says;"
                " restore that file, or choose another --out"
            )
        return rows if fits else None

    def weights(self, shard: Shard, name: str) -> dict[int | None, Weights]:
        """A model's weights by step; None is the end.

        Raises:
            MechprobeError: the shard is not done.
        """
        found: dict[int | None, Weights] = {}
        try:
            with open_tensors(self.path(shard)) as file:
                for key in file.keys():  # noqa: SIM118
                    model, weight = key.rsplit("/", 1)
                    of, _, step = model.partition("@")
                    if of == name:
                        at = int(step) if step else None
                        found.setdefault(at, {})[weight] = file.get_tensor(key)
        except (OSError, SafetensorError, ValueError) as error:
            raise MechprobeError(
                f"{self.path(shard)}: cannot be read ({str(error).splitlines()[0]});"
                " let the sweep finish first"
            ) from None
        return found

    def log(self, text: str) -> None:
        """Add a line to the log; a full disk does not end a sweep for it."""
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        add_line(self.folder / LOG_FILE, f"{now} {text}")


def _digest(grid: Grid) -> str:
    return hashlib.sha256(grid.model_dump_json().encode()).hexdigest()[:16]
