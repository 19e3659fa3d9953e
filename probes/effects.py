"""Which parts of an attention do something: how much the answers change with each.

Shared by students of a teacher (`teacher/label.py`) and models that count and know positions
(`counting/label/attention.py`), so that their attention labels are on one scale.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from mechprobe.probes.attention import AttentionKind

LEAST = 0.02  # of what the whole attention changes: what a part has to change to be there
ONE_SIDED = 0.8  # share that decides for one of two parts, here and in the rule of variation

# What the numbers say, in the evidence of a label.
EFFECTS = {
    "positional_effect": "change of the answers due to positions, over that due to all attention",
    "semantic_effect": "change of the answers due to content, over that due to all attention",
    "semantic_share": "semantic effect over the sum of both effects",
}


@dataclass(frozen=True)
class Effects:
    """How much answers change with a part of queries and keys: squared change, every sequence.

    Args:
        positional, semantic: mean of the change when the part is added to none and to the other.
        whole: from uniform attention to the untouched model.
    """

    positional: Float[np.ndarray, " n"]
    semantic: Float[np.ndarray, " n"]
    whole: Float[np.ndarray, " n"]

    @classmethod
    def of(cls, change: Callable[[str, str], Float[np.ndarray, " n"]]) -> "Effects":
        """Add each part alone, on top of the other, and all.

        Args:
            change: squared change of the answers of every sequence between two kinds of runs,
                named by what is kept: whole, both (parts), positional, semantic, neither.
        """
        return cls(
            positional=(change("positional", "neither") + change("both", "semantic")) / 2,
            semantic=(change("semantic", "neither") + change("both", "positional")) / 2,
            whole=change("whole", "neither"),
        )

    def sizes(self, rows: Int[np.ndarray, " m"] | slice = slice(None)) -> tuple[float, float]:
        """Positional and semantic effect over that of the whole attention.

        They need not be below 1: parts may cancel in the whole."""
        whole = max(float(self.whole[rows].mean()), 1e-300)
        return (
            float(self.positional[rows].mean()) / whole,
            float(self.semantic[rows].mean()) / whole,
        )


def enough(sizes: tuple[float, float]) -> tuple[bool, bool]:
    """Whether the positional and the semantic effect are large enough to count."""
    return sizes[0] >= LEAST, sizes[1] >= LEAST


def semantic_share(sizes: tuple[float, float]) -> float | None:
    """Share of the semantic part in what both change; None where neither changes anything."""
    whole = sum(sizes)
    return sizes[1] / whole if whole > 0 else None


def attention_axis(positional: bool, semantic: bool, share: float | None) -> AttentionKind:
    """The label.

    Args:
        positional, semantic: whether the parts are there.
        share: of the semantic part in what both change, None where neither changes anything.
    """
    if positional != semantic:
        return "positional" if positional else "semantic"
    if not positional:
        return "uninformed"
    if share is None:
        return "mixed"
    if share >= ONE_SIDED:
        return "semantic"
    return "positional" if share <= 1 - ONE_SIDED else "mixed"


def sentence(sizes: tuple[float, float], both: bool) -> str:
    """The two effects in words, with the number that decides.

    Args:
        sizes: positional and semantic effect.
        both: whether both parts are there, so that their share decides.
    """
    text = (
        f"the positional part changes the answers by {sizes[0]:.1%} of what the whole attention"
        f" does, the semantic part by {sizes[1]:.1%}; from {LEAST:.0%} on a part counts"
    )
    share = semantic_share(sizes)
    if both and share is not None:
        text += (
            f"; the semantic share of both is {share:.1%}: semantic from {ONE_SIDED:.0%} on,"
            f" positional up to {1 - ONE_SIDED:.0%}"
        )
    return text
