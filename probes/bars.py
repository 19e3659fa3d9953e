"""The bar picture of causal checks: accuracy under intervention, with the unablated level."""

from collections.abc import Mapping

import seaborn as sns
from matplotlib.figure import Figure

from probes.drawing import BLUE, GREY, ORANGE, blank


def accuracy_bars(bars: Mapping[str, float], unablated: float, chance: float, title: str) -> Figure:
    """Accuracies under interventions, with lines for the untouched model and for chance."""
    figure, (axes,) = blank(1)
    sns.barplot(x=list(bars), y=list(bars.values()), ax=axes, color=BLUE, width=0.5)
    for i, value in enumerate(bars.values()):
        axes.text(i, value + 0.02, f"{value:.2f}", ha="center", fontsize=8)
    axes.axhline(unablated, color=ORANGE, ls="--", label=f"unablated ({unablated:.2f})")
    axes.axhline(chance, color=GREY, ls=":", label=f"constant answer ({chance:.2f})")
    axes.set(ylim=(0, 1.12), ylabel="accuracy", title=title)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
