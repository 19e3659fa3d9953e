"""How far a sweep is: models done, accuracy so far, time left."""

import re
import sys
import threading
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from mechprobe.analyses.sweeps.shards import Shard
from mechprobe.analyses.sweeps.store import LOCK_FILE, LOG_FILE, Store
from mechprobe.analyses.sweeps.table import TABLE_FILE, rows_in
from mechprobe.models import MechprobeError
from mechprobe.models.base.reading import read_text
from mechprobe.probes.counting.label.rule import SOLVED

LOOK = 0.5  # seconds between two looks at the folder
_BEGIN = re.compile(
    r"^(\d{4}-\d\d-\d\dT[\d:]{8}[+-]\d\d:\d\d) begin: (\d+\.\d) s of work done before$"
)


@dataclass(frozen=True)
class Status:
    """How far a sweep is.

    Args:
        models, done: of the grid, and stored.
        diverged, collapsed, unlabelled: of the stored ones.
        accuracy, solved: mean over the stored models, and the share above the bar; None: no model.
        left: estimated seconds; None where nothing tells.
        running: whether a sweep is at work on it now.
        finished: whether the table is there, with all models.
    """

    models: int
    done: int
    diverged: int
    collapsed: int
    unlabelled: int
    accuracy: float | None
    solved: float | None
    left: float | None
    running: bool
    finished: bool

    def text(self) -> str:
        """In words, a line each."""
        share = 100 * self.done / self.models
        lines = [f"models: {self.done:,} of {self.models:,} done ({share:.0f} %)"]
        if self.accuracy is not None:
            lines.append(
                f"accuracy so far: mean {self.accuracy:.3f},"
                f" {100 * (self.solved or 0):.0f} % of the models at {SOLVED:g} or above"
            )
        if self.diverged or self.collapsed or self.unlabelled:
            lines.append(
                f"diverged: {self.diverged}, collapsed to a constant answer: {self.collapsed},"
                f" without a label: {self.unlabelled}"
            )
        if self.finished:
            lines.append("state: finished")
        elif self.running:
            about = "unknown yet" if self.left is None else f"about {_duration(self.left)}"
            lines.append(f"state: at work, time left {about}")
        else:
            lines.append("state: stopped; the same command goes on")
        return "\n".join(lines)


def status(store: Store) -> Status:
    """Look at a sweep's folder.

    Raises:
        MechprobeError: no sweep there.
    """
    shards = store.stages().shards
    found = [store.rows(shard) for shard in shards]
    rows = [row for some in found for row in some or []]
    pairs = zip(shards, found, strict=True)
    done = sum(shard.cost for shard, some in pairs if some is not None)
    number, models = len(rows), sum(len(shard.members) for shard in shards)
    return Status(
        models=models,
        done=number,
        diverged=sum(row.get("diverged_at") is not None for row in rows),
        collapsed=sum(row.get("collapsed") is True for row in rows),
        unlabelled=sum(row.get("problem") is not None for row in rows),
        accuracy=sum(row["accuracy"] for row in rows) / number if number else None,
        solved=sum(row["accuracy"] >= SOLVED for row in rows) / number if number else None,
        left=_left(store, done, sum(shard.cost for shard in shards)),
        running=_is_running(store),
        finished=number == models == rows_in(store.folder / TABLE_FILE),
    )


def begin_line(shards: list[Shard], todo: list[Shard]) -> str:
    """What the log says when a sweep begins; `status` reads the pace off it."""
    before = sum(s.cost for s in shards) - sum(s.cost for s in todo)
    return f"begin: {before:.1f} s of work done before"


def _left(store: Store, done: float, total: float) -> float | None:
    try:
        lines = read_text(store.folder / LOG_FILE).splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    begun = [found for line in lines if (found := _beginning(line)) is not None]
    if not begun:
        return None
    passed, before = begun[-1]
    return (total - done) / (done - before) * passed if done > before else None


def _beginning(line: str) -> tuple[float, float] | None:
    """Seconds since a sweep began, and those of work done before; None of any other line."""
    if (match := _BEGIN.match(line)) is None:
        return None
    try:
        since = datetime.now().astimezone() - datetime.fromisoformat(match.group(1))
    except (ValueError, OverflowError):  # digits that are no date
        return None
    return max(0.0, since.total_seconds()), float(match.group(2))


def _is_running(store: Store) -> bool:
    lock = FileLock(store.folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Progress:
    """A bar that watches the folder, so that it is the same whatever engine works.

    Args:
        store: of the sweep.
        shards: all of them.
        todo: those that were not done at the start.
    """

    def __init__(self, store: Store, shards: list[Shard], todo: list[Shard]) -> None:
        self.store = store
        self.todo = list(todo)
        undone = {shard.index for shard in todo}
        done = [shard for shard in shards if shard.index not in undone]
        self.accuracies: list[float] = []
        self.cost = sum(shard.cost for shard in shards)
        self.bar = tqdm(
            total=self.cost,
            desc="0 models",
            file=sys.stderr,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
            initial=sum(shard.cost for shard in done),
        )
        self.number = sum(len(shard.members) for shard in done)
        self.total = self.number + sum(len(shard.members) for shard in todo)
        self.bar.set_description_str(f"{self.number:,} of {self.total:,} models")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Progress":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.look()
        self.bar.close()

    def look(self) -> None:
        """Take note of shards that were stored since the last look."""
        stored = self.store.stored()
        for shard in list(self.todo):
            if self.store.path(shard).name not in stored:
                continue
            try:
                rows: list[dict[str, Any]] = self.store.rows(shard) or []
            except MechprobeError:  # not to be read now; the end of the sweep tells
                continue
            self.todo.remove(shard)
            self.number += len(rows)
            self.accuracies += [row["accuracy"] for row in rows]
            mean = sum(self.accuracies) / max(1, len(self.accuracies))
            self.bar.set_description_str(f"{self.number:,} of {self.total:,} models")
            self.bar.set_postfix_str(f"mean accuracy {mean:.3f}")
            # Sums in another order may overshoot by a rounding.
            self.bar.update(min(shard.cost, self.cost - self.bar.n))
            self.store.log(
                f"shard {shard.index:05d} done: {len(rows)} models; {self.number} of {self.total}"
            )

    def _watch(self) -> None:
        while not self._stop.wait(LOOK):
            self.look()
