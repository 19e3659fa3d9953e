"""A grid cut into shards: what one worker does at a time, and what a kill may lose."""

from collections import defaultdict
from dataclasses import dataclass

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
        grid: all of what is swept.
        members: its models.
    """

    index: int
    grid: Grid
    members: tuple[Member, ...]

    @property
    def cost(self) -> float:
        """Estimated seconds on one core, for balance and the time left."""
        return sum(cost(member) for member in self.members)


def cost(member: Member) -> float:
    """Estimated seconds to train and label a model on one core."""
    plan, config = member.trainee.plan, member.trainee.config
    return plan.steps * (STEP * plan.batch / BATCH + WEIGHT * size(config)) + LABEL


def shards_of(grid: Grid) -> list[Shard]:
    """The same cut whenever and wherever the grid is swept.

    On a device a shard is a stack of models that share a padded shape.
    """
    groups: dict[tuple[object, ...], list[Member]] = defaultdict(list)
    for member in grid.members():
        c = member.trainee.config
        groups[(c.architecture, padded_width(c.d), padded_width(c.p))].append(member)
    pieces: list[tuple[Member, ...]] = []
    for members in groups.values():
        piece: list[Member] = []
        for member in members:
            if piece and _is_full(grid, piece, member):
                pieces.append(tuple(piece))
                piece = []
            piece.append(member)
        pieces.append(tuple(piece))
    return [Shard(index, grid, piece) for index, piece in enumerate(pieces)]


def _is_full(grid: Grid, piece: list[Member], coming: Member) -> bool:
    if grid.device != "cpu":
        return len(piece) == PLACES
    return len(piece) == MOST or sum(map(cost, piece)) + cost(coming) > SECONDS
