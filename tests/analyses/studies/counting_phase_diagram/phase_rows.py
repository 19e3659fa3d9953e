"""A made-up table of a sweep: accuracies like the published ones, labels that may go with them."""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from mechprobe.analyses.studies.counting_phase_diagram.published import published

ARCHITECTURES = ("bos", "bos+sftm", "dot", "dot+sftm", "lin", "lin+sftm")
PAPER = (2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181)  # fourteen values
POWERS = (2, 4, 8, 16, 32, 64, 128)
MEASURES = tuple(f"probe-{i // 4}.metric_{i % 4}" for i in range(28))


def make_rows(
    ds: Sequence[int] = POWERS,
    ps: Sequence[int] = POWERS,
    seeds: int = 2,
    rates: Sequence[float] = (0.003, 0.01),
    architectures: Sequence[str] = ARCHITECTURES,
    T: int = 32,
    L: int = 10,
) -> list[dict[str, Any]]:
    """All columns filled; the same table every time."""
    known = {(row.architecture, row.d, row.p): row.accuracy for row in published()}
    rng = np.random.default_rng(0)
    return [
        row
        for architecture, d, p, seed in product(architectures, ds, ps, range(seeds))
        for row in _of_one_seed(architecture, d, p, seed, rates, (T, L), known, rng)
    ]


def _of_one_seed(
    architecture: str,
    d: int,
    p: int,
    seed: int,
    rates: Sequence[float],
    sizes: tuple[int, int],
    known: dict[tuple[str, int, int], float],
    rng: np.random.Generator,
) -> Iterator[dict[str, Any]]:
    centre = _between(known, architecture, d, p)
    found = np.clip(centre + rng.normal(0.005, 0.03, len(rates)), 0.2, 1.0)
    best = int(found.argmax())
    for i, rate in enumerate(rates):
        yield _model(architecture, d, p, seed, rate, sizes, float(found[i]), i == best, rng)


def _between(known: dict[tuple[str, int, int], float], architecture: str, d: int, p: int) -> float:
    """The published accuracy, bilinear in log2 d and log2 p, constant beyond."""

    def ends(value: int) -> tuple[int, int, float]:
        at = min(max(math.log2(value), 1.0), 7.0)
        low = min(int(at), 6)
        return 2**low, 2 ** (low + 1), at - low

    d0, d1, u = ends(d)
    p0, p1, v = ends(p)
    low = (1 - v) * known[architecture, d0, p0] + v * known[architecture, d0, p1]
    high = (1 - v) * known[architecture, d1, p0] + v * known[architecture, d1, p1]
    return (1 - u) * low + u * high


def _model(
    architecture: str,
    d: int,
    p: int,
    seed: int,
    rate: float,
    sizes: tuple[int, int],
    accuracy: float,
    chosen: bool,
    rng: np.random.Generator,
) -> dict[str, Any]:
    T, L = sizes
    looks_up = architecture in ("lin", "lin+sftm", "dot+sftm")
    shared = 0.02 if looks_up else float(rng.choice([0.97, 0.95, 0.6], p=[0.55, 0.25, 0.2]))
    kappa = np.where(rng.random(T) < shared, rng.normal(0.95, 0.06, T), rng.normal(0.0, 0.08, T))
    tokens = ["shared" if k >= 0.7 else "private" if abs(k) <= 0.3 else "partial" for k in kappa]
    mechanism, counters = "mixed", int(rng.integers(3, T))
    if accuracy < 0.9:
        mechanism, counters = "unsolved", None
    elif looks_up:
        mechanism, counters = "inventory-based", T
    elif shared > 0.9:
        mechanism, counters = "relation-based", 1 if shared > 0.96 else int(rng.integers(2, 6))
    row = {
        "model": f"{architecture}-d{d}-p{p}-seed{seed}-lr{rate:g}",
        "architecture": architecture,
        "T": T,
        "L": L,
        "d": d,
        "p": p,
        "seed": seed,
        "lr": rate,
        "steps": 15000,
        "batch": 32,
        "schedule": "cosine",
        "diverged_at": None,
        "validation_accuracy": float(np.clip(accuracy + rng.normal(0, 0.004), 0, 1)),
        "accuracy": accuracy,
        "chosen": chosen,
        "mechanism": mechanism,
        "attention": "positional" if architecture.startswith("lin") else "semantic",
        "counters": counters,
        "confidence": float(rng.beta(9, 1)),
        "agreement": float(rng.beta(12, 1)),
        "attention_agreement": 1.0,
        "reasons": [
            f"accuracy {accuracy:.1%}, {shared:.0%} of the tokens share a counter with others",
            f"removing what they share costs {rng.random():.0%} of the accuracy above chance",
            f"{rng.random():.0%} of the mixing weights' variation is due to tokens",
        ],
        "tokens": tokens,
        "kappa": [float(k) for k in kappa],
        "rule": "2 (calibration 1)",
        "problem": None,
        "model_hash": rng.bytes(32).hex(),
    }
    names = ("chance", "own_slope", "kappa", "shared", "private", "lost", "token_share",
             "separable", "variation", "accuracy")  # fmt: skip
    row |= {f"evidence_{name}": float(rng.normal()) for name in names}
    row["evidence_chance"] = 0.2
    return row | {name: float(rng.normal()) for name in MEASURES}
