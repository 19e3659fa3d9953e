"""The bar picture of causal checks: accuracy under intervention, with the unablated level."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mechprobe.probes.drawing import BLUE, GREY, ORANGE, blank, legend_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Behind numbers, so that no line crosses them.
_PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}


def accuracy_bars(
    bars: Mapping[str, float], unablated: float, chance: float, title: str, columns: int = 1
) -> "tuple[Figure, list[Axes]]":
    """Accuracies under interventions, with lines for the untouched model and for chance.

    Returns:
        The figure and its axes; the bars are in the first, further columns are left empty.
    """
    import seaborn as sns

    figure, (axes, *rest) = blank(columns)
    sns.barplot(x=list(bars), y=list(bars.values()), ax=axes, color=BLUE, width=0.5)
    for i, value in enumerate(bars.values()):
        axes.text(i, value + 0.02, f"{value:.2f}", ha="center", fontsize=8, bbox=_PAPER)
    axes.axhline(unablated, color=ORANGE, ls="--", label=f"unablated ({unablated:.2f})")
    axes.axhline(chance, color=GREY, ls=":", label=f"constant answer ({chance:.2f})")
    axes.set(ylim=(0, 1.12), ylabel="accuracy", title=title)
    legend_below(axes, 2)
    return figure, [axes, *rest]
