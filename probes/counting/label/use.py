"""Does a token need what it writes in common with others, at the size it writes it?"""

import numpy as np
from jaxtyping import Float

from mechprobe.probes.counting.interchange import Interchange
from mechprobe.probes.counting.label.evidence import HALF


def use(found: Interchange) -> Float[np.ndarray, " token"]:
    """Share of each token's right answers that it owes to what it writes along the others' mean
    count component, all others' or those of its counter, whichever it needs more; 0 to 1.

    How much a token writes is told by third tokens (`written`). NaN where a token has a counter
    with a single other one, so that nobody tells.
    """
    used, counters = found.used(), found.counters
    untold = (np.bincount(counters)[counters] == 2) & (used < HALF)
    return np.where(untold, np.nan, used)
