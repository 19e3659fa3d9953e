"""The page and the figure of the study, written from the measurements alone."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mechprobe.analyses.bench.refutation.findings import (
    CLUSTER,
    FILL,
    JUMP,
    MIDDLE,
    crossings,
    filling,
    free,
    largest_steps,
    lines,
    middle,
    token_lines,
)
from mechprobe.analyses.bench.refutation.measuring import FREE, MEASURES, WIDTHS, L, T
from mechprobe.probes.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, blank

COLOURS = dict(
    zip(MEASURES, (BLUE, ORANGE, GREEN, PURPLE, GREY, "#56b4e9", "#e69f00"), strict=True)
)
COARSE = 4  # every so many points of a path, for the second reading of its steps
SAID = {
    "cluster": "the middle is empty: they cluster",
    "thin": "the middle is thin, and not empty",
    "fill": "they fill the line",
}


def drawn(paths: pd.DataFrame, models: pd.DataFrame) -> Figure:
    """Measures along one path, trained models, and their tokens."""
    figure, (left, centre, right) = blank(3, width=4.2, height=3.6)
    name = paths.path.iloc[-1]
    curve = paths[paths.path == name].groupby("at")[list(MEASURES)].mean()
    for measure in MEASURES:
        left.plot(curve.index, curve[measure], color=COLOURS[measure], lw=1.2, label=measure)
    left.set(xlabel="share of logits that is relation-based", title=f"Measures along {name}")
    for (arch, group), marker in zip(models.groupby("path", sort=False), "osD^v<", strict=False):
        colour = BLUE if arch in FREE else ORANGE
        centre.plot(
            group.kappa, group.used, marker, color=colour, ms=4, mfc="none", lw=0, label=arch
        )
    centre.set(
        xlabel="kappa, mean over tokens", ylabel="used, mean over tokens", title="Trained models",
        xlim=(-0.6, 1.8),
    )  # fmt: skip
    values = token_lines(free(models))["kappa"].clip(-0.6, 1.8)
    right.hist(values, bins=36, range=(-0.6, 1.8), color=BLUE)
    right.axvspan(*MIDDLE, color=ORANGE, alpha=0.2, lw=0, label="middle of the line")
    right.set(xlabel="kappa of a token", ylabel="tokens", title="Tokens of " + ", ".join(FREE))
    for axes in (left, centre, right):
        axes.legend(
            fontsize=6.5, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=4, frameon=False
        )
    return figure


def page(paths: pd.DataFrame, models: pd.DataFrame, seeds: int) -> str:
    """The page in Markdown.

    Args:
        paths: blends.
        models: trained models that count.
        seeds: trained models of each shape that were tried.
    """
    return "\n".join(
        [
            HEAD,
            "## The path\n",
            _path(paths),
            "## Trained models\n",
            _trained(models, seeds),
            "## What follows\n",
            _verdict(paths, models),
            TAIL,
        ]
    )


def smooth(paths: pd.DataFrame) -> tuple[bool, list[str]]:
    """Whether no measure jumps on at least one path, and which measures jump on all."""
    steps = largest_steps(paths)
    jumps = [m for m in MEASURES if bool((steps[m] >= JUMP).all())]
    return bool(((steps < JUMP) | steps.isna()).all(axis=1).any()), jumps


def _path(paths: pd.DataFrame) -> str:
    fine, coarse, half = largest_steps(paths), largest_steps(paths, COARSE), crossings(paths)
    n = paths["at"].nunique() - 1
    rows = [
        f"| `{name}` | "
        + " | ".join(
            "no change" if np.isnan(fine.loc[name, m]) else
            f"{fine.loc[name, m]:.2f} ({coarse.loc[name, m]:.2f}), {half.loc[name, m]:.2f}"
            for m in MEASURES
        )
        + " |"
        for name in fine.index
    ]  # fmt: skip
    return (
        f"{len(paths)} blends (T={T}, L={L}; {n + 1} values of alpha, {paths.seed.nunique()} seeds)"
        f". The least accuracy among them is {paths.accuracy.min():.3f}: all solve the task."
        f" In each cell: the largest step at a spacing of 1/{n}, in brackets at 1/{n // COARSE}, as"
        " a share of the measure's whole change, and after the comma where it has gone half of the"
        f" way. A step of {JUMP:g} or more is a jump.\n\n"
        f"| path | {' | '.join(MEASURES)} |\n|---|{'---|' * len(MEASURES)}\n"
        + "\n".join(rows)
        + "\n"
    )


def _trained(models: pd.DataFrame, seeds: int) -> str:
    able, total = free(models), len(FREE) * len(WIDTHS) * seeds
    rows = []
    for kind, found in (("models", lines(able)), ("tokens", token_lines(able))):
        for name, values in found.items():
            share = middle(values)
            below, above = (values <= MIDDLE[0]).mean(), (values >= MIDDLE[1]).mean()
            rows.append(
                f"| {kind} | {name} | {len(values)} | {below:.2f} | {share[0]:.2f}"
                f" ({share[1]:.2f} to {share[2]:.2f}) | {above:.2f} | {SAID[filling(share)]} |"
            )
    bound = models[~models.path.isin(FREE)]
    return (
        f"Of {total} models of {', '.join(FREE)}, which may count either way (T={T}, L={L}; d, p in"
        f" {', '.join(f'{d}, {p}' for d, p in WIDTHS)}; {seeds} seeds; `fast` plan), {len(able)}"
        " count. Where do they stand, and their tokens? The middle is what lies between"
        f" {MIDDLE[0]:g} and {MIDDLE[1]:g}; a uniform spread over the line would have 0.40 there."
        " In brackets the 95 % interval.\n\n"
        "| of | measure | number | below | middle | above | |\n|---|---|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n\nInterchange accuracies, with the largest of three controls (untrained network,"
        " shuffled counts, random subspace), means over models:\n\n"
        "| models | number | kappa | used | relation (control) | inventory (control) |\n"
        "|---|---|---|---|---|---|\n"
        + _controls("that may count either way", able)
        + _controls("that have to look up", bound)
        + "\n![Seven measures along a path of blends; kappa against use of trained models; kappa of"
        " their tokens](images/two_mechanisms.png)\n"
    )


def _controls(name: str, table: pd.DataFrame) -> str:
    if table.empty:
        return f"| {name} | 0 | | | | |\n"
    mean = table.mean(numeric_only=True)
    return (
        f"| {name} | {len(table)} | {mean.kappa:.2f} | {mean.used:.2f} | {mean.relation:.2f}"
        f" ({mean.relation_control:.2f}) | {mean.inventory:.2f} ({mean.inventory_control:.2f}) |\n"
    )


def _verdict(paths: pd.DataFrame, models: pd.DataFrame) -> str:
    all_smooth, jumps = smooth(paths)
    able = free(models)
    of_models = {name: filling(middle(values)) for name, values in lines(able).items()}
    of_tokens = {name: filling(middle(values)) for name, values in token_lines(able).items()}
    names = ", ".join(f"`{name}`" for name in jumps)
    least, smoothest = min((max(row), name) for name, row in _steps(paths).items())
    first = (
        "A smooth path: yes. On at least one path no measure jumps."
        if all_smooth
        else "A smooth path: no. On every path some measure jumps"
        + (f", {names} on all of them." if jumps else ", not the same one on each.")
        + " The weights change without a break all the same; it is the answers, an argmax, that go"
        " over in steps."
    )
    half = crossings(paths).to_numpy(float)
    filled = [name for name, state in of_models.items() if state == "fill"]
    second = f"yes, by {', '.join(filled)}" if filled else "no, by no measure"
    held = bool(all_smooth and filled)
    return (
        f"- {first} The largest step of the smoothest path, `{smoothest}`, is"
        f" {least:.2f} of a measure's change, at a bar of {JUMP:g}: judge how near that is.\n"
        "- On a path the measures do not go over together: half of their way lies at shares from"
        f" {half.min():.2f} to {half.max():.2f}.\n"
        f"- A filled line: {second}.\n"
        f"- Trained models: {_listed(of_models)}.\n"
        f"- Their tokens: {_listed(of_tokens)}.\n"
        f"- The finding that would refute two mechanisms was {'' if held else 'not '}made: "
        + ("a smooth path and a filled line." if held else "it takes both halves.")
        + "\n"
    )


def _steps(paths: pd.DataFrame) -> dict[str, list[float]]:
    """Largest steps of the measures that change, by path."""
    rows = zip(paths.path.unique(), largest_steps(paths).to_numpy(), strict=True)
    return {str(name): [0.0, *row[~np.isnan(row)].tolist()] for name, row in rows}


def _listed(states: dict[str, str]) -> str:
    return "; ".join(f"by {name} {SAID[state]}" for name, state in states.items())


HEAD = f"""# Two mechanisms?

    mechprobe bench refutation [--out docs] [--seeds 10]

