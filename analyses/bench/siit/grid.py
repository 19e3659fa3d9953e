"""Which models are trained towards which causal models."""

from mechprobe.analyses.bench.siit.job import Stack

SIZES = ((8, 6), (8, 10), (16, 6), (16, 10))  # T and L
# d and p by T and L: for look-ups and mixtures, for look-ups over attention that compares nothing
# or is normalised, and for shared counters.
WIDE = {(8, 10): (16, 24), (16, 6): (20, 32), (16, 10): (24, 40)}
CONSTANT_WIDE = {(8, 6): (12, 20), (8, 10): (16, 24), (16, 6): (20, 40), (16, 10): (24, 48)}
NARROW = {(8, 6): (10, 8), (8, 10): (14, 16), (16, 6): (18, 12), (16, 10): (20, 24)}
WIDEST = (20, 48)  # for mixtures at T=8, L=6, which are learnt more easily in wide models
CONSTANT = ("lin", "lin+sftm", "dot+sftm")  # look-ups are all that these can do
COMPARING = ("dot", "bos", "bos+sftm")  # these can write the count of a position's own token
RATE = 1e-2
# A shared counter is learnt sooner than a look-up, and both together last.
SHARED_STEPS, CONSTANT_STEPS, STEPS, WIDEST_STEPS = 2500, 4000, 5000, 6000


def stacks() -> list[Stack]:
    """The whole population, shape by shape; each model has a seed of its own."""
    found: list[Stack] = []
    for T, L in SIZES:
        private, common = tuple(range(T)), (0,) * T
        mixtures = [_mixed(T, share * T // 4) for share in (1, 2, 3)]
        first = 90 * SIZES.index((T, L))
        for i, architecture in enumerate(COMPARING):
            aims, seed = [common, common, _groups(T)], first + 10 * i
            found.append(_stack(architecture, T, L, NARROW[T, L], aims, SHARED_STEPS, seed))
            aims, seed = [private, private, *mixtures], first + 30 + 10 * i
            widths = WIDE.get((T, L), WIDEST)
            steps = STEPS if (T, L) in WIDE else WIDEST_STEPS
            found.append(_stack(architecture, T, L, widths, aims, steps, seed))
        for i, architecture in enumerate(CONSTANT):
            aims, seed = [private, private], first + 60 + 10 * i
            found.append(
                _stack(architecture, T, L, CONSTANT_WIDE[T, L], aims, CONSTANT_STEPS, seed)
            )
    return found + _more()


def _more() -> list[Stack]:
    """More of what is learnt soon: shared counters with room to spare, and mixtures at T=8, L=6."""
    found: list[Stack] = []
    for i, architecture in enumerate(("dot", "bos")):
        for j, (T, L) in enumerate(((8, 6), (16, 6))):
            aims, seed = [(0,) * T, (0,) * T, _groups(T)], 360 + 10 * i + 30 * j
            found.append(_stack(architecture, T, L, (T + 6, 2 * T), aims, SHARED_STEPS, seed))
    for i, architecture in enumerate(("bos", "bos+sftm")):
        aims, seed = [_mixed(8, shared) for shared in (3, 4, 5)], 420 + 10 * i
        found.append(_stack(architecture, 8, 6, WIDEST, aims, WIDEST_STEPS, seed))
    return found


def _mixed(T: int, shared: int) -> tuple[int, ...]:
    """The first tokens share a counter, all others have one of their own."""
    return (0,) * shared + tuple(range(1, T - shared + 1))


def _groups(T: int) -> tuple[int, ...]:
    """Two counters, each for half of the tokens."""
    return tuple(t * 2 // T for t in range(T))


def _stack(
    architecture: str,
    T: int,
    L: int,
    widths: tuple[int, int],
    aims: list[tuple[int, ...]],
    steps: int,
    seed: int,
) -> Stack:
    seeds = tuple(seed + i for i in range(len(aims)))
    return Stack(architecture, T, L, *widths, tuple(aims), seeds, steps, RATE)
