"""Does a token need what it writes in common with others, at the size it writes it?"""

import numpy as np
from jaxtyping import Float

from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.interchange import needed, written
from mechprobe.probes.counting.label.evidence import HALF
from mechprobe.probes.counting.written_counts import means_of


def use(context: CountContext) -> Float[np.ndarray, " token"]:
    """Share of each token's right answers that it owes to what it writes along the others' mean
    count component, all others' or those of its counter, whichever it needs more; 0 to 1.

    How much a token writes is told by third tokens (`written`). NaN where a token has a counter
    with a single other one, so that nobody tells.
    """
    model, held, transport = context.model, context.held_out, context.transport
    means, counters = means_of(context.reference), transport.counters
    size = written(transport.matrix(), counters)
    used = needed(model, means, held, size, counters).max(-1)
    untold = (np.bincount(counters)[counters] == 2) & (used < HALF)
    return np.where(untold, np.nan, used)
