"""What the counting axis is decided from, and the thresholds it is compared with.

Measured on hand-built and trained counting transformers; thresholds are stated, not fitted here.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from mechprobe.probes.counting.kinds import TokenKind

SOLVED = 0.9  # least accuracy of a model that counts
FOLLOWS = 0.5  # least slope of the answer on a token's own count component
SHARED = 0.7  # least kappa of a token that shares a counter
PRIVATE = 0.3  # greatest |kappa| of a token that keeps its own
MOST = 0.85  # share of tokens that decides for the whole model
HALF = 0.5  # share of above-chance accuracy that tells whether something is needed
SPARED = 0.2  # greatest share of it that positional counting may lose with the tokens' values
SEPARABLE = 0.6  # least share of cells that tell one token's count from another's
PARTLY = 0.25  # the same, written by an earlier block: later attention reads other positions too
ASTRAY = (
    0.15  # least share of answers beyond a foreign count that tells that it is not what is read
)
FEW = 3  # greatest number of tokens that a compressed look-up keeps together


@dataclass(frozen=True)
class Earlier:
    """What the blocks before the last one do for the count (`depth.py` measures it).

    Args:
        block: the first whose count the answers follow, or follow most; counted from 0.
        own: slope of the answer on each token's own count written after its attention, [T].
        kappa: how far a token takes part in others' counts after that attention, as `Sharing.kappa`
            has it behind the last; NaN where it does not follow its own, [T].
        needed: share of the accuracy above chance that is lost when the last block reads every
            token without its sequence.
    """

    block: int
    own: Float[np.ndarray, " token"]
    kappa: Float[np.ndarray, " token"]
    needed: float

    def some(self, tokens: Int[np.ndarray, " n"]) -> "Earlier":
        """The same of some tokens."""
        return replace(self, own=self.own[tokens], kappa=self.kappa[tokens])


@dataclass(frozen=True)
class Exact:
    """How exactly answers follow a count that is written into the residual stream: a slope tells
    that they move with it, not that they hit it.

    Args:
        own: share of interchanges of a token's own count after which the answer is that count,
            mean over tokens.
        foreign: the same with the count of another token that has the same counter, as a share of
            `own`; median over such tokens, then over targets. None where no token shares one.
        beyond: share of those interchanges after which the answer lies beyond the foreign count,
            seen from the token's own. What only follows in part falls short of it.
    """

    own: float
    foreign: float | None
    beyond: float | None


@dataclass(frozen=True)
class CountEvidence:
    """What the counting axis is decided from.

    Args:
        accuracy: share of right answers.
        own: slope of the answer on each token's own count component, [T].
        kappa: how far each token takes part in others' counts, NaN where undefined, [T].
        lost: share of above-chance accuracy lost with the shared count component.
        counters: cluster of each token, [T].
        separable: share of cells that tell one token's count from another's.
        among: kappa among all tokens, its own counter's or not, [T]; as kappa where not given.
        listens: whether each token follows others' counts though it may write none, [T].
        used: share of each token's right answers that need what it writes along the others'
            components, NaN where there are no third tokens to tell how much that is, [T].
        values: shares of above-chance accuracy lost with values that only tell positions apart,
            and with values that tell nothing; None in models without positions.
        earlier: what earlier blocks do; None in models of one block.
        exact: how exactly answers follow a written count; None where it was not measured.
    """

    accuracy: float
    own: Float[np.ndarray, " token"]
    kappa: Float[np.ndarray, " token"]
    lost: float
    counters: Int[np.ndarray, " token"]
    separable: float = 1.0
    among: Float[np.ndarray, " token"] | None = None
    listens: Bool[np.ndarray, " token"] | None = None
    used: Float[np.ndarray, " token"] | None = None
    values: tuple[float, float] | None = None
    earlier: Earlier | None = None
    exact: Exact | None = None

    @cached_property
    def mean_own(self) -> float:
        """Mean own slope."""
        return float(self.own.mean())

    @cached_property
    def mean_kappa(self) -> float | None:
        """Mean kappa where it is defined; None where it nowhere is."""
        known = self.kappa[~np.isnan(self.kappa)]
        return float(known.mean()) if len(known) else None

    @cached_property
    def shares(self) -> tuple[float, float]:
        """Shares of shared and of private tokens."""
        return token_shares(self.kappa)

    @property
    def opposed(self) -> float:
        """Share of opposed tokens."""
        return np.count_nonzero(self.kappa < -PRIVATE) / len(self.kappa)

    @property
    def together(self) -> float:
        """Share of tokens that have a counter with others; 1 where none has, for then tokens were
        not clustered, or follow no single other one."""
        together = np.bincount(self.counters)[self.counters] > 1
        return float(together.mean()) if together.any() else 1.0

    @property
    def at_large(self) -> float:
        """Share of tokens that are private among all tokens, whatever their own counter does."""
        return token_shares(self.kappa if self.among is None else self.among)[1]

    @property
    def compressed(self) -> bool:
        """Whether few tokens at a time share neurons: no token takes part in the others' counts at
        large, and no counter serves more than a few."""
        sizes = np.bincount(self.counters)
        several = np.count_nonzero(sizes > 1) > 1 and sizes.max() <= FEW
        return bool(several and self.at_large >= MOST and self.lost < HALF)

    @property
    def use(self) -> float | None:
        """Median of `used`; None where it is not known."""
        known = self.used[~np.isnan(self.used)] if self.used is not None else np.empty(0)
        return float(np.median(known)) if len(known) else None

    @property
    def astray(self) -> bool:
        """Whether answers move with a foreign count and mostly miss it, many by more than it asks
        for: what is read in common is not the count."""
        e = self.exact
        if e is None or e.foreign is None or e.beyond is None:
            return False
        return e.foreign < HALF and e.beyond >= ASTRAY

    @property
    def by_position(self) -> bool:
        """Whether the count is read from which positions attention comes."""
        return self.values is not None and self.values[0] < SPARED and self.values[1] >= HALF

    @property
    def made_before(self) -> bool:
        """Whether the last block needs what earlier ones know of the sequence."""
        return self.earlier is not None and self.earlier.needed >= HALF

    @property
    def half_written(self) -> bool:
        """Whether tokens that follow foreign counts need what they write in common, though others
        hardly follow it: a part of their count is written there."""
        return self.listening and self.needy > 1 - MOST

    @property
    def needy(self) -> float:
        """Share of tokens that owe more than `PRIVATE` of their right answers to what they write
        in common; 0 where use is not known."""
        known = self.used[~np.isnan(self.used)] if self.used is not None else np.empty(0)
        return float((known > PRIVATE).mean()) if len(known) else 0.0

    def read_as(self, kappa: Float[np.ndarray, " token"]) -> Float[np.ndarray, " token"]:
        """Kappa with opposed tokens as private ones where tokens cannot be told apart: there
        another token's count rises only as the token's own falls, and a look-up seems to go
        against it."""
        return np.where(kappa < 0, 0.0, kappa) if self.separable < SEPARABLE else kappa

    @property
    def listening(self) -> bool:
        """Whether most tokens that keep a count of their own follow others' all the same, which
        they do not take part in: what they would lose with it they do not have."""
        if self.listens is None:
            return False
        private = np.abs(self.kappa) <= PRIVATE
        return bool(self.listens[private].mean() >= HALF) if private.any() else False


def token_kinds(kappa: Float[np.ndarray, " token"]) -> list[TokenKind]:
    """Assignment of every token: shared, private, partial in between, opposed below -PRIVATE, or
    silent where the answer does not follow the token's own count."""
    kinds: list[TokenKind] = []
    for value in kappa:
        if np.isnan(value):
            kinds.append("silent")
        elif value >= SHARED:
            kinds.append("shared")
        elif value > PRIVATE:
            kinds.append("partial")
        else:
            kinds.append("private" if value >= -PRIVATE else "opposed")
    return kinds


def token_shares(kappa: Float[np.ndarray, " token"]) -> tuple[float, float]:
    """Shares of shared and of private tokens."""
    shared, private = kappa >= SHARED, np.abs(kappa) <= PRIVATE
    return np.count_nonzero(shared) / len(kappa), np.count_nonzero(private) / len(kappa)
