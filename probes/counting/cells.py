"""Residual streams on balanced sequences, the raw material of count means and patches."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechprobe.models.base.chunks import pieces
from mechprobe.models.tasks import BalancedSequences


@dataclass(frozen=True)
class CountCells:
    """Residual streams on balanced sequences: every token t with every count the task asks for,
    1 to `HistogramTask.counts`.

    Args:
        data: the sequences.
        resid: hook_resid_mid of the last block at each sequence's marked position, [T, C, R, d].
        predicted: the class the model answers there, [T, C, R].
    """

    data: BalancedSequences
    resid: Float[Tensor, "token count rep d"]
    predicted: Int[Tensor, "token count rep"]

    @property
    def means(self) -> Float[Tensor, "token count d"]:
        """M_tc = E[x' | token t, count c]."""
        return self.resid.mean(2)

    @cached_property
    def means_for(self) -> Float[Tensor, "target token count d"]:
        """The means that are patched into each target token's residual.

        A count can rise only at other tokens' expense: in the mean over all sequences the target
        itself grows rarer with every other token's count, and its own neuron would see that. So
        sequences that hold the target are left out, unless a cell has no other; for its own
        count component nothing is.
        """
        return self.means_at(slice(None))

    def means_at(self, targets: slice) -> Float[Tensor, "target token count d"]:
        """The same for some targets only: for all of them it may be more than memory holds."""
        all_means, every = self.means, range(len(self.resid))
        free = self.free[targets]
        free = free | ~free.any(-1, keepdim=True)
        out = []
        for t, kept in zip(every[targets], free.unsqueeze(-1).to(self.resid.dtype), strict=True):
            out.append((self.resid * kept).sum(2) / kept.sum(2))
            out[-1][t] = all_means[t]
        return torch.stack(out)

    def target_pieces(self, doses: int = 1) -> list[slice]:
        """Pieces of the targets whose means, with so many doses each, memory holds at once."""
        T, C, _, d = self.resid.shape
        return list(pieces(T, T * C * doses * d * self.resid.element_size()))

    def means_of(self, targets: slice) -> Float[Tensor, "target token count d"]:
        """The means of a piece; those of all targets are kept."""
        whole = targets.stop - targets.start == len(self.resid)
        return self.means_for if whole else self.means_at(targets)

    @cached_property
    def free(self) -> Bool[Tensor, "target token count rep"]:
        """Whether a sequence does not hold the target."""
        T = self.resid.shape[0]
        held = torch.zeros(*self.predicted.shape, T + 1, dtype=torch.bool)  # BOS last
        held.scatter_(-1, self.data.tokens, torch.tensor(True).expand(self.data.tokens.shape))
        return ~held[..., :T].movedim(-1, 0).contiguous()

    @cached_property
    def separable(self) -> float:
        """Share of (target, other token, count) cells with a sequence free of the target.

        With few tokens in long sequences one token's count tells another's: where this share is
        small, a shared counter and private ones cannot be told apart.
        """
        others = ~torch.eye(self.resid.shape[0], dtype=torch.bool)
        return self.free.any(-1)[others].double().mean().item()


def moved(data: BalancedSequences, position: int) -> BalancedSequences:
    """The same sequences with the marked token exchanged for the one at a given position. All
    orders being equally likely, these are balanced sequences given where the mark is."""
    tokens, at = data.tokens.clone(), data.position.unsqueeze(-1)
    marked = tokens.gather(-1, at)
    tokens.scatter_(-1, at, tokens[..., position].unsqueeze(-1))
    tokens[..., position] = marked.squeeze(-1)
    return BalancedSequences(tokens, torch.full_like(data.position, position), data.counts)
