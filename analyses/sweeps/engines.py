"""Where shards run: processes of this machine, or an existing Dask or Ray cluster by joblib."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

from joblib import Parallel, delayed, parallel_config

from mechprobe.analyses.sweeps.shards import Shard
from mechprobe.analyses.sweeps.store import Store
from mechprobe.analyses.sweeps.work import do_shard
from mechprobe.models import MechprobeError
from mechprobe.models.base.parallel import cores, one_thread
from mechprobe.models.base.workers import Loss, outcomes

Engine = Literal["local", "dask", "ray"]
ENGINES: tuple[Engine, ...] = get_args(Engine)
TRIES = 3  # workers that a shard may lose before it is held to blame


def run_shards(
    folder: Path,
    shards: Sequence[Shard],
    engine: Engine = "local",
    workers: int | None = None,
    address: str | None = None,
) -> None:
    """Do every shard, the longest first; returns when all are stored.

    Args:
        folder: of the sweep; on a cluster one that all its machines see under the same name.
        shards: what is left to do.
        engine: "local", "dask" or "ray".
        workers: at most so many shards at once; all cores, or all of the cluster, by default.
        address: of the cluster; without one, Dask and Ray are started on this machine.

    Raises:
        MechprobeError: the engine is not installed or not reached, a shard cannot be stored, or
            its worker was lost time and again.
    """
    order = sorted(shards, key=lambda shard: -shard.cost)
    if not order:
        return
    if engine == "local":
        _run_here(folder, order, min(workers or cores(), len(order)))
        return
    if address is None:  # a cluster of our own is no larger than the work
        workers = min(workers or cores(), len(order))
    start = {"dask": _dask, "ray": _ray}[engine]
    with start(workers, address) as slots:
        # With one job joblib would not ask the cluster but work here.
        jobs = max(2, workers or slots)
        with (
            parallel_config(backend=engine, n_jobs=jobs),
            # As a context it lets its pool and folders go, whatever ends the work.
            Parallel(batch_size=1, pre_dispatch=workers or "all") as parallel,
        ):
            parallel(delayed(do_shard)(folder.resolve(), shard) for shard in order)


def _run_here(folder: Path, order: list[Shard], workers: int) -> None:
    """A shard that loses its worker is given to others; one that kills all of them harms none."""
    store, jobs = Store(folder), [(folder, shard) for shard in order]

    def lost(job: int, times: int) -> None:
        store.log(f"shard {order[job].index:05d}: its worker was lost, {times} times")

    found = outcomes(do_shard, jobs, workers, one_thread, TRIES, lost)
    bad = [(order[job], loss) for job, loss in found if isinstance(loss, Loss)]
    if bad:
        shard, loss = bad[0]
        more = f" (so for {len(bad) - 1} more shards)" if len(bad) > 1 else ""
        raise MechprobeError(
            f"shard {shard.index} ({shard.members[0].name} and {len(shard.members) - 1} more):"
            f" its worker was lost {TRIES} times: {loss.why}{more}; fewer --workers may help. All"
            " other shards are stored, the same command goes on"
        )


@contextmanager
def _dask(workers: int | None, address: str | None) -> Iterator[int]:
    """Connected to Dask; gives the number of its slots."""
    try:
        from distributed import Client, KilledWorker, LocalCluster
    except ImportError:
        raise _missing("dask") from None
    cluster = None
    try:
        if address is None:
            cluster = LocalCluster(
                n_workers=workers or cores(), threads_per_worker=1, dashboard_address=None
            )
        client = Client(address or cluster, timeout="10s")
    except (OSError, TimeoutError, ValueError) as error:
        raise _not_reached("dask", address, error) from None
    try:
        with client:
            client.wait_for_workers(1)  # those of a queue may come late
            yield sum(client.nthreads().values())
    except KilledWorker as error:
        raise _lost("dask", error) from None
    finally:
        if cluster is not None:
            cluster.close()


@contextmanager
def _ray(workers: int | None, address: str | None) -> Iterator[int]:
    """Connected to Ray; gives the number of its slots."""
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError:
        raise _missing("ray") from None
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}  # its advice is for its users
    try:
        if address is None:
            ray.init(num_cpus=workers or cores(), include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, OSError, ValueError) as error:
        raise _not_reached("ray", address, error) from None
    try:
        register_ray()
        yield int(ray.cluster_resources().get("CPU", 1))
    except ray.exceptions.RayError as error:
        raise _lost("ray", error) from None
    finally:
        ray.shutdown()


def _lost(engine: str, error: Exception) -> MechprobeError:
    first = str(error).strip().split("\n")[0]
    return MechprobeError(
        f"engine {engine}: workers were lost time and again ({first}); the same command goes on"
    )


def _missing(engine: str) -> MechprobeError:
    return MechprobeError(
        f"engine {engine}: not installed here; `pip install 'mechprobe[{engine}]'` brings it"
    )


def _not_reached(engine: str, address: str | None, error: Exception) -> MechprobeError:
    where = f" at {address}" if address else ""
    return MechprobeError(f"engine {engine}: no cluster reached{where} ({error})")
