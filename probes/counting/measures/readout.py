"""How the feed-forward layer reads the count: neurons, spectrum, decision regions.

Decision regions over mixtures of embeddings follow figures 3 to 5 of arXiv:2407.11542.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models import HistogramTask
from mechprobe.probes.counting.context import COUNTED, CountContext
from mechprobe.probes.counting.neurons import attributions, needs_neurons
from mechprobe.probes.drawing import SEQUENTIAL, blank, heatmap
from mechprobe.probes.invariances import all_but
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechprobe.models import HookedTransformer

GRID = 48
ACTIVE = 0.01  # of the largest attribution


def participation(a: Float[Tensor, "neuron token"]) -> float:
    """Share of the tokens a typical neuron serves, in [1/T, 1]; neurons weighted by attribution."""
    total = a.sum(-1)
    squares = a.square().sum(-1).clamp(min=1e-300)
    each = total.square() / squares / a.shape[1]
    return ((each * total).sum() / total.sum()).item() if total.sum() > 0 else float("nan")


def reading_spectrum(
    E: Float[Tensor, "vocab d"], W_in: Float[Tensor, "d p"], W_out: Float[Tensor, "p classes"]
) -> Float[Tensor, " rank"]:
    """Gauge-fixed spectrum of W_1: shares of the read directions' total strength.

    Neuron n reads the profile E w_n over tokens and BOS with strength |E w_n| |centred W_out_n|;
    the spectrum is that of sum_n strength_n u_n u_n^T with unit profiles u_n. Basis changes,
    scaling, splitting and dead neurons leave it alone.
    """
    profile = (E @ W_in).double()
    out = W_out.double()
    strength = profile.norm(dim=0) * (out - out.mean(-1, keepdim=True)).norm(dim=-1)
    unit = torch.nn.functional.normalize(profile, dim=0)
    values: Tensor = torch.linalg.svdvals(unit * strength.sqrt()).square()
    return values / values.sum().clamp(min=1e-300)


@probe(
    "readout",
    tasks=COUNTED,
    metrics={
        "participation": MetricSpec("share of tokens a neuron serves, mean", "1", 0, 1),
        "active_neurons": MetricSpec(
            f"neurons with at least {100 * ACTIVE:g} % of the largest attribution", "neurons", 0
        ),
        "reading_rank": MetricSpec("effective rank of the read directions", "dimensions", 1),
        "top_direction": MetricSpec("share of the strongest read direction", "1", 0, 1),
    },
    # A neuron split in two counts twice.
    invariances=all_but("split_neurons"),
)
def readout(context: CountContext) -> Measurement:
    """Neurons over tokens, the read directions of W_1, and decision regions."""
    a = attributions(context)
    model = context.model
    # Behind a LayerNorm a neuron reads no fixed direction of the stream.
    spectrum = (
        reading_spectrum(
            model.W_E.detach(), model.W_in[-1].detach(), context.output_weights.mean(0)
        )
        if model.cfg.normalization_type is None
        else torch.zeros(0, dtype=torch.float64)
    )
    regions, extent, path = decision_regions(context)
    strongest = a.sum(-1)
    order = np.lexsort((-strongest.numpy(), a.argmax(-1).numpy()))
    shown = a[order][(strongest[order] >= ACTIVE * strongest.max()).numpy()][:128]
    return Measurement(
        metrics={
            "participation": participation(a),
            "active_neurons": (strongest >= ACTIVE * strongest.max()).sum()
            if strongest.max() > 0
            else 0,
            "reading_rank": torch.exp(-(spectrum * spectrum.clamp(min=1e-300).log()).sum())
            if len(spectrum)
            else None,
            "top_direction": spectrum[0] if len(spectrum) else None,
        },
        arrays={
            "attributions": shown,
            "spectrum": spectrum[:64],
            "regions": regions,
            "extent": torch.tensor(extent, dtype=torch.float64),
            "path": path,
            "second_is_bos": torch.tensor(int(context.task.bos), dtype=torch.int64),
        },
    )


def decision_regions(
    context: CountContext,
) -> tuple[Tensor, list[float], Float[Tensor, "count 2"]]:
    """Answers over x' = a e_t + b e_other, and where the model's own residuals lie.

    t is token 0; the other direction is BOS, or the token 1. Residual means M_tc are placed by
    their least-squares coordinates (a, b).
    """
    E = context.model.W_E.detach()
    T = context.task.T
    plane = torch.stack([E[0], E[T] if context.task.bos else E[1]])
    means = context.reference.means[0]
    path = torch.linalg.lstsq(plane.T.double(), means.T.double()).solution.T
    low, high = path.min(0).values, path.max(0).values
    pad = 0.25 * (high - low).clamp(min=0.2 * float((high - low).max()) + 1e-3)
    low, high = low - pad, high + pad
    axes = [
        torch.linspace(float(low[i]), float(high[i]), GRID, dtype=torch.float64) for i in (0, 1)
    ]
    grid = torch.cartesian_prod(axes[0], axes[1])
    # The part of the residual outside the plane stays at its mean over counts.
    rest = (means.double() - path @ plane.double()).mean(0)
    with torch.no_grad():
        answer = context.model.read_out((grid @ plane.double() + rest).to(E.dtype)).argmax(-1)
    extent = [float(low[0]), float(high[0]), float(low[1]), float(high[1])]
    return answer.view(GRID, GRID).T.int(), extent, path


def _why_not(model: "HookedTransformer", task: HistogramTask) -> str | None:
    if (reason := needs_neurons(model, task)) is not None:
        return reason
    known = hasattr(model, "W_in")
    return None if known else "which weights lead to the neurons is not known"


readout.applies(_why_not)


@readout.figure
def _draw(result: ProbeResult) -> "Figure":
    from matplotlib.colors import BoundaryNorm

    figure, (left, middle, right) = blank(3, width=3.9)
    a = result.arrays["attributions"]
    heatmap(
        left,
        a / max(a.max(), 1e-30),
        x="token",
        y="neuron (active ones)",
        bar="attribution (max = 1)",
    )
    left.set_title("Neuron by token")
    spectrum = result.arrays["spectrum"]
    middle.plot(np.arange(1, len(spectrum) + 1), spectrum, marker="o", ms=3)
    if not len(spectrum):
        middle.text(
            0.5, 0.5, "none after a LayerNorm", ha="center", transform=middle.transAxes, fontsize=8
        )
    middle.set(
        xlabel="direction",
        ylabel="share of read strength",
        title="Spectrum of W_1 (gauge-fixed)",
        ylim=(0, None),
    )
    regions, path = result.arrays["regions"], result.arrays["path"]
    top = max(int(regions.max()), len(path)) + 1
    norm = BoundaryNorm(np.arange(top + 1) - 0.5, 256)
    image = right.imshow(
        regions,
        origin="lower",
        extent=tuple(result.arrays["extent"]),
        aspect="auto",
        cmap=SEQUENTIAL,
        norm=norm,
    )
    right.grid(visible=False)
    right.plot(path[:, 0], path[:, 1], color="white", marker="o", ms=4, mec="black", lw=1)
    for count in (1, len(path)):
        right.annotate(
            str(count),
            path[count - 1],
            color="white",
            fontsize=8,
            xytext=(4, 4),
            textcoords="offset points",
            fontweight="bold",
        )
    figure.colorbar(
        image, ax=right, label="answered count", ticks=np.arange(0, top, max(1, top // 6))
    )
    other = "BOS" if int(result.arrays["second_is_bos"]) else "token 1"
    right.set(
        xlabel="amount of token 0",
        ylabel=f"amount of {other}",
        title="Decision regions; dots: counts",
    )
    return figure


@readout.words
def _say(result: ProbeResult) -> str:
    if result.metrics["participation"].value is None:
        return "No neuron's contribution to the answer moves with the count."
    text = (
        f"{result.value('active_neurons'):.0f} active neurons, each serving"
        f" {result.value('participation'):.0%} of the tokens on average; "
    )
    rank = result.metrics["reading_rank"].value
    if rank is None:
        return text + "after a LayerNorm they read no fixed directions of the stream."
    return text + f"the read directions have an effective rank of {rank:.1f}."
