"""A sweep from its grid to its table."""

from pathlib import Path
from typing import Any

from mechprobe.analyses.sweeps.choice import chosen
from mechprobe.analyses.sweeps.engines import Engine, run_shards
from mechprobe.analyses.sweeps.grid import Grid
from mechprobe.analyses.sweeps.shards import Shard, shards_of
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

    Args:
        folder: of the sweep; see `mechprobe.analyses.sweeps.store`.
        grid: what to train.
        engine: "local", "dask" or "ray".
        workers: at most so many shards at once.
        address: of the cluster.

    Returns:
        The rows of the table, as probes.sweeps describes them, in the grid's order.

    Raises:
        MechprobeError: the folder is another grid's, another sweep's, or cannot be written; the
            engine is not at hand.
    """
    store = Store(folder)
    store.refuse_foreign(grid)  # before a lock is left in somebody's folder
    with store.alone():
        store.begin(grid)
        shards = shards_of(grid)
        todo = [shard for shard in shards if store.rows(shard) is None]
        for shard in todo:  # a damaged file, that nobody may take for done
            remove(store.path(shard))
        store.log(begin_line(shards, todo))
        with Progress(store, shards, todo):
            run_shards(folder, todo, engine, workers, address)
        store.clean()
        rows = table_rows(store, grid, shards)
        write_table(folder / TABLE_FILE, rows)
        store.log(f"finished: {len(rows)} models")
    return rows


def table_rows(store: Store, grid: Grid, shards: list[Shard]) -> list[dict[str, Any]]:
    """All rows in the grid's order, the best learning rates marked.

    Raises:
        MechprobeError: a shard is missing.
    """
    found: dict[str, dict[str, Any]] = {}
    for shard in shards:
        rows = store.rows(shard)
        if rows is None:
            raise MechprobeError(f"{store.path(shard)}: is missing; the same command makes it")
        found |= {row["model"]: row for row in rows}
    return chosen([found[member.name] for member in grid.members()])
