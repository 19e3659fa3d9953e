"""Which component writes the count, which reads it: activation patching between counts."""

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from probes.count_pairs import PAIRS, count_pairs
from probes.count_paths import CountPaths, Head
from probes.counting import CountContext, needs_counts
from probes.drawing import DIVERGING, blank, heatmap
from probes.invariances import INVARIANCES
from probes.registry import Measurement, MetricSpec, probe
from probes.results import ProbeResult

COVER = 0.9
TIE = 1e-3  # shares closer than this are equal: the first component is named
MENTION = 0.1  # a share that the sentence mentions
SMALL = 64  # cells that a map has numbers in


def first_of_best(shares: Float[Tensor, "*axes"]) -> tuple[int, ...]:
    """Indices of the first share that is no more than a tie below the largest."""
    flat = shares.flatten()
    best = int((flat >= flat.max() - TIE).nonzero()[0])
    return tuple(int(i) for i in np.unravel_index(best, shares.shape))


def fewest_heads(paths: CountPaths, alone: Float[Tensor, "layer head"]) -> list[Head]:
    """Heads, strongest first, until they recover 90 % together at the marked position.

    All heads together recover everything: the marked token is the same in both sequences, and
    only attention moves anything between positions.
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
        "writers": MetricSpec("heads that recover 90 % together", "heads", 1),
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
    parameters={"pairs": PAIRS, "cover": COVER},
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
    reads = {part: paths.read_by_heads(part) for part in "qkv"}
    by_heads = torch.stack(list(reads.values())).nan_to_num(-torch.inf).amax(0)
    by_mlps = paths.here("mlp_out", paths.written)
    elsewhere = paths.elsewhere("attn_out")
    metrics = {
        "writer_share": writers[block, head],
        "writer_block": block,
        "writer_head": head,
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
        metrics |= {"head_block": 1 + later, "head_number": number}
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


count_path.applies(needs_counts)


@count_path.figure
def _draw(result: ProbeResult) -> Figure:
    if "writers" not in result.arrays:
        figure, (axes,) = blank()
        axes.text(0.5, 0.5, "The answers do not follow the count", ha="center", fontsize=9)
        axes.set_axis_off()
        return figure
    arrays = {name: np.asarray(values, float) for name, values in result.arrays.items()}
    with_queries = [arrays[f"read_by_{part}"] for part in "qkv"]
    reads = np.nan_to_num(np.stack(with_queries), nan=-np.inf).max(0)
    heads = [f"head {h}" for h in range(reads.shape[1])]
    sides = {
        "Writes the count": (
            np.column_stack([arrays["writers"], arrays["attn_out"][:, 1]]),
            [*heads, "elsewhere"],
        ),
        "Reads the count": (
            np.column_stack([reads, arrays["read_by_mlp"]]),
            [*heads, "feed-\nforward"],
        ),
    }
    figure, both = blank(2)
    for axes, (title, (values, names)) in zip(both, sides.items(), strict=True):
        limit = max(1.0, float(np.nanmax(np.abs(values))))
        heatmap(
            axes,
            values,
            x="",
            y="block",
            bar="share of the answer",
            cmap=DIVERGING,
            vmin=-limit,
            vmax=limit,
            annot=values.size <= SMALL,
            fmt=".2f",
        )
        axes.set_xticks(np.arange(len(names)) + 0.5, names)
        axes.set_title(title)
    return figure


@count_path.words
def _say(result: ProbeResult) -> str:
    if "writers" not in result.arrays:
        return "On these pairs the answers do not follow the count: there is no path to look for."
    value = {name: result.value(name) for name in result.metrics}
    head = f"head {value['writer_head']:.0f} of block {value['writer_block']:.0f}"
    share = f"{value['writer_share']:.0%} of the answer's change"
    n = value["writers"]
    writer = f"{head} ({share})" if n == 1 else f"{n:.0f} heads, most of it by {head} ({share})"
    readers = {
        f"the feed-forward layer of block {value['mlp_block']:.0f}": value["mlp_share"],
        _reading_head(result): value["head_share"],
        "the answer itself, past all feed-forward layers": value["direct_share"],
    }
    known = {name: share for name, share in readers.items() if share == share}
    best = max(known, key=lambda name: known[name])
    said = [name for name in known if name == best or known[name] > MENTION]
    said.sort(key=lambda name: -known[name])
    read = " and ".join(f"{name} ({known[name]:.0%})" for name in said)
    passed = value["elsewhere"]
    other = f" {passed:.0%} of it goes by way of other positions." if passed > MENTION else ""
    return f"The count is written by {writer} and read by {read}.{other}"


def _reading_head(result: ProbeResult) -> str:
    if np.isnan(result.value("head_share")):
        return ""
    block, head = (int(result.value(f"head_{name}")) for name in ("block", "number"))
    sides = {"queries": "q", "keys": "k", "values": "v"}
    read = {
        s: np.asarray(result.arrays[f"read_by_{n}"], float)[block, head] for s, n in sides.items()
    }
    side = max(read, key=lambda name: np.nan_to_num(read[name], nan=-np.inf))
    return f"the {side} of head {head} of block {block}"
