"""Residual streams on balanced sequences, the raw material of count means and patches."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.tasks import BalancedSequences


@dataclass(frozen=True)
class CountCells:
    """Residual streams on balanced sequences: every token t with every count c = 1..L-1.

    Args:
        data: the sequences.
        resid: hook_resid_mid at each sequence's marked position, [T, C, R, d].
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
        T = self.resid.shape[0]
        all_means = self.means
        out = []
        for t in range(T):
            absent = (self.data.tokens != t).all(-1)
            absent |= ~absent.any(-1, keepdim=True)
            absent[t] = True
            kept = absent.unsqueeze(-1).to(self.resid.dtype)
            out.append((self.resid * kept).sum(2) / kept.sum(2))
            out[-1][t] = all_means[t]
        return torch.stack(out)

    @cached_property
    def separable(self) -> float:
        """Share of (target, other token, count) cells with a sequence free of the target.

        With few tokens in long sequences one token's count tells another's: where this share is
        small, a shared counter and private ones cannot be told apart.
        """
        T = self.resid.shape[0]
        tokens = self.data.tokens
        free = torch.stack([(tokens != t).all(-1).any(-1) for t in range(T)])
        others = ~torch.eye(T, dtype=torch.bool)
        return free[others].double().mean().item()
