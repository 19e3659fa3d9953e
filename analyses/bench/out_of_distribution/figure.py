"""The picture: a panel for each kind of data, a dot for each model."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from mechprobe.analyses.bench.out_of_distribution.page import OUTCOMES
from mechprobe.analyses.bench.out_of_distribution.table import SOLVED
from mechprobe.probes.drawing import blank
from mechprobe.probes.reading import READINGS


def draw(models: pd.DataFrame) -> Figure:
    """Right answers by architecture and label."""
    solved = models[(models["seen"] >= SOLVED) & (models["label"] != "unsolved")]
    kinds = READINGS["histogram"].axes[0].kinds
    colours = {name: kinds[name].colour for name in kinds if name in set(solved["label"])}
    known = {name: title for name, title in OUTCOMES.items() if name in solved}
    figure, panels = blank(len(known), width=3.6, height=3.4)
    for axes, (outcome, title) in zip(panels, known.items(), strict=True):
        some = solved[solved[outcome].notna()]
        sns.stripplot(
            some, x=outcome, y="architecture", hue="label", palette=colours, dodge=True,
            jitter=0.2, size=3.5, ax=axes, legend=axes is panels[-1],
            hue_order=list(colours), order=sorted(set(solved["architecture"])),
        )  # fmt: skip
        axes.set(title=title, xlabel="share of right answers", ylabel="", xlim=(-0.03, 1.03))
    panels[-1].legend(fontsize=7, loc="upper left")
    return figure
