"""Interchange interventions: the strict test of who shares a counter.

In a sequence whose target token t occurs c times, the count component of token s at
hook_resid_mid of the last block is set to what it is where s occurs c' times. A causal model of
counting (models/tasks/causal_models.py) says what has to come out: exactly c' where t and s share
a counter, exactly c where they do not. Anything else refutes both. Count transport asks less: there
a slope suffices, and one pooled source (Geiger et al., arXiv:2106.02997; Wu et al.,
arXiv:2305.08809).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechprobe.models import HookedTransformer
from mechprobe.models.base.chunks import joined
from mechprobe.models.tasks.causal_models import CausalModel
from mechprobe.probes.counting.cells import CountCells
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.transport import LEAST_SLOPE

HELD = 4  # sequences of each (token, count) cell in which a token's own part is held
Sources = Callable[[int], Float[Tensor, "count rep source d"]]


@dataclass(frozen=True)
class Reading:
    """What the answers became, for every target token, its count, base sequence and source token.

    Args:
        follows: the answer is the source's count c'.
        keeps: the answer is the count c of the target in its own sequence.
    """

    follows: Bool[np.ndarray, "target count rep source"]
    keeps: Bool[np.ndarray, "target count rep source"]

    def followed(self) -> Float[np.ndarray, "target source"]:
        """Share of interchanges after which t answers the count of s exactly."""
        return np.asarray(self.follows.mean((1, 2)))

    def kept(self) -> Float[np.ndarray, "target source"]:
        """Share of interchanges after which t answers its own count exactly."""
        return np.asarray(self.keeps.mean((1, 2)))

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


@dataclass(frozen=True)
class Interchange:
    """All interchanges of one network, and three numbers of each token that have to agree.

    A token has part in a counter if it receives, sends and uses. One alone does not suffice: a
    token may follow a count that nothing but other tokens write (it listens, and counts otherwise),
    write one that its own answer does not need, or need one that is its own.

    Args:
        mean: s's component is the difference of its count means, M_s(c') - M_s(c).
        single: s's component comes from one sequence that the means have not seen,
            x_s(c') - M_s(c), with all that is special to that sequence.
        right: the base is answered rightly before anything is written.
        needs: what t loses when its own part of s's component, at the size t writes it, is held at
            its mean over counts [target, source]: 0 where all right answers stay, 1 where one
            count's stay, as a constant answer has it. The diagonal is 0.
        size: how much of s's count component t writes: t's component moves third tokens that many
            times as far as that of s does, the median over them [target, source].
        counters: counter of each token as clusters of count transport have it, [T].
    """

    mean: Reading
    single: Reading
    right: Bool[np.ndarray, "target count rep"]
    needs: Float[np.ndarray, "target source"]
    size: Float[np.ndarray, "target source"]
    counters: Int[np.ndarray, " token"]

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
        """Share of t's right answers that need what t writes along other tokens' components: the
        median over those."""
        return self._median(self.needs)

    def _median(self, values: Float[np.ndarray, "token other"]) -> Float[np.ndarray, " token"]:
        """Median over a token's others: all, or those of its counter, whichever is larger."""
        same = self.counters[:, None] == self.counters
        out = np.asarray(np.median(_others(values), axis=1))
        for t, row in enumerate(values):
            group = row[same[t] & (np.arange(len(row)) != t)]
            out[t] = max(out[t], np.median(group)) if len(group) else out[t]
        return out


def interchanges(context: CountContext) -> Interchange:
    """Interchange counts between all tokens of one network.

    The means come from `context.reference`, bases and single sources from `context.held_out`,
    slopes and counters from `context.transport`. In repetition r, count c goes to the count that is
    1 + (r + c) mod (C - 1) further, round about, so that all pairs of counts come equally often.
    Base and source differ in sequence, token and position.
    """
    model, reference, held = context.model, context.reference, context.held_out
    X, counters = context.transport.matrix(), context.transport.counters
    size = written(X)
    return Interchange(
        mean=read(model, held, lambda t: mean_sources(reference, held, t)),
        single=read(model, held, lambda t: single_sources(reference, held, t)),
        right=(held.predicted == held.data.counts.unsqueeze(-1)).numpy(),
        needs=needed(model, reference, held, size),
        size=size,
        counters=counters,
    )


def read(model: HookedTransformer, held: CountCells, sources: Sources) -> Reading:
    """Write the components of every source token into each target token's residual.

    Args:
        model: its read-out from hook_resid_mid is used; it acts on every position alone.
        held: the base sequences.
        sources: gives, for a target token, what is added in each base sequence, by source.
    """
    C, R = held.predicted.shape[1:]
    goal = held.data.counts[goals(C, R)].unsqueeze(-1)
    count = held.data.counts.view(C, 1, 1)
    follows, keeps = [], []
    for t, resid in enumerate(held.resid):
        answer = _answers(model, resid.unsqueeze(2) + sources(t))
        follows.append(answer == goal)
        keeps.append(answer == count)
    return Reading(torch.stack(follows).numpy(), torch.stack(keeps).numpy())


def goals(counts: int, reps: int) -> Int[Tensor, "count rep"]:
    """Index of the count that is written, for each count of the base and repetition."""
    c, r = torch.arange(counts).unsqueeze(1), torch.arange(reps)
    return (c + 1 + (r + c) % max(1, counts - 1)) % counts


def mean_sources(
    reference: CountCells, held: CountCells, target: int
) -> Float[Tensor, "count rep source d"]:
    """M_s(c') - M_s(c) of all sources s, as the means for this target have it."""
    means = _means(reference, target)
    C, R = held.predicted.shape[1:]
    return (means[:, goals(C, R)] - means.unsqueeze(2)).permute(1, 2, 0, 3)


def single_sources(
    reference: CountCells, held: CountCells, target: int
) -> Float[Tensor, "count rep source d"]:
    """x_s(c') - M_s(c): the residual of one held-out sequence in which s occurs c' times.

    Sequences that hold the target are passed over where there is another one: its own count
    would come with them. For the target's own count the sequence is another than the base.
    """
    T, C, R = held.predicted.shape
    goal, r = goals(C, R), torch.arange(R)
    # Of the R sequences of (s, c') the first after r that is free of the target.
    wanted = held.free[target][:, goal]  # [source, count, rep, sequence]
    ahead = (r - r.unsqueeze(1) - 1) % R
    at = (wanted * R - ahead).argmax(-1)
    chosen = held.resid[torch.arange(T).view(-1, 1, 1), goal, at]
    return (chosen - _means(reference, target).unsqueeze(2)).permute(1, 2, 0, 3)


def written(X: Float[np.ndarray, "target source"]) -> Float[np.ndarray, "target source"]:
    """How much of s's count component t writes, by what third tokens say.

    X_ut / X_us is how far t's component moves u, relative to that of s; the median over all u
    other than t and s that s moves at all. 0 where there are none: s writes nothing that anybody
    could share.
    """
    T = len(X)
    heard = np.where(X > LEAST_SLOPE, X, np.nan)
    ratio = X.T[:, None, :] / heard.T[None]  # [t, s, u]
    index = np.arange(T)
    ratio[index, :, index] = np.nan
    ratio[:, index, index] = np.nan
    known = ~np.isnan(ratio).all(-1)
    found = np.zeros((T, T))
    found[known] = np.nanmedian(ratio[known], axis=-1)
    np.fill_diagonal(found, 1.0)
    return found


def needed(
    model: HookedTransformer,
    reference: CountCells,
    held: CountCells,
    size: Float[np.ndarray, "target source"],
) -> Float[np.ndarray, "target source"]:
    """Share of each target's right answers lost when its own part of s's component is held.

    size[t, s] (M_s(c) - mean over counts of M_s) is taken from the residual of t at count c. What a
    constant answer would keep, one of all counts, counts as lost.
    """
    lost, counts = np.zeros_like(size), held.data.counts.view(-1, 1)
    for t, resid in enumerate(held.resid[:, :, :HELD]):
        means = _means(reference, t)
        part = torch.from_numpy(size[t]).to(means)[:, None, None] * (
            means - means.mean(1, keepdim=True)
        )
        answer = _answers(model, resid.unsqueeze(2) - part.transpose(0, 1).unsqueeze(1))
        right = held.predicted[t, :, :HELD] == counts
        still = (answer == counts.unsqueeze(-1)) & right.unsqueeze(-1)
        lost[t] = 1 - still.sum((0, 1)).double().numpy() / max(1, int(right.sum()))
    np.fill_diagonal(lost, 0.0)
    return np.minimum(lost / (1 - 1 / len(counts)), 1.0)


def _means(reference: CountCells, target: int) -> Float[Tensor, "source count d"]:
    """The count means for one target, kept where those of all targets are."""
    pieces = reference.target_pieces()
    piece = next(one for one in pieces if one.start <= target < one.stop)
    if len(pieces) == 1:
        return reference.means_of(piece)[target]
    return reference.means_at(slice(target, target + 1))[0]


def _answers(
    model: HookedTransformer, resid: Float[Tensor, "count rep source d"]
) -> Int[Tensor, "count rep source"]:
    width = max(resid.shape[-1], model.cfg.d_mlp or 0, model.cfg.d_vocab_out or 0)
    each = resid[0, ..., 0].numel() * width * resid.element_size()
    with torch.no_grad():
        return joined(len(resid), each, lambda some: model.read_out(resid[some]).argmax(-1))


def _others(values: Float[np.ndarray, "token other"]) -> Float[np.ndarray, "token rest"]:
    """Each row without its diagonal entry."""
    T = len(values)
    return np.asarray(values[~np.eye(T, dtype=bool)].reshape(T, T - 1))
