"""How each program counts, and where its variables are: what is checked, not what is believed.

A program's variables have names: the labels of directions of its residual stream. Each entry says
at which hook point which of them hold a count, and what has to be answered when one variable of a
position gets the value it has at a position of another sequence.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mechprobe.models.families.counting.constructions.registry import Counting


@dataclass(frozen=True)
class Swap:
    """One interchange: a variable of the base's position gets the source position's value.

    Args:
        T: tokens.
        variable: which, by its number.
        token, count: at the base's position, and how often it occurs in the base.
        there, there_count: at the source's position, and how often it occurs in the source.
        base, source: the sequences.
    """

    T: int
    variable: int
    token: int
    count: int
    there: int
    there_count: int
    base: tuple[int, ...]
    source: tuple[int, ...]


@dataclass(frozen=True)
class Known:
    """The truth about a program.

    Args:
        mechanism: the kind of counting.
        also: further kinds that name it rightly, where definitions leave room.
        hook: where the variables are, after "blocks."; "{last}" stands for the last block.
        variables: of T and L; names of the directions of each variable, without the numbers that
            tracr adds to them. Each is interchanged by itself.
        says: the right answer to an interchange; None where the causal model says nothing.
        why: what that shows, for people.
        settled: whether it decides between the pure mechanisms; others are no rows of the bench.
    """

    mechanism: Counting
    also: tuple[Counting, ...]
    hook: str
    variables: Callable[[int, int], list[tuple[str, ...]]]
    says: Callable[[Swap], int | None]
    why: str
    settled: bool = True


def _followed(swap: Swap) -> int:
    """One variable for all tokens: the count of the source's token, whichever it is."""
    return swap.there_count


def _by_group(
    group: Callable[[int, int], int], everywhere: Callable[[int, int], bool]
) -> Callable[[Swap], int | None]:
    """Each token reads the variable of its group, and no other.

    Args:
        group: of T and a token, the number of its variable.
        everywhere: of T and a variable, whether it holds its token's count at all positions;
            otherwise it holds a count where one of its own tokens stands, and else 0.
    """

    def says(swap: Swap) -> int | None:
        if group(swap.T, swap.token) != swap.variable:
            return swap.count
        if everywhere(swap.T, swap.variable):
            return swap.source.count(swap.token)
        return swap.there_count if group(swap.T, swap.there) == swap.variable else None

    return says


def _order(swap: Swap) -> int | None:
    """At most, and less: their difference. Together they are the count, apart they are none."""
    at_most, smaller = _ranks(swap.base, swap.token)
    at_most_there, smaller_there = _ranks(swap.source, swap.there)
    if swap.variable == 2:
        return swap.there_count
    found = at_most_there - smaller if swap.variable == 0 else at_most - smaller_there
    return found if 0 <= found <= len(swap.base) else None


def _ranks(tokens: tuple[int, ...], token: int) -> tuple[int, int]:
    return sum(t <= token for t in tokens), sum(t < token for t in tokens)


def _parity(swap: Swap) -> int | None:
    """Half and parity apart give 2 q + r of either, together the count."""
    half, odd = divmod(swap.count, 2)
    half_there, odd_there = divmod(swap.there_count, 2)
    found = [2 * half_there + odd, 2 * half + odd_there, swap.there_count][swap.variable]
    return found if 0 < found <= len(swap.base) else None


def _added(swap: Swap) -> int | None:
    """Each token's own counter is followed; another's is added to the count. All of them together
    are the count of whichever token stands at the source."""
    if swap.variable == swap.T:
        return swap.there_count
    if swap.variable == swap.token:
        return swap.source.count(swap.token) if swap.there == swap.token else None
    found = swap.count + (swap.there_count if swap.there == swap.variable else 0)
    return found if found <= len(swap.base) else None


def _others(swap: Swap) -> int | None:
    """All other positions' tokens are the source's: one and how many of them are one's own."""
    found = 1 + swap.source.count(swap.token) - (swap.there == swap.token)
    return found if found <= len(swap.base) else None


MID, POST = "hook_resid_mid", "hook_resid_post"
FIRST = f"0.{MID}"
_halves = _by_group(lambda T, t: int(t >= T // 2), lambda T, g: False)
_part = _by_group(lambda T, t: max(0, t - T // 2 + 1), lambda T, g: g > 0)
_table = _by_group(lambda T, t: t, lambda T, g: True)


def _one(*names: str) -> Callable[[int, int], list[tuple[str, ...]]]:
    return lambda T, L: [names]


TRUTH: dict[str, Known] = {
    "hist": Known(
        "relation-based", (), FIRST, _one("hist"), _followed,
        "one variable for all tokens: any token answers any other's count put there",
    ),
    "complement": Known(
        "relation-based", (), FIRST, _one("differ"), _followed,
        "one variable for all tokens, the number of positions that differ",
    ),
    "order": Known(
        "relation-based", (), FIRST,
        lambda T, L: [("at_most",), ("smaller",), ("at_most", "smaller")], _order,
        "two variables that all tokens share: together they carry any token's count to any other,"
        " apart the answer is the difference of either",
    ),
    "parity": Known(
        "relation-based", (), f"1.{POST}",
        lambda T, L: [("half",), ("odd",), ("half", "odd")], _parity,
        "two variables that all tokens share, half of the count and its parity: 2 q + r of either",
    ),
    "first": Known(
        "relation-based", (), "{last}." + MID, _one("share"), _followed,
        "one variable for all tokens, the share of first occurrences among one's own",
    ),
    "last": Known(
        "relation-based", ("other",), "{last}." + MID, _one("aggregate"), _followed,
        "one variable for all tokens, fetched from the last occurrence (as `ranks`)",
    ),
    "groups": Known(
        "relation-based", (), FIRST, lambda T, L: [("counter_0",), ("counter_1",)], _halves,
        "two variables; each token answers any count of its own half put there, and leaves the"
        " other half's aside",
    ),
    "part": Known(
        "mixed", (), FIRST, lambda T, L: [(f"counter_{g}",) for g in range(T - T // 2 + 1)], _part,
        "half of the tokens follow each other's counts, each of the rest its own alone",
    ),
    "table": Known(
        "inventory-based", ("other",), FIRST, lambda T, L: [(f"counter_{t}",) for t in range(T)],
        _table,
        "each token follows its own entry of the source's table, and no other (as `global-pick`)",
    ),
    "added": Known(
        "relation-based", ("inventory-based", "other"), FIRST,
        lambda T, L: [*((f"counter_{t}",) for t in range(T)),
                      tuple(f"counter_{t}" for t in range(T))],
        _added,
        "all counters together are one variable that any token follows; yet each token has a head,"
        " a direction and neurons of its own, and another's counter put there is added to the"
        " count: neither pure mechanism is both",
        settled=False,
    ),
    "offsets": Known(
        "inventory-based", ("other",), FIRST,
        lambda T, L: [tuple(f"token_{offset}" for offset in range(1, L))], _others,
        "attention copies the other positions' tokens, whatever they are; each token looks itself"
        " up among those that are put there",
    ),
}  # fmt: skip
