"""Programs in RASP that count how often each position's token occurs, each in its own way.

The first is tracr's own (Lindner et al., arXiv:2301.05062; RASP: Weiss, Goldberg, Yahav,
arXiv:2106.06981); the others are written for this bench. All are for sequences of exactly L tokens
out of 0..T-1. tracr is imported only when a program is asked for: it is no dependency of ours.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

Program = Callable[[int, int], Any]


def hist(T: int, L: int) -> Any:
    """tracr's `lib.make_hist`: the number of positions with the same token."""
    from tracr.compiler import lib

    return lib.make_hist()


def complement(T: int, L: int) -> Any:
    """L less the number of positions with another token."""
    from tracr.rasp import rasp

    differ = rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.NEQ))
    return rasp.Map(lambda n: L - n if n < L else None, differ.named("differ"))


def order(T: int, L: int) -> Any:
    """Positions with a token of at most one's own number, less those with a smaller one.

    Its output is numerical.
    """
    from tracr.rasp import rasp

    most, less = (
        rasp.numerical(rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, comparison)))
        for comparison in (rasp.Comparison.LEQ, rasp.Comparison.LT)
    )
    return rasp.numerical(
        rasp.LinearSequenceMap(most.named("at_most"), less.named("smaller"), 1, -1)
    )


def parity(T: int, L: int) -> Any:
    """The count as 2 q + r, put together from half of it and its parity."""
    from tracr.rasp import rasp

    count = hist(T, L).named("count")
    half = rasp.Map(lambda n: n // 2, count).named("half")
    odd = rasp.Map(lambda n: n % 2, count).named("odd")
    return rasp.SequenceMap(lambda q, r: 2 * q + r if 0 < 2 * q + r <= L else None, half, odd)


def first(T: int, L: int) -> Any:
    """In two steps: which occurrence is the first of its token, and the mean of "is the first" over
    the positions with the same token, which is 1 over the count."""
    from tracr.rasp import rasp

    place = rasp.SequenceMap(lambda t, i: (t, i), rasp.tokens, rasp.indices).named("place")
    before = rasp.SelectorWidth(
        rasp.Select(place, place, lambda k, q: k[0] == q[0] and k[1] < q[1])
    ).named("before")
    is_first = rasp.numerical(rasp.Map(lambda n: int(n == 0), before)).named("is_first")
    same = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ)
    share = rasp.numerical(rasp.Aggregate(same, is_first, default=0)).named("share")
    return rasp.Map(lambda x: round(1 / x) if x else None, share)


def groups(T: int, L: int) -> Any:
    """Two counters of the positions with the same token, one for the first half of the tokens, one
    for the rest; each position picks the one of its token."""
    halves = (range(T // 2), range(T // 2, T))
    return _sum([_picked(_same(tokens, f"counter_{g}"), tokens) for g, tokens in enumerate(halves)])


def part(T: int, L: int) -> Any:
    """The first half of the tokens shares a counter; of each other token the count is at every
    position (tracr's `make_count`). Each position picks the one of its token."""
    half = T // 2
    shared = _picked(_same(range(half), "counter_0"), range(half))
    alone = [_picked(_all(t, f"counter_{t - half + 1}"), (t,)) for t in range(half, T)]
    return _sum([shared, *alone])


def table(T: int, L: int) -> Any:
    """The counts of all tokens at every position (tracr's `make_count`), of which each position
    picks that of its own token."""
    return _sum([_picked(_all(t, f"counter_{t}"), (t,)) for t in range(T)])


def added(T: int, L: int) -> Any:
    """A counter for each token, which reads 0 at positions that hold another one; their sum."""
    from tracr.rasp import rasp

    return _sum([rasp.numerical(_same((t,), f"counter_{t}")) for t in range(T)])


def offsets(T: int, L: int) -> Any:
    """Every other position's token is fetched by position and compared with one's own; 1 and the
    number that agree."""
    from tracr.rasp import rasp

    def agrees(offset: int) -> Any:
        there = rasp.Select(rasp.indices, rasp.indices, lambda k, q: k == (q + offset) % L)
        token = rasp.Aggregate(there, rasp.tokens).named(f"token_{offset}")
        same = rasp.SequenceMap(lambda a, b: int(a == b), rasp.tokens, token)
        return rasp.numerical(rasp.Map(lambda n: n, same.named(f"same_{offset}"))).named(
            f"one_{offset}"
        )

    more = _sum([agrees(offset) for offset in range(1, L)])
    return rasp.numerical(rasp.Map(lambda n: n + 1, more))


def last(T: int, L: int) -> Any:
    """Occurrences are numbered from the left; the last one's number is fetched."""
    from tracr.rasp import rasp

    place = rasp.SequenceMap(lambda t, i: (t, i), rasp.tokens, rasp.indices).named("place")
    number = rasp.SelectorWidth(
        rasp.Select(place, place, lambda k, q: k[0] == q[0] and k[1] <= q[1])
    ).named("number")
    after = rasp.SelectorWidth(
        rasp.Select(place, place, lambda k, q: k[0] == q[0] and k[1] > q[1])
    ).named("after")
    ends = rasp.SequenceMap(lambda t, n: t if n == 0 else None, rasp.tokens, after).named("ends")
    return rasp.Aggregate(rasp.Select(ends, rasp.tokens, rasp.Comparison.EQ), number)


PROGRAMS: dict[str, Program] = {
    made.__name__: made
    for made in (hist, complement, order, parity, first, last, groups, part, table, added, offsets)
}


def _same(tokens: Sequence[int], name: str) -> Any:
    """The number of positions with the same token, if it is one of some; else 0."""
    from tracr.rasp import rasp

    own = rasp.Select(rasp.tokens, rasp.tokens, lambda k, q: k == q and q in tokens)
    return rasp.SelectorWidth(own).named(name)


def _all(token: int, name: str) -> Any:
    """The number of positions with a token, everywhere."""
    from tracr.compiler import lib
    from tracr.rasp import rasp

    return lib.make_count(rasp.tokens, token).named(name)


def _picked(counter: Any, tokens: Sequence[int]) -> Any:
    """A counter as a number, at positions with one of some tokens; else 0."""
    from tracr.rasp import rasp

    mine = rasp.SequenceMap(lambda t, n: n if t in tokens else 0, rasp.tokens, counter)
    return rasp.numerical(rasp.Map(lambda n: n, mine))


def _sum(terms: Sequence[Any]) -> Any:
    """The sum of numerical terms, by halves, so that few layers do."""
    from tracr.rasp import rasp

    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    halves = [_sum(terms[:middle]), _sum(terms[middle:])]
    return rasp.numerical(reduce(lambda a, b: rasp.LinearSequenceMap(a, b, 1, 1), halves))
