"""What an interchange writes: the count component of every source token, base by base.

Differences of residuals at hook_resid_mid of the last block, so that none depends on the basis.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.probes.counting.cells import CountCells

# Of one target token: the count means of all sources, and what is added in each base sequence.
Means = Callable[[int], Float[Tensor, "source count d"]]
Sources = Callable[[int], Float[Tensor, "count rep source d"]]


def goals(counts: int, reps: int) -> Int[Tensor, "count rep"]:
    """Index of the count that is written, for each count of the base and repetition."""
    c, r = torch.arange(counts).unsqueeze(1), torch.arange(reps)
    return (c + 1 + (r + c) % max(1, counts - 1)) % counts


def means_of(reference: CountCells) -> Means:
    """The count means for one target after another, kept where those of all targets are."""
    pieces = reference.target_pieces()

    def means(target: int) -> Float[Tensor, "source count d"]:
        if len(pieces) == 1:
            return reference.means_of(pieces[0])[target]
        return reference.means_at(slice(target, target + 1))[0]

    return means


def mean_sources(means: Means, held: CountCells) -> Sources:
    """M_s(c') - M_s(c) of all sources s, as the means for the target have it."""
    C, R = held.predicted.shape[1:]
    goal = goals(C, R)

    def sources(target: int) -> Float[Tensor, "count rep source d"]:
        found = means(target)
        return (found[:, goal] - found.unsqueeze(2)).permute(1, 2, 0, 3)

    return sources


def single_sources(means: Means, cells: CountCells, reps: int) -> Sources:
    """x_s(c') - M_s(c): the residual of one sequence of some cells in which s occurs c' times.

    Sequences that hold the target are passed over where there is another one: its own count
    would come with them. Where the cells are the bases' own, a source is not its base.

    Args:
        means: the count means.
        cells: where sources come from.
        reps: base sequences in each cell.
    """
    T, C, R = cells.predicted.shape
    goal, candidate = goals(C, reps), torch.arange(R)
    ahead = (candidate - torch.arange(reps).unsqueeze(1) - 1) % R

    def sources(target: int) -> Float[Tensor, "count rep source d"]:
        # Of the R sequences of (s, c') the first after the base that is free of the target.
        free = cells.free[target][:, goal]  # [source, count, rep, candidate]
        at = (free * R - ahead).argmax(-1)
        chosen = cells.resid[torch.arange(T).view(-1, 1, 1), goal, at]
        return (chosen - means(target).unsqueeze(2)).permute(1, 2, 0, 3)

    return sources
