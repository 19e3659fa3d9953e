"""Which component writes the count, which reads it: activation patching between counts."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models import HistogramTask
from mechprobe.probes.counting.context import CountContext, needs_counts
from mechprobe.probes.counting.mixing import lacks_hook
from mechprobe.probes.counting.pairs import PAIRS, count_pairs
from mechprobe.probes.counting.paths import CountPaths, Head
from mechprobe.probes.drawing import blank, heatmap
from mechprobe.probes.invariances import INVARIANCES
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechprobe.models import HookedTransformer

COVER = 0.9
TIE = 1e-3  # shares closer than this are equal: the first component is named
MENTION = 0.1  # a share that the sentence mentions
SOLVED = 0.9  # below, it says how many pairs are answered rightly
NAMED = 3  # readers that it names at most
FEW = 3  # heads whose columns have room for a longer name
NARROW = 6  # columns of a map that has numbers in its cells
# What reads a count that an earlier block wrote, and what a sentence calls it.
PARTS = {
    "q": "the queries of head {head} of block {block}",
    "k": "the keys of head {head} of block {block}",
    "v": "the values of head {head} of block {block}",
    "mixing": "the mixing of block {block}",
}
OVER = 1.1  # sum of shares from which a sentence says that they need not add up


def first_of_best(shares: Float[Tensor, "*axes"]) -> tuple[int, ...]:
    """Indices of the first share that is no more than a tie below the largest."""
    flat = shares.flatten()
    best = int((flat >= flat.max() - TIE).nonzero()[0])
    return tuple(int(i) for i in np.unravel_index(best, shares.shape))


def fewest_heads(paths: CountPaths, alone: Float[Tensor, "layer head"]) -> list[Head]:
    """Heads, strongest first, until they recover COVER together at the marked position.

    All heads together recover everything: the marked token is the same in both sequences, and
    only what mixes positions moves anything between them.
    """
    order = alone.div(TIE).round().flatten().argsort(descending=True, stable=True).tolist()
    heads = [divmod(int(i), alone.shape[1]) for i in order]
    for n in range(1, len(heads)):
        if paths.share(paths.together(heads[:n])) >= COVER:
            return heads[:n]
    return heads


@probe(
    "count-path",
    kind="causal",
    metrics={
        "writer_share": MetricSpec("answer recovered by the strongest writer, one head", "1"),
        "writer_block": MetricSpec("block of that head", "block", 0),
        "writer_head": MetricSpec("its number in the block", "head", 0),
        "writer_taken": MetricSpec("answers that become its count", "1", 0, 1),
        "writers": MetricSpec(f"heads that recover {100 * COVER:g} % together", "heads", 1),
        "elsewhere": MetricSpec(
            "answer recovered by one block's attention at all other positions, the most", "1"
        ),
        "mlp_share": MetricSpec("answer read by the strongest feed-forward layer", "1"),
        "mlp_block": MetricSpec("block of that layer", "block", 0),
        "head_share": MetricSpec("answer read by the strongest head of a later block", "1"),
        "head_block": MetricSpec("block of that head", "block", 1),
        "head_number": MetricSpec("its number in the block", "head", 0),
        "direct_share": MetricSpec("answer read past all feed-forward layers", "1"),
        "right": MetricSpec("pairs with both answers right", "1", 0, 1),
        "gap": MetricSpec("what there is to recover", "logits"),
    },
    parameters=lambda: {"pairs": PAIRS, "cover": COVER},
    invariances=INVARIANCES,
)
def count_path(context: CountContext) -> Measurement:
    """Which component writes the count, and which reads it?"""
    with torch.no_grad():
        paths = CountPaths(context.model, count_pairs(context))
        found = _paths(paths) if paths.followed else None
    known = {"right": paths.right, "gap": paths.gap}
    if found is None:
        return Measurement(metrics={**dict.fromkeys(count_path.specs), **known})
    return Measurement(metrics={**found.metrics, **known}, arrays=found.arrays)


def _paths(paths: CountPaths) -> Measurement:
    writers = paths.heads_here()
    block, head = first_of_best(writers)
    if paths.by_head:
        reads = {part: paths.read_by_heads(part) for part in "qkv"}
    else:
        reads = {"mixing": paths.read_by_mixers()}
    by_heads = torch.stack(list(reads.values())).nan_to_num(-torch.inf).amax(0)
    by_mlps = paths.here("mlp_out", paths.written)
    elsewhere = paths.elsewhere("attn_out")
    metrics = {
        "writer_share": writers[block, head],
        "writer_block": block,
        "writer_head": head if paths.by_head else None,
        "writer_taken": paths.taken(paths.together([(block, head)])),
        "writers": len(fewest_heads(paths, writers)),
        "elsewhere": elsewhere.max(),
        "mlp_share": None,
        "mlp_block": None,
        "head_share": None,
        "head_block": None,
        "head_number": None,
        "direct_share": paths.read_directly,
    }
    if not by_mlps.isnan().any():
        (reader,) = first_of_best(by_mlps)
        metrics |= {"mlp_share": by_mlps[reader], "mlp_block": reader}
    if paths.layers > 1:
        later, number = first_of_best(by_heads[1:])
        metrics |= {"head_share": by_heads[1 + later, number]}
        metrics |= {"head_block": 1 + later, "head_number": number if paths.by_head else None}
    arrays = {
        "writers": writers,
        "heads_everywhere": paths.heads_everywhere(),
        "attn_out": torch.stack([paths.here("attn_out", paths.partners), elsewhere], 1),
        "mlp_out": _both(paths, "mlp_out"),
        "resid_pre": _both(paths, "resid_pre"),
        "read_by_mlp": by_mlps,
        **{f"read_by_{part}": share for part, share in reads.items()},
    }
    return Measurement(metrics=metrics, arrays=arrays)


def _both(paths: CountPaths, part: str) -> Float[Tensor, "layer 2"]:
    return torch.stack([paths.here(part, paths.partners), paths.elsewhere(part)], 1)


def _why_not(model: "HookedTransformer", task: HistogramTask) -> str | None:
    return needs_counts(model, task) or lacks_hook(model, "hook_attn_out", "hook_mlp_out")


count_path.applies(_why_not)


@count_path.figure
def _draw(result: ProbeResult) -> "Figure":
    if "writers" not in result.arrays:
        figure, (axes,) = blank()
        axes.text(0.5, 0.5, "The answers do not follow the count", ha="center", fontsize=9)
        axes.set_axis_off()
        return figure
    arrays = {name: np.asarray(values, float) for name, values in result.arrays.items()}
    by_heads = [arrays[name] for name in map("read_by_{}".format, PARTS) if name in arrays]
    reads = np.nan_to_num(np.stack(by_heads), nan=-np.inf).max(0)
    layers, n_heads = reads.shape
    direct = np.full(layers, np.nan)
    direct[-1] = result.value("direct_share")  # it reads the stream after the last block
    heads = [f"head {head}" if n_heads <= FEW else str(head) for head in range(n_heads)]
    if result.metrics["writer_head"].value is None:
        heads = ["mixing"]
    sides = {
        "Writes the count": (
            np.column_stack([arrays["writers"], arrays["attn_out"][:, 1]]),
            [*heads, "other\npositions"],
        ),
        "Reads the count": (
            np.column_stack([reads, arrays["read_by_mlp"], direct]),
            [*heads, "feed-\nforward", "unem-\nbedding"],
        ),
    }
    figure, both = blank(2, min(2 + 0.5 * (n_heads + 2), 5.5), min(1.6 + 0.5 * layers, 4.5))
    for axes, (title, (values, names)) in zip(both, sides.items(), strict=True):
        shown = values.round(2) + 0.0  # no negative zeros
        outside = np.nanmin(shown) < 0 or np.nanmax(shown) > 1
        heatmap(
            axes,
            shown,
            x="component",
            y="block",
            bar="share of the answer" + ("\n(colours end at 0 and 1)" if outside else ""),
            vmin=0,
            vmax=1,
            annot=values.shape[1] <= NARROW,
            fmt=".2f",
        )
        size = 7 if values.shape[1] <= NARROW else 6
        axes.set_xticks(np.arange(len(names)) + 0.5, names, fontsize=size)
        axes.set_title(title)
        axes.grid(visible=False)  # empty cells stay empty
    return figure


@count_path.words
def _say(result: ProbeResult) -> str:
    if "writers" not in result.arrays:
        return "On these pairs the answers do not follow the count: there is no path to look for."
    value = {name: result.value(name) for name in result.metrics}
    block = f"block {value['writer_block']:.0f}"
    known_head = result.metrics["writer_head"].value is not None
    head = f"head {value['writer_head']:.0f} of {block}" if known_head else f"the mixing of {block}"
    share = f"{value['writer_share']:.0%} of the answer's change"
    n = value["writers"]
    parts = "heads" if known_head else "blocks"
    writer = f"{head} ({share})" if n == 1 else f"{n:.0f} {parts} (strongest: {head}, {share})"
    known = _readers(result)
    best = sorted(known, key=lambda name: -known[name])[:NAMED]
    said = [name for name in best if name == best[0] or known[name] > MENTION]
    read = " and ".join(f"{name} ({known[name]:.0%})" for name in said)
    written = float(np.clip(np.asarray(result.arrays["writers"], float), 0, None).sum())
    over = max(written, sum(known[name] for name in said)) > OVER
    sums = " Shares need not add up to 100%: paths run through one another." if over else ""
    passed = value["elsewhere"]
    other = f" {passed:.0%} of it goes by way of other positions." if passed > MENTION else ""
    right = value["right"]
    doubt = f" Only {right:.0%} of the pairs are answered rightly." if right < SOLVED else ""
    return f"The count is written by {writer} and read by {read}.{other}{sums}{doubt}"


def _readers(result: ProbeResult) -> dict[str, float]:
    """Share of every reader, by what a sentence calls it."""
    arrays = {name: np.asarray(values, float) for name, values in result.arrays.items()}
    found = {"the answer itself, past all feed-forward layers": result.value("direct_share")}
    for block, share in enumerate(arrays["read_by_mlp"]):
        found[f"the feed-forward layer of block {block}"] = share
    for part, called in PARTS.items():
        for (block, head), share in np.ndenumerate(arrays.get(f"read_by_{part}", np.zeros((0, 0)))):
            found[called.format(head=head, block=block)] = share
    return {name: float(share) for name, share in found.items() if not np.isnan(share)}
