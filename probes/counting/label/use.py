"""Does a token need what it writes in common with others, at the size it writes it?"""

import numpy as np
from jaxtyping import Float

from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.interchange import needed, written


def use(context: CountContext) -> Float[np.ndarray, " token"]:
    """Share of each token's right answers that go when what it writes along another token's count
    component is held at its mean over counts: the median over the others, all or those of its
    counter, whichever is larger.

    How much a token writes along another's component is told by third tokens (`written`). NaN where
    a token has a counter with a single other one, so that nobody tells.
    """
    X, counters = context.transport.matrix(), context.transport.counters
    lost = needed(context.model, context.reference, context.held_out, written(X))
    other = ~np.eye(len(X), dtype=bool)
    same = other & (counters[:, None] == counters)
    found = np.array([np.median(row[pool]) for row, pool in zip(lost, other, strict=True)])
    for t, (row, pool) in enumerate(zip(lost, same, strict=True)):
        found[t] = max(found[t], np.median(row[pool])) if pool.any() else found[t]
        if pool.sum() == 1 and not found[t]:
            found[t] = np.nan
    return found
