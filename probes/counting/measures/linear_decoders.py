"""What a linear decoder finds at every hook point, against a control with shuffled labels.

Decodable is not used: the causal checks say what the model uses.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int

from mechprobe.models import HistogramTask
from mechprobe.models.base.draws import draw_order
from mechprobe.probes.counting.context import COUNTED, CountContext
from mechprobe.probes.counting.mixing import lacks_hook
from mechprobe.probes.counting.neurons import needs_neurons
from mechprobe.probes.drawing import BLUE, GREY, ORANGE, blank
from mechprobe.probes.invariances import INVARIANCES
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    from mechprobe.models import HookedTransformer

# Each point's short name in TransformerLens; all but the first are of the last block.
POINTS = {
    "embed": "embed",
    "attn_out": "attn_out",
    "resid_mid": "resid_mid",
    "mlp_pre": "pre",
    "mlp_post": "post",
    "resid_post": "resid_post",
}
FOLDS = 3
SAMPLES = 600
REPETITIONS = 4  # of every token with every count


def whitened(features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
    """Coordinates of unit variance, so that the decoder does not depend on the basis; labels play
    no part. Directions that hold nothing are dropped; one zero column is left where all do."""
    from sklearn.decomposition import PCA

    if (features == features[0]).all():
        return np.zeros((len(features), 1))
    full = PCA(svd_solver="full").fit(features)
    variance = full.explained_variance_
    keep = variance > max(1e-9 * float(variance[0]), 1e-30)
    if not keep.any():  # nothing but rounding
        return np.zeros((len(features), 1))
    centred = features - full.mean_
    return np.asarray(centred @ full.components_[keep].T / variance[keep] ** 0.5)


def credit(
    model: "LinearDiscriminantAnalysis",
    features: Float[np.ndarray, "n k"],
    labels: Int[np.ndarray, " n"],
) -> float:
    """Accuracy; where labels are equally probable each is right in part, so that neither rounding
    nor their order decides."""
    score = model.predict_log_proba(features)
    best = score >= score.max(1, keepdims=True) - 1e-6
    right = best & (model.classes_ == labels[:, None])
    return float((right.sum(1) / best.sum(1)).mean())


def decode(features: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"], seed: int) -> float:
    """Cross-validated accuracy of a linear decoder on whitened activations, ties shared.

    Every sample comes from a sequence of its own, so folds share none.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    if not features.any():
        return float(np.bincount(labels).max() / len(labels))
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=1e-3)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return float(cross_val_score(model, features, labels, cv=folds, scoring=credit).mean())


_TARGETS = {"count": "the count", "token": "the token's identity"}


@probe(
    "linear-decoders",
    tasks=COUNTED,
    metrics={
        f"{target}_{point}": MetricSpec(f"accuracy of decoding {text} at {point}", "1", 0, 1)
        for target, text in _TARGETS.items()
        for point in POINTS
    }
    | {
        f"{target}_control": MetricSpec(
            f"best accuracy at any point with shuffled labels of {text}", "1", 0, 1
        )
        for target, text in _TARGETS.items()
    },
    parameters=lambda: {
        "folds": FOLDS,
        "samples": SAMPLES,
        "decoder": "linear discriminant analysis on whitened activations",
    },
    invariances=INVARIANCES,
)
def linear_decoders(context: CountContext) -> Measurement:
    """Where count and token identity can be decoded linearly."""
    cells = context.balanced("decoders", REPETITIONS)
    shape = cells.tokens.shape[:3]
    # A random part of the cells: a perfect balance would let a fold tell what it lacks.
    n = max(SAMPLES, FOLDS * 2 * context.task.T)
    chosen = context.uniform_numbers("decoded cells", tuple(shape)).flatten().argsort()[:n]
    flat, at = cells.tokens.flatten(0, 2)[chosen], cells.position.flatten()[chosen]
    hooks = {
        point: "hook_embed" if point == "embed" else context.hook_name(name)
        for point, name in POINTS.items()
    }
    found = context.marked(flat, at, hooks.values())
    token = torch.arange(shape[0]).view(-1, 1, 1).expand(shape).flatten()[chosen].numpy()
    count = cells.counts.view(1, -1, 1).expand(shape).flatten()[chosen].numpy() - 1
    points = {p: whitened(found[h].double().numpy()) for p, h in hooks.items()}
    shuffle = draw_order(len(token), context.generator("shuffled labels")).numpy()
    metrics: dict[str, float] = {}
    curves: dict[str, list[float]] = {}
    for target, labels in (("count", count), ("token", token)):
        real, control = [], []
        for features in points.values():
            real.append(decode(features, labels, context.seed))
            control.append(decode(features, labels[shuffle], context.seed))
        metrics |= {f"{target}_{point}": score for point, score in zip(POINTS, real, strict=True)}
        metrics[f"{target}_control"] = max(control)
        curves |= {target: real, f"{target}_shuffled": control}
    return Measurement(metrics=metrics, arrays=curves)


def _why_not(model: "HookedTransformer", task: HistogramTask) -> str | None:
    return needs_neurons(model, task) or lacks_hook(model, "hook_attn_out")


linear_decoders.applies(_why_not)


@linear_decoders.figure
def _draw(result: ProbeResult) -> "Figure":
    figure, (axes,) = blank(1, width=6.0)
    at = np.arange(len(POINTS))
    for target, colour in (("count", BLUE), ("token", ORANGE)):
        axes.plot(at, result.arrays[target], color=colour, marker="o", label=target)
        axes.plot(
            at,
            result.arrays[f"{target}_shuffled"],
            color=GREY,
            marker="x",
            ls="--" if target == "count" else ":",
            label=f"{target}, shuffled labels",
        )
    axes.set_xticks(at, list(POINTS), rotation=20)
    axes.set(
        ylim=(-0.03, 1.05), ylabel="decoding accuracy", title="Linear decoders (cross-validated)"
    )
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


@linear_decoders.words
def _say(result: ProbeResult) -> str:
    return (
        f"Before the feed-forward layer the count decodes at {result.value('count_resid_mid'):.0%}"
        f" (shuffled labels: {result.value('count_control'):.0%}), the token at"
        f" {result.value('token_resid_mid'):.0%}. Decodable is not used: see the causal checks."
    )
