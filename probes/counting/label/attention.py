"""What the attention of a model that counts depends on. Which rule applies when is said here:

- Models that know positions and compare queries with keys: the rule of the students of a teacher
  attention (`effects.py`). A part is there if the answers, softmax probabilities, change with it.
- All others with mixing weights (no positions, a constant matrix, weights without queries and
  keys): how the weights vary (`rule.attention_kind`). Without positions there is no positional
  part to take out.
- Where positions are not mixed by weights there is nothing to label: the mixer says why.
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
from mechprobe.probes.counting.label.rule import INFORMED, KEPT, attention_kind
from mechprobe.probes.counting.mixing import is_constant, lacks
from mechprobe.probes.counting.sources import Sources
from mechprobe.probes.counting.variation import Variation
from mechprobe.probes.effects import Effects, attention_axis, enough, semantic_share, sentence


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
    """How answers change with the parts of queries and keys.

    Args:
        effects: of both parts.
        size: squared probabilities of every sequence.
        kept: share of its answers that stay under uniform attention.
    """

    effects: Effects
    size: Float[np.ndarray, " n"]
    kept: Float[np.ndarray, " n"]

    def kind(self) -> tuple[AttentionKind, str]:
        """The label and the reason for it."""
        everything = slice(None)
        sizes = self.effects.sizes()
        moved = self._moved(everything)
        if self._silent(everything):
            return "uninformed", (
                f"uniform attention changes the answers by {moved:.1%} of their size and leaves"
                f" {self.kept.mean():.0%} of them as they are"
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

    def _moved(self, rows: Int[np.ndarray, " n"] | slice) -> float:
        return float(np.sqrt(self.effects.whole[rows].mean() / self.size[rows].mean()))

    def _silent(self, rows: Int[np.ndarray, " n"] | slice) -> bool:
        return self._moved(rows) < INFORMED and bool(self.kept[rows].mean() >= KEPT)


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
    if is_constant(model):
        return Weights(context.variation, 1.0, True)
    if model.cfg.positions and split is not None:
        return measure_answers(context, split)
    same = context.logits.argmax(-1) == fix_pattern(context).argmax(-1)
    kept = context.task.scored(same, 1).double().mean().item()
    return Weights(context.variation, kept, False)


def measure_answers(context: CountContext, split: Sources) -> Answers:
    """Add each source alone, on top of the other, and all, through hook_q and hook_k."""
    runs: dict[str, Tensor] = {part: answers_with(context, split, part) for part in PARTS}
    runs["whole"] = runs["both"] = context.logits  # there is no third part
    found = {part: context.task.scored(run, 1).double().softmax(-1) for part, run in runs.items()}

    def change(kept: str, other: str) -> Float[np.ndarray, " n"]:
        return _square(found[kept] - found[other])

    same = found["whole"].argmax(-1) == found["neither"].argmax(-1)
    return Answers(Effects.of(change), _square(found["whole"]), same.double().mean(1).numpy())


def _square(values: Float[Tensor, "batch scored classes"]) -> Float[np.ndarray, " batch"]:
    squares: np.ndarray = values.square().sum((1, 2)).numpy()
    return squares
