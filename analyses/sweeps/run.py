"""A sweep from its grid to its table."""

from pathlib import Path
from typing import Any

from mechprobe.analyses.common.stopping import goes_on
from mechprobe.analyses.sweeps.choice import chosen
from mechprobe.analyses.sweeps.engines import Engine, run_shards
from mechprobe.analyses.sweeps.grid import Grid
from mechprobe.analyses.sweeps.shards import Shard
from mechprobe.analyses.sweeps.stages import Stages
from mechprobe.analyses.sweeps.status import Progress, begin_line
from mechprobe.analyses.sweeps.store import Store
from mechprobe.analyses.sweeps.table import TABLE_FILE, write_table
from mechprobe.models import MechprobeError
from mechprobe.models.base.files import remove


def sweep(
    folder: Path,
    grid: Grid,
    *,
    engine: Engine = "local",
    workers: int | None = None,
    address: str | None = None,
) -> list[dict[str, Any]]:
    """Train, evaluate, probe and label every model of a grid; goes on where it was stopped.

    A grid that has all models of the sweep that is there, and more, lets it grow: only what is new
    is trained.

    Args:
        folder: of the sweep; see `mechprobe.analyses.sweeps.store`.
        grid: what to train.
        engine: "local", "dask" or "ray".
        workers: at most so many shards at once.
        address: of the cluster.

    Returns:
        The rows of the table: in the order of the grid, those that a larger one added at the end.

    Raises:
        MechprobeError: the folder is another grid's, another sweep's, or cannot be written; the
            engine is not at hand.
    """
    store = Store(folder)
    store.refuse_foreign(grid)  # before a lock is left in somebody's folder
    with store.alone():
        stages = store.begin(grid)
        goes_on()
        shards = stages.shards
        todo = [shard for shard in shards if store.rows(shard) is None]
        for shard in todo:  # a damaged file, that nobody may take for done
            if store.path(shard).is_file():
                store.log(f"shard {shard.index:05d}: its file is damaged; it is made again")
                remove(store.path(shard))
        store.log(begin_line(shards, todo))
        with Progress(store, shards, todo):
            run_shards(folder, todo, engine, workers, address)
        store.clean()
        rows = table_rows(store, stages, shards)
        write_table(folder / TABLE_FILE, rows)
        store.log(f"finished: {len(rows)} models")
    return rows


def table_rows(store: Store, stages: Stages, shards: list[Shard]) -> list[dict[str, Any]]:
    """All rows in the table's order, the best learning rates marked.

    Raises:
        MechprobeError: a shard is missing.
    """
    found: dict[str, dict[str, Any]] = {}
    for shard in shards:
        rows = store.rows(shard)
        if rows is None:
            raise MechprobeError(f"{store.path(shard)}: is missing; the same command makes it")
        found |= {row["model"]: row for row in rows}
    return chosen([found[member.name] for member in stages.members])
