"""Overlaps of the token embeddings.

mu = max_{s != t} |<e_s, e_t>| / (|e_s| |e_t|), arXiv:2407.11542, section 4. Only rotations of the
residual stream keep it; a general change of basis does not.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.probes.counting.context import COUNTED, CountContext
from mechprobe.probes.drawing import BLUE, ORANGE, blank, heatmap
from mechprobe.probes.invariances import all_but
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def cosines(E: Float[Tensor, "vocab d"]) -> Float[Tensor, "vocab vocab"]:
    """Cosines between all embeddings; a zero vector overlaps with nothing."""
    unit = torch.nn.functional.normalize(E.double(), dim=-1)
    return unit @ unit.T


@probe(
    "mutual-coherence",
    tasks=COUNTED,
    metrics={
        "coherence": MetricSpec("largest overlap of two different tokens", "cosine", 0, 1),
        "welch_bound": MetricSpec("least value T vectors in d dimensions allow", "cosine", 0, 1),
        "mean_overlap": MetricSpec("mean absolute overlap of different tokens", "cosine", 0, 1),
        "bos_overlap_mean": MetricSpec("mean overlap of tokens with BOS", "cosine", -1, 1),
        "bos_overlap_max": MetricSpec("largest absolute overlap with BOS", "cosine", 0, 1),
        "norm_spread": MetricSpec(
            "standard deviation over mean of the embeddings' lengths", "1", 0
        ),
    },
    invariances=all_but("residual_gl"),
)
def mutual_coherence(context: CountContext) -> Measurement:
    """How much token embeddings overlap, against the Welch bound."""
    from mechprobe.models.families.counting.bounds import welch_coherence  # whose family trains

    T = context.task.T
    E = context.model.W_E.detach()
    gram = cosines(E)
    different = gram[:T, :T][~torch.eye(T, dtype=torch.bool)]
    norms = E[:T].double().norm(dim=-1)
    bos = gram[T, :T] if context.task.bos else None
    # Halves of the stream may be kept for positions; no token lives there.
    d = int((E != 0).any(0).sum())
    return Measurement(
        metrics={
            "coherence": different.abs().max(),
            "welch_bound": welch_coherence(T, d) if d else 0.0,
            "mean_overlap": different.abs().mean(),
            "bos_overlap_mean": None if bos is None else bos.mean(),
            "bos_overlap_max": None if bos is None else bos.abs().max(),
            "norm_spread": norms.std() / norms.mean(),
        },
        arrays={"cosines": gram, "T": torch.tensor(T, dtype=torch.int64)},
    )


@mutual_coherence.figure
def _draw(result: ProbeResult) -> "Figure":
    import seaborn as sns

    gram = result.arrays["cosines"]
    T = int(result.arrays["T"])
    figure, (left, right) = blank(2)
    heatmap(
        left, gram, x="token", y="token", bar="cosine", cmap="PuOr_r", vmin=-1, vmax=1, square=True
    )
    left.set_title("Embedding overlaps" + (" (BOS last)" if len(gram) > T else ""))
    different = gram[:T, :T][~np.eye(T, dtype=bool)]
    sns.histplot(
        x=different, ax=right, bins=30, binrange=(-1, 1), color=BLUE, label="different tokens"
    )
    bound = result.value("welch_bound")
    for sign in (-1, 1):
        right.axvline(
            sign * bound, color=ORANGE, ls="--", label="± Welch bound" if sign > 0 else None
        )
    right.set(
        xlabel="overlap (cosine)", ylabel="pairs of tokens", title="Different tokens", xlim=(-1, 1)
    )
    right.legend(fontsize=7)
    return figure


@mutual_coherence.words
def _say(result: ProbeResult) -> str:
    mu, bound = result.value("coherence"), result.value("welch_bound")
    return (
        f"Mutual coherence {mu:.2f}; the Welch bound is {bound:.2f}."
        " Holds for this basis of the residual stream only."
    )
