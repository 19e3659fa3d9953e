"""What the attention of a model that counts depends on: use decides, in every architecture.

- Models with scores, of queries and keys or a constant matrix: each part of the scores, positional
  and semantic, counts by the answers that change with it (`effects.py`, the rule of the students of
  a teacher attention). Without positions the positional part is empty, whether or not the model has
  a place for them.
- Models whose weights come without scores: an attention whose answers stay when the weights are
  held at their mean over inputs is uninformed; else the weights' variation says by what they vary.
- Where positions are not mixed by weights there is nothing to label: the mixer says why.

Answers are compared by their class. Probabilities would move with the scale of the logits, which
changes no answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.probes.attention import AttentionKind
from mechprobe.probes.counting.causal.mean_pattern import fix_pattern
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.keeping import KEPT as PARTS
from mechprobe.probes.counting.keeping import answers_with
from mechprobe.probes.counting.mixing import is_constant, lacks
from mechprobe.probes.counting.sources import Sources
from mechprobe.probes.counting.variation import Variation
from mechprobe.probes.effects import (
    ONE_SIDED,
    Effects,
    attention_axis,
    enough,
    semantic_share,
    sentence,
)

KEPT = 0.99  # share of answers that stay under an attention that tells nothing: none is needed


def attention_kind(
    share: float, relative: float, kept: float, constant: bool
) -> tuple[AttentionKind, str]:
    """The label of weights that come without scores, and the reason for it.

    Args:
        share: part of the weights' variation that is due to tokens.
        relative: all variation over the weights' root mean square.
        kept: share of answers that stay when the weights are held at their mean over inputs.
        constant: whether the weights come from a matrix indexed by positions alone.
    """
    if constant:
        return "positional", (
            "the mixing weights are a constant matrix indexed by positions;"
            f" its entries vary by {relative:.0%} of their size"
        )
    if kept >= KEPT:
        return "uninformed", (
            f"{kept:.0%} of the answers stay when the mixing weights are held at their mean over"
            f" inputs; they vary by {relative:.1%} of their size"
        )
    text = f"{share:.0%} of the mixing weights' variation is due to tokens"
    if share >= ONE_SIDED:
        return "semantic", text
    if share <= 1 - ONE_SIDED:
        return "positional", text
    return "mixed", text


@dataclass(frozen=True)
class Weights:
    """How mixing weights vary.

    Args:
        variation: of the weights, with tokens and with positions.
        kept: share of answers that stay under the mean pattern; all do under a constant one.
        constant: whether the weights come from a constant matrix.
    """

    variation: Variation
    kept: float
    constant: bool

    def kind(self) -> tuple[AttentionKind, str]:
        """The label and the reason for it."""
        return attention_kind(*self.variation.split(), self.kept, self.constant)

    def kinds(self, rows: Int[np.ndarray, "set n"]) -> Sequence[AttentionKind]:
        """The label on other sets of sequences; the mean pattern is not drawn again."""
        splits = (part.tolist() for part in self.variation.splits(rows))
        return [
            attention_kind(share, relative, self.kept, self.constant)[0]
            for share, relative in zip(*splits, strict=True)
        ]


@dataclass(frozen=True)
class Answers:
    """How answers change with the parts of the scores.

    Args:
        effects: of both parts: shares of answers that change, sequence by sequence.
    """

    effects: Effects

    def kind(self) -> tuple[AttentionKind, str]:
        """The label and the reason for it."""
        sizes = self.effects.sizes()
        if self._silent(slice(None)):
            return "uninformed", (
                f"{self._stay(slice(None)):.0%} of the answers stay under an attention that tells"
                " neither tokens nor positions apart"
            )
        return self._kind(sizes), sentence(sizes, all(enough(sizes)))

    def kinds(self, rows: Int[np.ndarray, "set n"]) -> Sequence[AttentionKind]:
        """The label on other sets of sequences."""
        return [
            "uninformed" if self._silent(some) else self._kind(self.effects.sizes(some))
            for some in rows
        ]

    def _kind(self, sizes: tuple[float, float]) -> AttentionKind:
        return attention_axis(*enough(sizes), semantic_share(sizes))

    def _stay(self, rows: Int[np.ndarray, " n"] | slice) -> float:
        return 1 - float(self.effects.whole[rows].mean())

    def _silent(self, rows: Int[np.ndarray, " n"] | slice) -> bool:
        return self._stay(rows) >= KEPT


AttentionEvidence = Weights | Answers  # what the axis is decided from, sequence by sequence


def attention_evidence(context: CountContext, split: Sources | None) -> AttentionEvidence | None:
    """Measure what the rule that applies asks for; None for a model without mixing weights.

    Args:
        context: of the model.
        split: sources of its scores, None where they do not split.
    """
    model = context.model
    if lacks(model, "weights") is not None:
        return None
    if split is not None:
        return measure_answers(context, split)
    if is_constant(model):
        return Weights(context.variation, 1.0, True)
    same = context.logits.argmax(-1) == fix_pattern(context).argmax(-1)
    kept = context.task.scored(same, 1).double().mean().item()
    return Weights(context.variation, kept, False)


def measure_answers(context: CountContext, split: Sources) -> Answers:
    """Add each part of the scores alone, on top of the other, and all."""
    runs: dict[str, Tensor] = {part: answers_with(context, split, part) for part in PARTS}
    runs["whole"] = runs["both"] = context.logits  # there is no third part
    found = {part: context.task.scored(run, 1).argmax(-1) for part, run in runs.items()}

    def change(kept: str, other: str) -> Float[np.ndarray, " n"]:
        moved: np.ndarray = (found[kept] != found[other]).double().mean(1).numpy()
        return moved

    return Answers(Effects.of(change))
