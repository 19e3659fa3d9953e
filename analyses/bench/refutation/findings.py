"""What the measurements say: jumps along the path, and how full the middle of the line is."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import binomtest

from mechprobe.analyses.bench.refutation.measuring import FREE, MEASURES

JUMP = 0.25  # share of a measure's whole change that one step of a smooth path stays below
MIDDLE = (0.3, 0.7)  # of the line from inventory (0) to relation (1)
# Share in the middle: uniform on the line it would be 0.4. Below half of that models cluster.
CLUSTER, FILL = 0.2, 0.4


def largest_steps(paths: pd.DataFrame, every: int = 1) -> pd.DataFrame:
    """Largest step of each measure between neighbours on a path, as a share of its whole range, the
    mean over seeds being taken first.

    Args:
        paths: blends; see `along_paths`.
        every: take every so many of the points.
    """
    out = {}
    for name, group in paths.groupby("path", sort=False):
        curve = group.groupby("at")[list(MEASURES)].mean().to_numpy()[::every]
        span = curve.max(0) - curve.min(0)
        steps = np.abs(np.diff(curve, axis=0)).max(0)
        out[name] = np.where(span > 0.05, steps / np.where(span > 0, span, 1), np.nan)
    return pd.DataFrame(out, index=list(MEASURES)).T


def lines(table: pd.DataFrame) -> dict[str, Float[np.ndarray, " model"]]:
    """Where each model stands between inventory (0) and relation (1), by several measures."""
    toward = (table.relation - table.inventory + 0.5).to_numpy()
    return {
        "kappa": table.kappa.to_numpy(),
        "used": table.used.to_numpy(),
        "lost": table.lost.to_numpy(),
        "interchange accuracies": toward,
    }


def token_lines(table: pd.DataFrame) -> dict[str, Float[np.ndarray, " token"]]:
    """The same of every token; those without a kappa are left out."""
    found = {
        name: np.concatenate([np.asarray(row, float) for row in table[f"token_{name}"]])
        for name in ("kappa", "used", "received")
    }
    return {name: values[~np.isnan(values)] for name, values in found.items()}


def middle(values: Float[np.ndarray, " n"]) -> tuple[float, float, float]:
    """Share in the middle of the line, with a 95 % interval (Wilson)."""
    inside = int(((values > MIDDLE[0]) & (values < MIDDLE[1])).sum())
    interval = binomtest(inside, len(values)).proportion_ci(method="wilson")
    return inside / len(values), float(interval.low), float(interval.high)


def filling(share: tuple[float, float, float]) -> str:
    """Whether a middle is empty ("cluster"), full ("fill") or in between ("thin")."""
    _, low, high = share
    if high < CLUSTER:
        return "cluster"
    return "fill" if low > FILL else "thin"


def crossings(paths: pd.DataFrame) -> pd.DataFrame:
    """Where on each path each measure passes half of its change: measures of one thing that moves
    pass it together."""
    out = {}
    for name, group in paths.groupby("path", sort=False):
        curve = group.groupby("at")[list(MEASURES)].mean()
        half = (curve.iloc[0] + curve.iloc[-1]) / 2
        up = curve.iloc[-1] >= curve.iloc[0]
        past = (curve >= half) == up
        out[name] = past.idxmax()
    return pd.DataFrame(out).T


def free(table: pd.DataFrame) -> pd.DataFrame:
    """Models of architectures that could count either way."""
    return table[table.path.isin(FREE)]
