"""A grid cut into shards: what one worker does at a time, and what a kill may lose."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from mechprobe.analyses.sweeps.grid import Grid, Member
from mechprobe.models.families.counting.training.layout import size
from mechprobe.models.families.counting.training.padded import padded_width
from mechprobe.models.families.counting.training.stack import PLACES

# Measured on one core: a step at batch 32 takes 28 us and 5 ns a weight; a label 0.3 s.
STEP, WEIGHT, LABEL, BATCH = 28e-6, 5e-9, 0.3, 32
SECONDS = 30.0  # of a shard on one core, where models are not longer themselves
MOST = 64  # models of a shard on a core


@dataclass(frozen=True)
class Shard:
    """Models that are trained and stored together.

    Args:
        index: its number; the shard's file is named by it.
        grid: that it is cut from; it says how the models are trained.
        members: its models.
        digest: of all the grids that decide which models are in it.
    """

    index: int
    grid: Grid
    members: tuple[Member, ...]
    digest: str

    @property
    def cost(self) -> float:
        """Estimated seconds on one core, for balance and the time left."""
        return sum(cost(member) for member in self.members)


def cost(member: Member) -> float:
    """Estimated seconds to train and label a model on one core."""
    plan, config = member.trainee.plan, member.trainee.config
    return plan.steps * (STEP * plan.batch / BATCH + WEIGHT * size(config)) + LABEL


def shards_of(*grids: Grid) -> list[Shard]:
    """The same cut whenever and wherever a grid is swept.

    Args:
        grids: of a sweep, the oldest first; what a larger grid adds is cut by itself, so that the
            shards of the earlier ones stay as they are.
    """
    found: list[Shard] = []
    seen: set[str] = set()
    for at, grid in enumerate(grids, 1):
        new = [member for member in grid.members() if member.name not in seen]
        seen |= {member.name for member in new}
        texts = "".join(one.model_dump_json() for one in grids[:at])
        digest = sha256(texts.encode()).hexdigest()[:16]
        found += [Shard(i, grid, one, digest) for i, one in enumerate(_cut(grid, new), len(found))]
    return found


def _cut(grid: Grid, members: Sequence[Member]) -> list[tuple[Member, ...]]:
    """Models of a grid that are trained together, for each shard.

    On a device a shard is a stack of models that share a padded shape.
    """
    groups: dict[tuple[object, ...], list[Member]] = defaultdict(list)
    for member in members:
        c = member.trainee.config
        groups[(c.architecture, padded_width(c.d), padded_width(c.p))].append(member)
    pieces: list[tuple[Member, ...]] = []
    for group in groups.values():
        piece: list[Member] = []
        for member in group:
            if piece and _is_full(grid, piece, member):
                pieces.append(tuple(piece))
                piece = []
            piece.append(member)
        pieces.append(tuple(piece))
    return pieces


def _is_full(grid: Grid, piece: list[Member], coming: Member) -> bool:
    if grid.device != "cpu":
        return len(piece) == PLACES
    return len(piece) == MOST or sum(map(cost, piece)) + cost(coming) > SECONDS
