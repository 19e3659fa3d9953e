"""A sweep's folder: sweep.toml, shards/NNNNN.safetensors, results.parquet, sweep.log."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mechprobe.analyses.sweeps.grid import Grid
from mechprobe.analyses.sweeps.shard_file import Header, read_header, write_shard
from mechprobe.analyses.sweeps.shards import Shard
from mechprobe.analyses.sweeps.stages import Stages
from mechprobe.models import MechprobeError, Trained
from mechprobe.models.base.files import add_line, write_whole
from mechprobe.models.base.folders import names_in
from mechprobe.models.base.workplaces import clean, make_folder

GRID_FILE, LOG_FILE, LOCK_FILE, SHARDS = "sweep.toml", "sweep.log", ".lock", "shards"
FIRST = {LOCK_FILE, LOG_FILE}  # what may be there before the grid is
PATIENCE = 1.0  # seconds; `status` holds the lock for a moment to see whether it is free


class Store:
    """The folder of one sweep.

    Args:
        folder: where it lies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def stages(self) -> Stages:
        """The grids that are swept there, one after another.

        Raises:
            MechprobeError: no sweep there.
        """
        path = self.folder / GRID_FILE
        if not path.is_file():
            raise MechprobeError(
                f"{self.folder}: no sweep here (no {GRID_FILE});"
                " give a folder that `mechprobe sweep counting --out` wrote"
            )
        return Stages.read(path)

    def grid(self) -> Grid:
        """All of what is swept there.

        Raises:
            MechprobeError: no sweep there.
        """
        return self.stages().grid

    def begin(self, grid: Grid) -> Stages:
        """Take the folder for a grid, find that it is its already, or let its sweep grow to it.

        Raises:
            MechprobeError: the folder belongs to another grid or holds other files, or cannot be
                written.
        """
        stages = self.refuse_foreign(grid)
        path = self.folder / GRID_FILE
        if not path.is_file() or stages != self.stages():
            write_whole(path, stages.write)
        self.clean()
        return stages

    def refuse_foreign(self, grid: Grid) -> Stages:
        """Look whether the folder is this grid's or free, and touch nothing.

        Returns:
            What is swept there with this grid.

        Raises:
            MechprobeError: the folder belongs to another grid or holds other files.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise MechprobeError(f"{self.folder}: is a file, a folder is wanted")
        if (self.folder / GRID_FILE).is_file():
            there = self._begun(self.stages())
            try:
                return there.with_grid(grid)
            except MechprobeError as error:
                if self.stored():
                    raise MechprobeError(f"{self.folder}: {error}; choose another --out") from None
        elif names_in(self.folder) - FIRST:
            raise MechprobeError(
                f"{self.folder}: holds other files and no sweep (no {GRID_FILE});"
                " choose a new folder"
            )
        return Stages((grid,))  # nothing of another grid was stored

    def _begun(self, stages: Stages) -> Stages:
        """The stages of which something is stored; a larger grid that was never begun is none."""
        stored = self.stored()
        while len(stages.grids) > 1:
            before = Stages(stages.grids[:-1])
            later = stages.shards[len(before.shards) :]
            if any(self.path(shard).name in stored for shard in later):
                break
            stages = before
        return stages

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
        models = {m.name: one for m, one in zip(shard.members, trained, strict=True)}
        write_shard(self.path(shard), shard.digest, rows, models)

    def header(self, shard: Shard) -> Header | None:
        """What a finished shard's file says; None for one that is not done or is damaged.

        Raises:
            MechprobeError: the file is another grid's, or cannot be read now.
        """
        found = read_header(self.path(shard))
        if found is None:
            return None
        if found.grid != shard.digest:
            raise MechprobeError(
                f"{self.path(shard)}: was made for another grid than {GRID_FILE} says;"
                " restore that file, or choose another --out"
            )
        fits = [row["model"] for row in found.rows] == [m.name for m in shard.members]
        return found if fits else None  # the file of another shard

    def rows(self, shard: Shard) -> list[dict[str, Any]] | None:
        """A finished shard's rows; None and errors as of `header`."""
        found = self.header(shard)
        return None if found is None else found.rows

    def log(self, text: str) -> None:
        """Add a line to the log; a full disk does not end a sweep for it."""
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        add_line(self.folder / LOG_FILE, f"{now} {text}")
