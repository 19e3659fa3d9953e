"""How a sweep grew: the grids that it was asked for, one after another, each with the one before.

A sweep's shards are cut stage by stage, so that those of an earlier stage stay as they are and
only what a larger grid adds is trained. `sweep.toml` holds the last grid, and the earlier ones.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import tomli_w

from mechprobe.analyses.sweeps.grid import EARLIER, VERSION, Grid, Member, read_settings
from mechprobe.analyses.sweeps.shards import Shard, shards_of
from mechprobe.models import MechprobeError
from mechprobe.models.base.files import put_text

GROWS = ("d", "p", "arch", "lr")  # lists that may become longer; `seeds` may grow too


@dataclass(frozen=True)
class Stages:
    """A sweep's grids.

    Args:
        grids: the oldest first; at least one.
    """

    grids: tuple[Grid, ...]

    @property
    def grid(self) -> Grid:
        """All of what is swept."""
        return self.grids[-1]

    @property
    def shards(self) -> list[Shard]:
        """The same cut whenever and wherever it is swept."""
        return shards_of(*self.grids)

    @property
    def members(self) -> list[Member]:
        """All models in the order of the table: what a larger grid adds comes after the rest."""
        every = [member for grid in self.grids for member in grid.members()]
        return list({member.name: member for member in every}.values())

    def with_grid(self, grid: Grid) -> "Stages":
        """These stages where the grid has the same models, in whatever order, else one more.

        Raises:
            MechprobeError: another grid: it lacks models that are there, or has other settings.
        """
        if (difference := _difference(self.grid, grid)) is not None:
            raise MechprobeError(f"holds the sweep of another grid ({difference})")
        same = _models(self.grid) == _models(grid)
        return self if same else Stages((*self.grids, grid))

    @classmethod
    def read(cls, path: Path) -> "Stages":
        """A sweep's file, or any grid's: that is a sweep of one stage.

        Raises:
            MechprobeError: no such file, not TOML, not a grid, or of a newer mechprobe.
        """
        data = read_settings(path)
        earlier = data.pop(EARLIER, [])
        if not isinstance(earlier, list):
            raise MechprobeError(f"{path}: {EARLIER}: a list of grids is wanted")
        places = [f"{path}: {EARLIER}.{at}" for at in range(len(earlier))] + [str(path)]
        grids = map(Grid.checked, [*earlier, data], places)
        stages = cls(tuple(grids))
        for before, after in pairwise(stages.grids):
            if (difference := _difference(before, after)) is not None:
                raise MechprobeError(f"{path}: {EARLIER}: not a sweep that grew ({difference})")
        return stages

    def write(self, path: Path) -> None:
        """As TOML; the caller renames."""
        data: dict[str, Any] = {"version": VERSION} | self.grid.model_dump()
        if len(self.grids) > 1:
            data[EARLIER] = [grid.model_dump() for grid in self.grids[:-1]]
        put_text(path, tomli_w.dumps(data))


def _difference(there: Grid, here: Grid) -> str | None:
    """What of a grid another one has not, in words; None where it has all of it."""
    fixed = there.model_copy(update={name: getattr(here, name) for name in (*GROWS, "seeds")})
    if (difference := here.difference(fixed)) is not None:
        return difference
    for name in GROWS:
        lacking = [value for value in getattr(there, name) if value not in getattr(here, name)]
        if lacking:
            values = ", ".join(map(str, lacking[:5])) + ", ..." * (len(lacking) > 5)
            return f"{name} lacks {values}, which it has; name its values beside the new ones"
    if here.seeds < there.seeds:
        return f"seeds is {there.seeds} there, {here.seeds} here; it takes more, not fewer"
    return None


def _models(grid: Grid) -> tuple[object, ...]:
    return (grid.seeds, *(frozenset(getattr(grid, name)) for name in GROWS))