That command measures everything below and writes this page and its figure.

Labels speak of relation-based and inventory-based counting as two mechanisms. Circuits that were
called two have been argued to be one, seen from two ends. So we say beforehand what would refute
us, and look for it.

## What would refute it

They are one mechanism with two ends, and the kinds are cuts through a continuum, if both hold:

1. **A smooth path**: there is a path of models, all of which solve the task, from one to the
   other, along which every measure moves without a jump. A jump is a step of {JUMP:g} or more of
   a measure's whole change.
2. **A filled line**: models that training made, free to count either way, lie all along it. By at
   least one measure their share in the middle of the line is above {FILL:g} (the whole 95 %
   interval), what a uniform spread has there.

The bars were set before the blends were measured and these models trained; 192 models trained
alike, some of them the same, had been looked at before. If only the first holds,
a continuum can be built and training does not use it: a kind says where a model is, not that
nothing could lie between. Below {CLUSTER:g} (the whole interval) we say that models cluster.

The path are blends ([constructions](constructions.md)): a share alpha of the logits from one
shared counter, the rest from a look-up, over one attention. Measures: kappa and `lost`
([mechanisms](mechanisms.md#what-is-measured)); received, sent, used and the interchange
accuracies of the two causal models ([interchange-counts](probes/interchange-counts.md)).
"""

TAIL = """## What this does not show

- Blends mix two read-outs over one attention. Another path may be smoother, or have a wider
  middle. All measures read the answer, an argmax: logits would move without steps.
- A mean over tokens in the middle may be tokens in the middle, or tokens at both ends: compare
  the two.
- By interchange accuracies the middle also holds models with several counters, and models that
  carry out neither causal model: both accuracies are low there, and their difference is small.
- The sizes are small. With few tokens and counts, shares are coarse, and one token's count tells
  more of the others'.
- "Either way" is what the architecture allows; whether training can reach an inventory there is
  another question.
"""
