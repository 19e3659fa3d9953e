"""The exact law of the partition sampler, and how frequencies are compared with it."""

from collections import defaultdict
from fractions import Fraction

import numpy as np
from scipy.stats import chisquare

LEAST = 1e-5  # of a test statistic's probability; the streams are fixed, so none can flake


def compositions(length: int) -> dict[tuple[int, ...], Fraction]:
    """Every way to cut a sequence into parts, in order, with its exact probability."""
    if length <= 1:
        return {(1,) * length: Fraction(1)}
    return {
        (k, *rest): share / (length - 1)
        for k in range(1, length)
        for rest, share in compositions(length - k).items()
    }


def merged(length: int, T: int) -> dict[tuple[int, ...], Fraction]:
    """The same when there are but T tokens: the surplus joins the last part."""
    found: dict[tuple[int, ...], Fraction] = defaultdict(Fraction)
    for parts, share in compositions(length).items():
        found[(*parts[: T - 1], sum(parts[T - 1 :])) if len(parts) > T else parts] += share
    return found


def agrees(seen: dict, wanted: dict) -> bool:
    """Chi-square of frequencies against exact probabilities; nothing impossible was seen."""
    assert seen.keys() <= wanted.keys()
    total = sum(seen.values())
    frequencies = [seen.get(key, 0) for key in wanted]
    expected = np.array([float(share) for share in wanted.values()]) * total
    assert expected.min() > 5
    return chisquare(frequencies, expected).pvalue > LEAST


def tally(rows) -> dict:
    """How often each row occurs."""
    seen: dict = defaultdict(int)
    for row in rows:
        seen[tuple(row)] += 1
    return seen
