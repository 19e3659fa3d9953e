"""The histogram task: how often does this position's token occur in the sequence?

Source: Behrens, Biggio, Zdeborova, arXiv:2407.11542, section 2. `[B,A,A,D,E] -> [1,2,2,1,1]`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from math import comb
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn.functional import cross_entropy

from mechprobe.models.base.chunks import pieces
from mechprobe.models.base.draws import draw_integers, draw_uniform
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.base.validation import validated
from mechprobe.models.base.weights import Weights
from mechprobe.models.tasks.base import Interface, task
from mechprobe.models.tasks.inputs import Tokens, check_answers, checked_targets, refuse_none
from mechprobe.models.tasks.samplers import (
    Function,
    check_sampler,
    name_of,
    others,
    own_sequences,
)

Sampler = Literal["partition", "uniform"]
# Said of models whose attention is masked.
CAUSAL = (
    "its attention is causal: a position that does not see those after it cannot count in the whole"
    " sequence, but it can count so far; ask it that: mechprobe.SoFarTask(T=16, L=10), or --task"
    " name=histogram-so-far,T=16,L=10"
)
MEASURED = 4096  # sequences of one's own, to see which counts they hold
RARE = 1e-3  # share of positions below which a count is not asked of a model: it hardly saw it


class BalancedSequences(NamedTuple):
    """Sequences with every count of every token equally often, cell by cell."""

    tokens: Int[Tensor, "token count rep pos"]
    position: Int[Tensor, "token count rep"]
    counts: Int[Tensor, " count"]


class Settings(BaseModel):
    """What a configuration says of the task."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Literal["histogram"]
    T: int
    L: int
    bos: bool = False
    sampler: str = "partition"


