"""Interchange interventions: the strict test of who shares a counter.

In a sequence whose target token t occurs c times, the count component of token s at
hook_resid_mid of the last block is set to what it is where s occurs c' times. A causal model of
counting (models/tasks/causal_models.py) says what has to come out: exactly c' where t and s share
a counter, exactly c where they do not. Anything else refutes both. Count transport asks less: there
a slope suffices, and one pooled source (Geiger et al., arXiv:2106.02997; Wu et al.,
arXiv:2305.08809).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechprobe.models.base.chunks import joined
from mechprobe.models.tasks.causal_models import CausalModel
from mechprobe.probes.counting.cells import CountCells
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.transport import LEAST_SLOPE
from mechprobe.probes.counting.written_counts import (
    Means,
    Sources,
    goals,
    mean_sources,
    means_of,
    single_sources,
)

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer

HELD = 4  # sequences of each (token, count) cell in which a token's own part is held


@dataclass(frozen=True)
class Reading:
    """What the answers became, for every target token, its count, base sequence and source token.

    Args:
        follows: the answer is the source's count c'.
        keeps: the answer is the count c of the target in its own sequence.
        passes: the answer lies beyond c', seen from c.
    """

    follows: Bool[np.ndarray, "target count rep source"]
    keeps: Bool[np.ndarray, "target count rep source"]
    passes: Bool[np.ndarray, "target count rep source"]

    def followed(self) -> Float[np.ndarray, "target source"]:
        """Share of interchanges after which t answers the count of s exactly."""
        return np.asarray(self.follows.mean((1, 2)))

    def kept(self) -> Float[np.ndarray, "target source"]:
        """Share of interchanges after which t answers its own count exactly."""
        return np.asarray(self.keeps.mean((1, 2)))

    def passed(self) -> Float[np.ndarray, "target source"]:
        """Share of interchanges after which t answers more than the count of s asks for."""
        return np.asarray(self.passes.mean((1, 2)))

    def agreement(self, model: CausalModel) -> Float[np.ndarray, "target source"]:
        """Share of interchanges after which the network answers what a causal model does."""
        return np.where(model.shares.numpy(), self.followed(), self.kept())

    def accuracy(self, model: CausalModel) -> float:
        """Interchange-intervention accuracy (IIA) of a causal model, in [0, 1].

        Half of it is a token's own count (s = t, where every causal model follows), half are
        other tokens' counts. Without that weight a network that nothing moves would agree with
        the inventory on T - 1 of T pairs.
        """
        return float(self.token_accuracy(model).mean())

    def token_accuracy(self, model: CausalModel) -> Float[np.ndarray, " token"]:
        """The same for each token as the target."""
        agreed = self.agreement(model)
        own = np.diagonal(agreed)
        return np.asarray((own + _others(agreed).mean(1)) / 2)

    def chance(self, model: CausalModel) -> float:
        """The accuracy of a causal model's grouping with its tokens exchanged at random, the mean
        over all ways to exchange them."""
        followed, kept = self.followed(), self.kept()
        share = _others(model.shares.double().numpy()).mean()
        other = share * _others(followed).mean() + (1 - share) * _others(kept).mean()
        return float((np.diagonal(followed).mean() + other) / 2)


@dataclass(frozen=True)
class Parts:
    """What a set of count means does to the answers, and three numbers of each token. Every reading
    is taken when it is first asked for.

    A token has part in a counter if it receives, sends and uses. One alone does not suffice: a
    token may follow a count that nothing but other tokens write (it listens, and counts otherwise),
    write one that its own answer does not need, or need one that is its own.

    Args:
        model: its read-out from hook_resid_mid is used.
        held: base sequences.
        means: count means of every token, by target.
        alone: cells of which single sequences are taken.
        reps: sequences of each cell.
        size: how much of either pool's mean component a token writes, see `written`, [T, 2].
        counters: counter of each token as clusters of count transport have it, [T].
    """

    model: "HookedTransformer"
    held: CountCells
    means: Means
    alone: CountCells
    reps: int
    size: Float[np.ndarray, "token pool"]
    counters: Int[np.ndarray, " token"]

    @cached_property
    def mean(self) -> Reading:
        """With s's component as the difference of its count means, M_s(c') - M_s(c)."""
        return read(self.model, self.held, mean_sources(self.means, self.held))

    @cached_property
    def single(self) -> Reading:
        """With that of one sequence that the means have not seen, x_s(c') - M_s(c), and all that is
        special to that sequence."""
        return read(self.model, self.held, single_sources(self.means, self.alone, self.reps))

    @cached_property
    def needs(self) -> Float[np.ndarray, "token pool"]:
        """What t loses when its own part of others' mean component, at the size t writes it, is
        held at its mean over counts: 0 where all right answers stay, 1 where one count's stay, as
        of a constant answer. For two pools of others, see `pools`, [T, 2]."""
        return needed(self.model, self.means, self.held, self.size, self.counters)

    def own(self) -> Float[np.ndarray, " token"]:
        """Share of interchanges of t's own count that t's answer follows exactly: the most that
        can be asked of another's count."""
        return np.diagonal(self.mean.followed()).copy()

    def received(self) -> Float[np.ndarray, " token"]:
        """How exactly t follows the count of another token: the median over single sources, each
        at its natural size, so that a few loud ones cannot carry it."""
        return self._median(self.mean.followed())

    def sent(self) -> Float[np.ndarray, " token"]:
        """How exactly other tokens follow t's count: the median over single targets."""
        return self._median(self.mean.followed().T)

    def used(self) -> Float[np.ndarray, " token"]:
        """How much of its right answers t owes to what it writes along other tokens' components, 0
        to 1 as `needs`: of the pool that it needs more."""
        return np.asarray(self.needs.max(-1))

    def _median(self, values: Float[np.ndarray, "token other"]) -> Float[np.ndarray, " token"]:
        """Median over a token's others: all, or those of its counter, whichever is larger."""
        same = self.counters[:, None] == self.counters
        out = np.asarray(np.median(_others(values), axis=1))
        for t, row in enumerate(values):
            group = row[same[t] & (np.arange(len(row)) != t)]
            out[t] = max(out[t], np.median(group)) if len(group) else out[t]
        return out


@dataclass(frozen=True)
class Interchange(Parts):
    """All interchanges of one network."""

    @property
    def right(self) -> Bool[np.ndarray, "target count rep"]:
        """The base is answered rightly before anything is written."""
        right: Bool[np.ndarray, "target count rep"] = (
            self.held.predicted == self.held.data.counts.unsqueeze(-1)
        ).numpy()
        return right


def interchanges(context: CountContext) -> Interchange:
    """Interchange counts between all tokens of one network.

    The means come from `context.reference`, bases and single sources from `context.held_out`,
    slopes and counters from `context.transport`. In repetition r, count c goes to the count that is
    1 + (r + c) mod (C - 1) further, round about, so that all pairs of counts come equally often.
    Base and source differ in sequence, token and position.
    """
    reference, held = context.reference, context.held_out
    counters = context.transport.counters
    return Interchange(
        model=context.model,
        held=held,
        means=means_of(reference),
        alone=held,
        reps=held.predicted.shape[2],
        size=written(context.transport.matrix(), counters),
        counters=counters,
    )


def read(model: "HookedTransformer", held: CountCells, sources: Sources) -> Reading:
    """Write the components of every source token into each target token's residual.

    Args:
        model: its read-out from hook_resid_mid is used; it acts on every position alone.
        held: the base sequences.
        sources: gives, for a target token, what is added in each base sequence, by source.
    """
    C, R = held.predicted.shape[1:]
    goal = held.data.counts[goals(C, R)].unsqueeze(-1)
    count = held.data.counts.view(C, 1, 1)
    follows, keeps, passes = [], [], []
    for t, resid in enumerate(held.resid):
        answer = _answers(model, resid.unsqueeze(2) + sources(t))
        follows.append(answer == goal)
        keeps.append(answer == count)
        passes.append((answer - goal) * (goal - count).sign() > 0)
    return Reading(*(torch.stack(parts).numpy() for parts in (follows, keeps, passes)))


def pools(counters: Int[np.ndarray, " token"]) -> Float[np.ndarray, "token pool source"]:
    """Weights of two means for each token: over all other tokens, and over the others that have its
    counter (none where it is alone)."""
    other = 1.0 - np.eye(len(counters))
    weights = np.stack([other, other * (counters[:, None] == counters)], axis=1)
    return np.asarray(weights / weights.sum(-1, keepdims=True).clip(min=1))


def written(
    X: Float[np.ndarray, "target source"], counters: Int[np.ndarray, " token"]
) -> Float[np.ndarray, "token pool"]:
    """How much of its others' mean count component a token writes, by what those others say.

    X_ut over the mean of X_us, s in the pool: how far t's component moves u, relative to the pool's
    tokens. The median over those u in the pool that are moved at all; 0 where none is, for then
    the pool writes nothing that anybody could share. A pool of a single token has nobody to tell
    either: of a counter that two tokens share only the pool of all others speaks.
    """
    size = np.zeros((len(X), 2))
    for t, weights in enumerate(pools(counters)):
        for pool, weight in enumerate(weights):
            members = np.flatnonzero(weight)
            # A member hears the others, not itself.
            heard = X[np.ix_(members, members)]
            rest = (heard.sum(1) - np.diagonal(heard)) / max(1, len(members) - 1)
            moved = rest > LEAST_SLOPE
            if moved.any():
                size[t, pool] = np.median(X[members[moved], t] / rest[moved])
    return size


def needed(
    model: "HookedTransformer",
    means: Means,
    held: CountCells,
    size: Float[np.ndarray, "token pool"],
    counters: Int[np.ndarray, " token"],
) -> Float[np.ndarray, "token pool"]:
    """Share of each token's right answers lost when its own part of what others write is held.

    size[t] times the pool's mean of M_s(c), less its mean over counts, is taken from the residual
    of t at count c. What a constant answer would keep, one of all counts, counts as lost.
    """
    lost, counts = np.zeros_like(size), held.data.counts.view(-1, 1)
    weights = torch.from_numpy(pools(counters) * size[..., None])
    for t, resid in enumerate(held.resid[:, :, :HELD]):
        part = torch.einsum("ps,scd->pcd", weights[t].to(resid), means(t))
        part = part - part.mean(1, keepdim=True)
        answer = _answers(model, resid.unsqueeze(2) - part.transpose(0, 1).unsqueeze(1))
        right = held.predicted[t, :, :HELD] == counts
        still = (answer == counts.unsqueeze(-1)) & right.unsqueeze(-1)
        lost[t] = 1 - still.sum((0, 1)).double().numpy() / max(1, int(right.sum()))
    return np.minimum(lost / (1 - 1 / len(counts)), 1.0)


def _answers(
    model: "HookedTransformer", resid: Float[Tensor, "count rep source d"]
) -> Int[Tensor, "count rep source"]:
    width = max(resid.shape[-1], model.cfg.d_mlp or 0, model.cfg.d_vocab_out or 0)
    each = resid[0, ..., 0].numel() * width * resid.element_size()
    with torch.no_grad():
        return joined(len(resid), each, lambda some: model.read_out(resid[some]).argmax(-1))


def _others(values: Float[np.ndarray, "token other"]) -> Float[np.ndarray, "token rest"]:
    """Each row without its diagonal entry."""
    T = len(values)
    return np.asarray(values[~np.eye(T, dtype=bool)].reshape(T, T - 1))
