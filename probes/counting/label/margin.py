"""How far evidence is from another label."""

import numpy as np

from mechprobe.probes.counting.kinds import Mechanism
from mechprobe.probes.counting.label.evidence import (
    ASTRAY,
    FOLLOWS,
    HALF,
    MOST,
    PARTLY,
    PRIVATE,
    SEPARABLE,
    SHARED,
    SOLVED,
    SPARED,
    CountEvidence,
    token_shares,
)

FAR = 0.3  # greatest distance that counts, in units of kappa
ACCURACY_STEP, SHARE_STEP, MIXED_STEP = 3, 2, 3  # how the steps of other numbers compare


def margin(mechanism: Mechanism, e: CountEvidence) -> float:
    """Distance of the evidence from the nearest threshold that would change the label.

    In units of kappa, at most FAR; accuracy counts ACCURACY_STEP times and the share of tokens
    behind a pure label SHARE_STEP times, for they move in smaller steps; among mixed tokens shares
    are divided by MIXED_STEP.
    Where transport and removal contradict each other it is the mean of what speaks for the label
    and what speaks against, and may be negative.
    """
    if e.accuracy < SOLVED:
        return _within(ACCURACY_STEP * (SOLVED - e.accuracy), 0, FAR)
    gaps = [ACCURACY_STEP * (e.accuracy - SOLVED)]
    if e.values is not None:
        yes = min(SPARED - e.values[0], e.values[1] - HALF)
        if e.by_position:
            return _within(min(*gaps, yes), 0, FAR)
        gaps.append(-yes)
    if e.earlier is not None:
        gaps.append(abs(e.earlier.needed - HALF))
        if e.made_before:
            gaps.append(abs(float(e.earlier.own.mean()) - PARTLY))
            if mechanism != "other":
                gaps.append(_by_shares(mechanism, e.read_as(e.earlier.kappa)))
            return _within(min(gaps), 0, FAR)
    gaps.append(abs(e.mean_own - FOLLOWS))
    if e.mean_own < FOLLOWS:
        return _within(min(gaps), 0, FAR)
    if e.exact is not None:
        gaps.append(abs(e.exact.own - HALF))
        if e.exact.own < HALF:
            return _within(min(gaps), 0, FAR)
    if e.separable < SEPARABLE:
        gaps.append(_by_shares(mechanism, e.read_as(e.kappa)))
        return _within(min(gaps), 0, FAR)
    kappa = e.mean_kappa or 0.0
    shared, private = e.shares
    if shared >= MOST:
        if mechanism == "mixed":
            against = max(MOST - e.together, HALF - (HALF if e.use is None else e.use))
            return _within(min(*gaps, against), 0, FAR)
        if e.exact is not None and e.exact.foreign is not None and e.exact.beyond is not None:
            # Either suffices for a counter that is really read.
            enough = max(e.exact.foreign - HALF, SHARE_STEP * (ASTRAY - e.exact.beyond))
            gaps.append(abs(enough))
            if mechanism == "other":
                return _within(min(gaps), 0, FAR)
        gaps += [kappa - SHARED, SHARE_STEP * (shared - MOST), SHARE_STEP * (e.together - MOST)]
        gaps += [] if e.use is None else [e.use - HALF]
    elif private >= MOST:
        apart = PRIVATE - abs(kappa)
        if e.half_written:
            return _within(min(*gaps, SHARE_STEP * (e.needy - (1 - MOST))), 0, FAR)
        if mechanism == "mixed":
            return _within((min(e.lost - HALF, FAR) - apart) / 2, -FAR, FAR)
        gaps += [apart, SHARE_STEP * (private - MOST)]
        gaps.append(SHARE_STEP * (1 - MOST - e.needy) if e.listening else HALF - e.lost)
    elif e.opposed >= MOST:
        gaps += [-PRIVATE - kappa, SHARE_STEP * (e.opposed - MOST), abs(e.lost - HALF)]
    elif mechanism == "inventory-based":
        gaps += [SHARE_STEP * (e.at_large - MOST), HALF - e.lost, MOST - shared]
    else:
        # Between the two pure labels by every token's kappa, or by the tokens' shares.
        between = min(SHARED - kappa, kappa - PRIVATE) if kappa > -PRIVATE else -PRIVATE - kappa
        gaps += [max(between, min(MOST - shared, MOST - private) / MIXED_STEP)]
    return _within(min(gaps), 0, FAR)


def _by_shares(mechanism: Mechanism, kappa: np.ndarray) -> float:
    """The same for a label that the shares of tokens alone decide."""
    shared, private = token_shares(kappa)
    known = kappa[~np.isnan(kappa)]
    mean = float(known.mean()) if len(known) else 0.0
    if mechanism == "relation-based":
        return min(mean - SHARED, SHARE_STEP * (shared - MOST))
    if mechanism == "inventory-based":
        return min(PRIVATE - abs(mean), SHARE_STEP * (private - MOST))
    between = min(SHARED - mean, mean - PRIVATE)
    return max(between, min(MOST - shared, MOST - private) / MIXED_STEP)


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