@task("histogram")
@dataclass(frozen=True)
class HistogramTask:
    """Count tokens out of an alphabet of T in sequences of length L.

    Args:
        T: alphabet size (token ids 0..T-1), at least 2.
        L: sequence length without BOS, at least 2.
        bos: prepend token id T; its position is not scored.
        sampler: the distribution of `sample`: "partition" (the paper's) or "uniform"; the path of
            a file of sequences (.npy, .csv, .txt: token ids, a sequence a row, without BOS); or a
            function of a number n and a torch.Generator that gives such sequences [n, L].

    Raises:
        MechprobeError: T or L below 2, or an unknown sampler, or a file that holds no such
            sequences.
    """

    T: int
    L: int
    bos: bool = False
    sampler: str | Function = "partition"
    name: str = "histogram"

    def __post_init__(self) -> None:
        if self.T < 2:
            raise MechprobeError(f"T={self.T}: the alphabet needs at least 2 tokens")
        if self.L < 2:
            raise MechprobeError(f"L={self.L}: sequences need at least 2 positions")
        check_sampler(self.sampler, self.T, self.L)

    @classmethod
    def from_data(cls, data: Mapping[str, Any], tensors: Weights) -> "HistogramTask":
        """A task out of a configuration; it keeps no tensors.

        Raises:
            MechprobeError: with every fault in one line.
        """
        return cls(**validated(Settings, dict(data), "task 'histogram'").model_dump())

    def why_not(self, interface: Interface) -> str | None:
        """Why a model cannot be asked this task."""
        if interface.vectors:
            return "it reads vectors, token ids are wanted"
        if interface.causal:
            return CAUSAL
        if interface.n_ctx != (wanted := self.L + int(self.bos)):
            return f"it reads {interface.n_ctx} positions, {wanted} are wanted"
        if interface.d_in < self.n_vocab:
            return f"it knows {interface.d_in} token ids, {self.n_vocab} are wanted"
        if interface.d_out < self.n_classes:
            return f"it answers in {interface.d_out} classes, {self.n_classes} are wanted"
        return None

    @property
    def n_vocab(self) -> int:
        """T, and one more with BOS."""
        return self.T + int(self.bos)

    @property
    def bos_id(self) -> int | None:
        """The id that stands first in every sequence and nowhere else; None where none does."""
        return self.T if self.bos else None

    @property
    def n_classes(self) -> int:
        """Classes 0..L; 0 is never right."""
        return self.L + 1

    @settled()
    def sample(self, n: int, generator: torch.Generator) -> Int[Tensor, "n pos"]:
        """Draw n sequences from the task's own distribution, BOS first where there is one."""
        if self.sampler == "uniform":
            body = draw_integers(self.T, (n, self.L), generator)
        elif self.sampler != "partition":
            body = own_sequences(self.sampler, self.T, self.L, n, generator)
        else:
            body = partition_sequences(
                torch.full((n,), self.L, dtype=torch.int64), self.T, generator
            )
        return self._with_bos(body)

    def on(self, sampler: str) -> "HistogramTask":
        """The same on sequences of another sampler."""
        return replace(self, sampler=sampler)

    def checked(self, tokens: Any) -> Int[Tensor, "*batch pos"]:
        """Sequences of this task, as int64.

        Raises:
            MechprobeError: `tokens` is no tensor of integers, or one of another length, with an id
                that is none, or with a BOS that is missing or in another place.
        """
        return Tokens(self.L + int(self.bos), self.n_vocab, self.bos_id).checked(tokens)

    def targets(self, tokens: Any) -> Int[Tensor, "*batch scored"]:
        """Occurrences of each scored position's token within its sequence, 1..L.

        Args:
            tokens: sequences [*batch, pos].

        Raises:
            MechprobeError: they are none of this task; see `checked`.
        """
        body = self.scored(self.checked(tokens), -1)
        return (body.unsqueeze(-1) == body.unsqueeze(-2)).sum(-1)

    def scored(self, values: Tensor, dim: int) -> Tensor:
        """Drop the BOS position along `dim`."""
        start = int(self.bos)
        return values.narrow(dim, start, values.shape[dim] - start)

    def correct(self, logits: Any, tokens: Any) -> Bool[Tensor, "*batch scored"]:
        """Whether the most probable class is the right one, at every scored position.

        Args:
            logits: answers [*batch, pos, classes].
            tokens: the sequences [*batch, pos] that they answer.

        Raises:
            MechprobeError: either is of another shape or type, or the sequences are none of this
                task.
        """
        wanted = self.targets(tokens)
        check_answers(logits, tokens.shape, self.n_classes)
        return self.scored(logits, -2).argmax(-1) == wanted

    def accuracy(self, logits: Any, tokens: Any) -> float:
        """Share of scored positions answered rightly, in [0, 1]; arguments as of `correct`.

        Raises:
            MechprobeError: as `correct`, or there are no sequences.
        """
        right = self.correct(logits, tokens)
        refuse_none(right.numel(), "the accuracy")
        return right.double().mean().item()

    def loss(self, answers: Any, inputs: Any, targets: Any = None) -> Float[Tensor, ""]:
        """Mean cross-entropy over the scored positions.

        Args:
            answers: logits [*batch, pos, classes].
            inputs: the sequences [*batch, pos] that they answer.
            targets: classes [*batch, scored] in place of the right ones.

        Raises:
            MechprobeError: one of them is of another shape or type or out of range, or there are
                no sequences.
        """
        scored, wanted = self._scored_pair(answers, inputs, targets)
        refuse_none(wanted.numel(), "the mean loss")
        return cross_entropy(scored.flatten(0, -2), wanted.flatten())

    def token_losses(
        self, answers: Any, inputs: Any, targets: Any = None
    ) -> Float[Tensor, "*batch scored"]:
        """Cross-entropy of every scored position; their mean is `loss`, whose arguments it takes.

        Raises:
            MechprobeError: one of them is of another shape or type or out of range.
        """
        scored, wanted = self._scored_pair(answers, inputs, targets)
        each = cross_entropy(scored.flatten(0, -2), wanted.flatten(), reduction="none")
        return each.view(wanted.shape)

    def _scored_pair(
        self, answers: Any, inputs: Any, targets: Any
    ) -> tuple[Float[Tensor, "*batch scored classes"], Int[Tensor, "*batch scored"]]:
        wanted = self.targets(inputs)
        check_answers(answers, inputs.shape, self.n_classes)
        if targets is not None:
            wanted = checked_targets(targets, wanted.shape, answers.shape[-1])
        return self.scored(answers, -2), wanted

    def describe(self) -> dict[str, Any]:
        """The settings, ready for JSON."""
        return asdict(replace(self, sampler="partition")) | {"sampler": name_of(self.sampler)}

    def chance(self, tokens: Any) -> float:
        """Accuracy of the best constant answer on sequences [*batch, pos], in [0, 1].

        Raises:
            MechprobeError: they are none of this task, or there are no sequences.
        """
        right = self.targets(tokens)
        refuse_none(right.numel(), "the accuracy by chance")
        counts = right.flatten().bincount(minlength=self.n_classes)
        return (counts.max().float() / counts.sum().float()).item()

    @property
    def counts(self) -> int:
        """Greatest count that models are probed with; the least is 1.

        The partition sampler makes every count up to L-1, never L. Under the uniform one it is
        the greatest below L that at least 0.1 % of the positions have: of others a model has seen
        too little. Under one's own that is measured.
        """
        if self.sampler == "partition":
            return self.L - 1
        if self.sampler != "uniform":
            return _measured_counts(self)
        rest, p = self.L - 1, 1 / self.T
        share = [comb(rest, k) * p**k * (1 - p) ** (rest - k) for k in range(rest)]
        return max(k + 1 for k, one in enumerate(share) if one >= RARE or k == 0)

    @settled()
    def balanced(self, reps: int, generator: torch.Generator) -> BalancedSequences:
        """Every token with every count of `counts` equally often, the rest as the task draws it.

        Args:
            reps: sequences in each (token, count) cell.
            generator: source of randomness.

        Returns:
            tokens [T, counts, reps, pos]; in each, one random position of the cell's token;
            the counts.
        """
        counts = torch.arange(1, self.counts + 1)
        shape = (self.T, self.counts, reps)
        token = torch.arange(self.T).view(-1, 1, 1).expand(shape).reshape(-1)
        count = counts.view(1, -1, 1).expand(shape).reshape(-1)
        filler = self._others(self.L - count, token, generator)
        # `filler` is valid in its first L - count columns; the cell's token fills the others.
        slot = torch.arange(self.L)
        padded = torch.nn.functional.pad(filler, (0, self.L - filler.shape[1]))
        own = slot >= (self.L - count).unsqueeze(-1)
        body = torch.where(own, token.unsqueeze(-1), padded)
        order = draw_uniform(body.shape, generator).argsort(-1)
        body = body.gather(-1, order)
        lottery = draw_uniform(body.shape, generator)
        position = torch.where(body == token.unsqueeze(-1), lottery, -1.0).argmax(-1)
        tokens = self._with_bos(body)
        return BalancedSequences(
            tokens.view(*shape, -1), position.view(shape) + int(self.bos), counts
        )

    def _others(
        self, lengths: Int[Tensor, " n"], token: Int[Tensor, " n"], generator: torch.Generator
    ) -> Int[Tensor, "n longest"]:
        """Rows of tokens other than the given ones, as the task draws them."""
        if self.sampler == "partition":
            return partition_sequences(lengths, self.T, generator, exclude=token)
        if self.sampler != "uniform":
            drawn = others(self.sampler, self.T, self.L, token, generator)
            return drawn[:, : int(lengths.max())]
        drawn = draw_integers(self.T - 1, (len(token), int(lengths.max())), generator)
        return drawn + (drawn >= token.unsqueeze(-1))

    def _with_bos(self, body: Int[Tensor, "n length"]) -> Int[Tensor, "n pos"]:
        if not self.bos:
            return body
        return torch.cat([body.new_full((body.shape[0], 1), self.T), body], dim=1)


