"""How much a label says about behaviour: effect, interval, permutation test, within strata."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int

from mechprobe.models.base.draws import draw_uniform

DRAWS = 2000
COVERED = 95  # per cent


@dataclass(frozen=True)
class Contrast:
    """Mean of one group less that of the other.

    Args:
        effect: mean difference within strata, each with the weight n1 n0 / (n1 + n0).
        low, high: 95 % of bootstrap samples of models within strata.
        chance: two-sided, of labels exchanged within strata.
        ones, zeros: models of either group in strata that have both.
        strata: how many have both.
    """

    effect: float
    low: float
    high: float
    chance: float
    ones: int
    zeros: int
    strata: int


def contrast(
    table: pd.DataFrame,
    outcome: str,
    group: Bool[np.ndarray, " model"],
    strata: Sequence[str],
    generator: torch.Generator,
) -> Contrast | None:
    """Compare two groups of models; None where no stratum has both.

    Args:
        table: a row a model; the outcome is a number everywhere.
        outcome: column that is compared.
        group: who is in the first group.
        strata: columns whose values make a stratum; none for one stratum.
        generator: source of resampling.
    """
    if not len(table):
        return None
    values = table[outcome].to_numpy(dtype=float)
    keys = table[list(strata)].astype(str).agg("/".join, axis=1) if strata else pd.Series([""])
    codes = pd.factorize(keys)[0] if strata else np.zeros(len(table), dtype=int)
    places = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    places = [at for at in places if group[at].any() and not group[at].all()]
    if not places:
        return None
    effect = _effect(values, group, places)
    drawn = [_resampled(at, generator) for at in places]
    spread = [
        _effect(values, group, [rows[i] for rows in drawn if _both(group[rows[i]])])
        for i in range(DRAWS)
        if any(_both(group[rows[i]]) for rows in drawn)
    ]
    orders = [_orders(at, generator) for at in places]
    null = np.empty(DRAWS)
    for i in range(DRAWS):
        mixed = group.copy()
        for at, rows in zip(places, orders, strict=True):
            mixed[at] = group[rows[i]]
        null[i] = _effect(values, mixed, places)
    tail = (100 - COVERED) / 2
    low, high = np.percentile(spread, [tail, 100 - tail])
    every = np.concatenate(places)
    return Contrast(
        effect,
        float(low),
        float(high),
        (1 + int((np.abs(null) >= abs(effect) - 1e-12).sum())) / (DRAWS + 1),
        int(group[every].sum()),
        int((~group[every]).sum()),
        len(places),
    )


def _both(group: Bool[np.ndarray, " n"]) -> bool:
    return bool(group.any() and not group.all())


def _effect(
    values: Float[np.ndarray, " model"],
    group: Bool[np.ndarray, " model"],
    places: Sequence[Int[np.ndarray, " n"]],
) -> float:
    gaps, weights = [], []
    for at in places:
        ones = group[at]
        gaps.append(values[at][ones].mean() - values[at][~ones].mean())
        weights.append(ones.sum() * (~ones).sum() / len(at))
    return float(np.average(gaps, weights=weights))


def _resampled(at: Int[np.ndarray, " n"], generator: torch.Generator) -> Int[np.ndarray, "draw n"]:
    lots = draw_uniform((DRAWS, len(at)), generator).numpy()
    rows: np.ndarray = at[(lots * len(at)).astype(int)]
    return rows


def _orders(at: Int[np.ndarray, " n"], generator: torch.Generator) -> Int[np.ndarray, "draw n"]:
    lots = draw_uniform((DRAWS, len(at)), generator, torch.float64).numpy()
    rows: np.ndarray = at[lots.argsort(1)]
    return rows
