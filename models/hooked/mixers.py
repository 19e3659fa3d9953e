"""What mixes positions: the part of a block through which one position sees another.

Attention by queries and keys, a constant matrix, a scan over the sequence: probes ask the mixer
what there is to measure, not which family the model is of.
"""

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

NO_SCORES = "its mixing weights are not computed from scores"
NO_QUERIES = "its mixer does not compare queries with keys"
NAMES = ("q", "k", "v", "attn_scores", "pattern", "z")


@dataclass(frozen=True)
class Mixing:
    """What a mixer says of itself to those who measure it.

    Args:
        hooks: full names of the hook points it has, by TransformerLens's short names. "pattern"
            holds the effective mixing weights [batch, head, query, key], however they come about,
            and what is written there is what mixes; "attn_scores" what they are made of, in the
            same shape; "q" and "k" queries and keys [batch, pos, head, width], "v" values, "z"
            what each head has read.
        heads: number of matrices of weights.
        softmax: the weights are a softmax of the scores; without one they are the scores.
        constant: the weights are a matrix of the model's own, whatever the input.
        no_weights: where there are none, one sentence why.

    Raises:
        ValueError: weights and the sentence why there are none exclude each other, and so do
            weights and no head.
    """

    hooks: dict[str, str] = field(default_factory=dict)
    heads: int = 0
    softmax: bool = False
    constant: bool = False
    no_weights: str | None = None

    def __post_init__(self) -> None:
        if ("pattern" in self.hooks) == (self.no_weights is not None):
            raise ValueError("a mixer has weights (a hook 'pattern'), or says why it has none")
        if ("pattern" in self.hooks) != (self.heads > 0):
            raise ValueError("a mixer with weights has one head or more, one without has none")

    @classmethod
    def at(
        cls, prefix: str, hooks: Container[str], heads: int, softmax: bool, constant: bool
    ) -> "Mixing":
        """The description of an attention layer by the hook points that are there.

        Args:
            prefix: what their names start with, such as "blocks.0.attn.".
            hooks: names that exist.
            heads, softmax, constant: as above.
        """
        named = {name: f"{prefix}hook_{name}" for name in NAMES}
        there = {name: full for name, full in named.items() if full in hooks}
        return cls(there, heads, softmax, constant)

    @property
    def no_scores(self) -> str | None:
        """Why there are no scores, or None where there are."""
        return self.no_weights or (None if "attn_scores" in self.hooks else NO_SCORES)

    @property
    def no_queries(self) -> str | None:
        """Why there are no scores of queries and keys, or None where there are."""
        compared = "q" in self.hooks and "k" in self.hooks
        return self.no_scores or (None if compared else NO_QUERIES)


@runtime_checkable
class Mixer(Protocol):
    """A module that mixes positions in a block, in the place of attention."""

    # What a block calls it, and so a part of its hook points' names: "attn", "mixer", ...
    part: str

    def __call__(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """What it writes to the residual stream, of the stream before it."""
        ...

    def mixing(self, prefix: str) -> Mixing:
        """Its description; names of hook points start with `prefix`."""
        ...
