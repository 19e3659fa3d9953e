"""A row for each model and for each withheld cell: label, and behaviour away from training."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from mechprobe.analyses.bench.out_of_distribution.behaviour import (
    LONGER,
    answers_at,
    answers_to_uniform,
    cells,
)
from mechprobe.analyses.bench.out_of_distribution.plan import NEVER, Plan, Pupil
from mechprobe.models import HookedTransformer, construct
from mechprobe.models.base.files import write_text
from mechprobe.models.families.counting.constructions import find_construction
from mechprobe.probes.labelling import label

Row = dict[str, Any]
BUILT = ("bos", "bos+sftm", "dot", "dot+sftm", "dot-lookup", "lin")
SOLVED = 0.95  # accuracy on what was seen, for a model to be asked about what was not


def rows_of(pupil: Pupil, model: HookedTransformer, seed: int) -> tuple[Row, list[Row]]:
    """One row of the model, and one of each of its withheld cells.

    Args:
        pupil: how it was trained.
        model: what came out.
        seed: of label and measurements.
    """
    verdict, right = label(model, seed=seed), cells(model, seed)
    kinds, config = verdict.kappa, pupil.config
    seen = [
        float(value)
        for row, lost in zip(right, pupil.withheld.tolist(), strict=True)
        for count, value in enumerate(row, 1)
        if count != lost
    ]
    row: Row = {
        "model": pupil.name,
        "architecture": config.architecture,
        "d": config.d,
        "p": config.p,
        "seed": pupil.seed,
        "lacks": pupil.lacks,
        "label": verdict.mechanism,
        "confidence": verdict.confidence,
        "kappa": float(pd.Series(kinds).mean()),
        "seen": sum(seen) / len(seen),
    }
    if not pupil.lacks:
        row |= _elsewhere(model, seed)
    lost = [
        {**row, "token": token, "count": count, "token kappa": float(kinds[token]),
         "right": float(right[token, count - 1])}
        for token, count in enumerate(pupil.withheld.tolist())
        if count != NEVER
    ]  # fmt: skip
    if lost:
        row["withheld"] = sum(cell["right"] for cell in lost) / len(lost)
    return row, lost


def _elsewhere(model: HookedTransformer, seed: int) -> dict[str, float | None]:
    uniform = answers_to_uniform(model, seed)
    found: dict[str, float | None] = {"uniform": uniform.accuracy}
    if model.config.mixing == "lin":  # one weight for each pair of positions
        return found
    for more in LONGER:
        there = answers_at(model, model.config.L + more, seed)
        found |= {f"right at {more:+d}": there.accuracy, f"off at {more:+d}": there.off}
        found[f"greatest at {more:+d}"] = there.greatest
    return found


def tables(
    models: Iterable[tuple[Pupil, HookedTransformer]], out: Path, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of models and of withheld cells, which are written to `out` as well."""
    found = [rows_of(pupil, model, seed) for pupil, model in tqdm(models, "asking", disable=None)]
    whole = pd.DataFrame([row for row, _ in found])
    lost = pd.DataFrame([cell for _, some in found for cell in some])
    write_text(out / "models.csv", whole.to_csv(index=False))
    write_text(out / "cells.csv", lost.to_csv(index=False))
    return whole, lost


def anchors(plan: Plan, seed: int) -> pd.DataFrame:
    """Constructions of the plan's architectures at its size, asked the same."""
    rows = []
    for name in BUILT:
        model = construct(name, T=plan.T, L=plan.L, seed=seed)
        found = _elsewhere(model, seed)
        rows.append(
            {
                "construction": name,
                "mechanism": find_construction(name).counting,
                "two positions shorter": found.get("right at -2", float("nan")),
                "two positions longer": found.get("right at +2", float("nan")),
                "uniform sampler": found["uniform"],
            }
        )
    return pd.DataFrame(rows)