@lru_cache(16)
def _measured_counts(task: HistogramTask) -> int:
    """The greatest count below L that enough positions have in sequences of one's own."""
    right = task.targets(task.sample(MEASURED, torch.Generator().manual_seed(0)))
    share = right.flatten().bincount(minlength=task.L + 1) / right.numel()
    found = [count for count in range(1, task.L) if share[count] >= RARE]
    return max(found, default=1)


@settled()
def partition_sequences(
    lengths: Int[Tensor, " n"],
    T: int,
    generator: torch.Generator,
    exclude: Int[Tensor, " n"] | None = None,
) -> Int[Tensor, "n longest"]:
    """The paper's sampler for many rows at once (arXiv:2407.11542, appendix on data).

    While n > 1, draw k uniform on 1..n-1, make a part of size k and go on with n - k; a
    remainder of 1 is a part of 1. Parts get distinct random tokens and the row is shuffled.
    Should there be more parts than tokens (T < L), the surplus joins the last part.

    Args:
        lengths: length of every row; columns beyond a row's length hold padding.
        T: alphabet size.
        generator: source of randomness.
        exclude: a token that row may not use.
    """
    n, longest = lengths.shape[0], int(lengths.max())
    available = T - (exclude is not None)
    left = lengths.clone()
    part_of_slot = torch.zeros(n, longest, dtype=torch.long)
    slot = torch.arange(longest)
    for _ in range(longest):
        draw = draw_uniform((n,), generator)
        size = (1 + (draw * (left - 1)).floor().long()).clamp(max=(left - 1).clamp(min=1))
        end = lengths - left + size
        # Every slot at or past this part's end belongs to a later part.
        part_of_slot += (slot >= end.unsqueeze(-1)) & (left > 0).unsqueeze(-1)
        left = (left - size).clamp(min=0)
    part_of_slot = part_of_slot.clamp(max=available - 1)
    # Some rows at a time: a lot for every token of a large alphabet takes much more than the rows.
    bodies = []
    for some in pieces(n, 8 * available):
        rows = some.stop - some.start
        tokens = draw_uniform((rows, available), generator).argsort(-1)
        if exclude is not None:
            tokens = tokens + (tokens >= exclude[some].unsqueeze(-1))
        bodies.append(tokens.gather(-1, part_of_slot[some]))
    body = torch.cat(bodies)
    # Padding sorts last, so that the valid tokens stay in front, in random order.
    key = draw_uniform((n, longest), generator)
    key = torch.where(slot < lengths.unsqueeze(-1), key, 2.0)
    return body.gather(-1, key.argsort(-1))
