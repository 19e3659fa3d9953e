"""Figures over all models: where scores come from, and accuracy with one source kept."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mechprobe.analyses.studies.positional_semantic.contents import Model, PositionalSemantic, Start
from mechprobe.probes.drawing import GREY, PARTS, blank

ALONE = {"positional": "#7fb8d9", "semantic": "#7fceb9"}  # the key's part alone, paler
MARKS: dict[Start, tuple[str, str]] = {
    "only_pos": ("s", PARTS["positional"]),
    "only_sem": ("o", PARTS["semantic"]),
    "both": ("D", PARTS["cross"]),
}
# Label, colour, and how far beside its place a mark stands so that none hides another.
KEPT = {
    "everything": ("both, untouched", "black", 0.0),
    "positional": ("positional alone", PARTS["positional"], -0.15),
    "semantic": ("semantic alone", PARTS["semantic"], 0.15),
    "neither": ("neither", GREY, 0.0),
}
GAP = 1.0  # bars between two groups


def groups(study: PositionalSemantic) -> dict[str, list[Model]]:
    """Models by start and stage, in the order they are shown."""
    named = {
        f"{start},\n{stage}": study.stage(start, freed)
        for start in ("only_pos", "only_sem")
        for stage, freed in (("before", False), ("after", True))
    } | {"free": study.stage("both")}
    return {name: models for name, models in named.items() if models}


def shares(study: PositionalSemantic) -> Figure:
    """Stacked shares of every model, and the plane of both amplitudes."""
    figure = Figure(figsize=(12, 4.2))
    figure.set_layout_engine("constrained", w_pad=0.08, wspace=0.06)
    with sns.axes_style("whitegrid", {"grid.color": ".92"}), sns.plotting_context("notebook", 0.75):
        left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    _stacked(left, study)
    _plane(right, study)
    return figure


def kept(study: PositionalSemantic) -> Figure:
    """Accuracy of every model with everything, with one source and with none."""
    figure, (axes,) = blank(1, width=9.5, height=3.2)
    for name, (label, colour, beside) in KEPT.items():
        whole = name == "everything"
        for n, (places, models) in enumerate(_placed(axes, study)):
            values = [100 * float(getattr(model.kept, name)) for model in models]
            axes.plot(
                places + beside, values, ls="", color=colour, ms=6 if whole else 5,
                marker="_" if whole else "o", mew=1.8 if whole else 0,
                label=label if n == 0 else None,
            )  # fmt: skip
    chance = 100 * fmean(model.kept.chance for model in study.models)
    axes.axhline(chance, color=GREY, ls=":", lw=1, label="best constant answer")
    axes.set(ylim=(0, 103), ylabel="accuracy (%)", title="Accuracy with one source kept")
    _below(axes, 5)
    return figure


def _stacked(axes: Axes, study: PositionalSemantic) -> None:
    parts = ("positional", "semantic", "cross")
    for n, (places, models) in enumerate(_placed(axes, study)):
        bottom = np.zeros(len(models))
        for part in parts:
            whole = _percents([getattr(model.shares, part) for model in models])
            key = {"positional": "key_position", "semantic": "key_token"}.get(part, "")
            alone = _percents([getattr(model.shares, key, None) for model in models])
            pieces = [(whole - alone, PARTS[part], part)]
            if part in ALONE:
                pieces.append((alone, ALONE[part], f"{part}, key alone"))
            for height, colour, label in pieces:
                name = label if n == 0 else None
                axes.bar(places, height, bottom=bottom, color=colour, label=name, width=0.85, lw=0)
                bottom += height
    axes.set(ylim=(0, 100), ylabel="share of the scores' variance (%)")
    axes.set_title("Where attention scores come from")
    axes.grid(visible=False, axis="x")
    _below(axes, 5)


def _plane(axes: Axes, study: PositionalSemantic) -> None:
    """After unfreezing filled, before a ring around it, a line between the two."""
    for start, (marker, colour) in MARKS.items():
        for freed in (False, True):
            models = study.stage(start, freed)
            if not models:
                continue
            filled = freed or start == "both"
            axes.plot(
                [m.theta_like for m in models], [m.m_like for m in models], ls="",
                marker=marker, ms=5 if filled else 11, mew=0 if filled else 1.3, color=colour,
                mfc=colour if filled else "none", clip_on=False, zorder=3,
                label={"both": "free"}.get(start, f"{start}, {'after' if freed else 'before'}"),
            )  # fmt: skip
    for _, before, after in study.solutions:
        axes.plot(
            [before.theta_like, after.theta_like], [before.m_like, after.m_like],
            color=GREY, lw=0.8, zorder=1,
        )  # fmt: skip
    axes.set(xlabel="semantic amplitude (like θ)", ylabel="positional amplitude (like m)")
    # Pure models have one amplitude of next to nothing: their marks need room left of and below 0.
    for high, limit in ((axes.get_xlim()[1], axes.set_xlim), (axes.get_ylim()[1], axes.set_ylim)):
        limit(-0.08 * high, 1.04 * high)
    axes.set_title("Amplitudes, by analogy")
    _below(axes, 2)


def _placed(axes: Axes, study: PositionalSemantic) -> list[tuple[np.ndarray, Sequence[Model]]]:
    """Places of the bars of every group; its name stands below their middle."""
    found: list[tuple[np.ndarray, Sequence[Model]]] = []
    at, ticks = 0.0, {}
    for name, models in groups(study).items():
        places = at + np.arange(len(models))
        ticks[name] = float(places.mean())
        found.append((places, models))
        at += len(models) + GAP
    axes.set_xticks(list(ticks.values()), list(ticks), fontsize=8)
    axes.set_xlim(-GAP, at - GAP / 2)
    return found


def _percents(values: Sequence[float | None]) -> np.ndarray:
    return 100 * np.array([value or 0.0 for value in values])


def _below(axes: Axes, columns: int) -> None:
    axes.legend(
        fontsize=8.5, loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=columns, frameon=False
    )
