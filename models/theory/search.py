"""Where a branch is looked for: rough starts, then ways from settings where it is easier to find.

With hardly a ridge the starts are no guide: several solutions may carry the branch's overlap, and
those that the starts lead to need not be the one that belongs to it. There the branch is followed
down from a larger ridge, and the starts are tried only where that way ends early.
"""

from collections.abc import Iterator

from mechprobe.models.theory.branch import Branch, BranchNotFoundError, NotConvergedError
from mechprobe.models.theory.continuation import follow
from mechprobe.models.theory.evolution import Evolution, State
from mechprobe.models.theory.fixed_point import not_found
from mechprobe.models.theory.parameters import TheoryParameters
from mechprobe.models.theory.starts import LOST, basin, doubtful, within_reach

FEW = 11  # log2 points of the search
HOME = 25.0  # sigma^2 / lam where every branch is looked for first; 0.01 at sigma = 0.5


def coarse(p: TheoryParameters, log2_points: int) -> int:
    """log2 points of the search, of a solution on 2^log2_points in the end."""
    # Without a guide few points lead astray: 2^FEW even where fewer are wanted in the end.
    return min(FEW, log2_points) if within_reach(p) else FEW


def rough(parameters: TheoryParameters, branch: Branch, log2_points: int, number: int) -> State:
    """A rough solution of the branch.

    Args:
        parameters, branch: what is wanted.
        log2_points: of the solution in the end.
        number: of the point set.

    Raises:
        BranchNotFoundError: neither from the starts nor by following it from elsewhere.
        NotConvergedError: not found either, though there must be one, or something was met that
            did not come to rest.
    """
    p, easy = parameters, within_reach(parameters)
    few = coarse(p, log2_points)
    ways = _ways(p, branch)
    ends: list[TheoryParameters] = []
    if not easy and (found := _along(next(ways), branch, few, number, ends)) is not None:
        return found
    try:
        return basin(Evolution(p, few, number), branch)
    except NotConvergedError as error:
        struggle: NotConvergedError | None = error
    except BranchNotFoundError:
        struggle = None
    for way in ways:
        if (found := _along(way, branch, few, number, ends)) is not None:
            return found
    if struggle is None:
        doubtful(Evolution(p, few, number), branch)
        raise not_found(p, branch, LOST + _words(ends))
    raise struggle


def _ways(p: TheoryParameters, branch: Branch) -> Iterator[list[TheoryParameters]]:
    """Settings to pass on the way to p, the first one within reach of the starts."""
    home = p.sigma**2 / HOME

    def down(q: TheoryParameters) -> list[TheoryParameters]:
        return [q] if within_reach(q) else [q.at(lam=home), q]

    if not within_reach(p):
        yield down(p)
    # More samples show more of the semantics; with fewer, position is all there is to learn.
    factor = 0.4 if branch == "positional" else 2.5
    yield [*down(p.at(alpha=min(max(factor * p.alpha, 1e-9), 1e9))), p]
    # Where starts are a guide, no way in omega led to what they had missed.
    if branch != "uninformed" and not within_reach(p):
        omega = (1 + p.omega) / 2 if branch == "positional" else p.omega / 2
        yield [*down(p.at(omega=omega)), p]


def _along(
    stations: list[TheoryParameters],
    branch: Branch,
    log2: int,
    number: int,
    ends: list[TheoryParameters],
) -> State | None:
    """The branch followed through the stations; where it ends early, that is noted in `ends`."""
    begin = stations[0]
    try:
        state = basin(Evolution(begin, log2, number), branch)
    except (BranchNotFoundError, NotConvergedError):
        return None
    for station in stations[1:]:
        way = follow(begin, state, station, branch, log2_points=log2, seed=number)
        if not way.reached:
            ends.append(way.parameters)
            return None
        begin, state = station, way.state
    return state


def _words(ends: list[TheoryParameters]) -> str:
    if not ends:
        return ", and none was found near by to follow"
    places = "; ".join(f"alpha={p.alpha:.3g}, omega={p.omega:.3g}, lam={p.lam:.3g}" for p in ends)
    return f", and followed from elsewhere it ends at {places}"
