"""The decision rule: from transport, removal and variation to labels. Pure, no models.

Measured on hand-built and trained counting transformers; thresholds are stated, not fitted here.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from mechprobe.probes.attention import AttentionKind
from mechprobe.probes.counting.kinds import Mechanism, TokenKind
from mechprobe.probes.effects import ONE_SIDED

RULE_VERSION = "3"  # raise it when the rule changes; its numbers are in the version anyway
SOLVED = 0.9  # least accuracy of a model that counts
FOLLOWS = 0.5  # least slope of the answer on a token's own count component
SHARED = 0.7  # least kappa of a token that shares a counter
PRIVATE = 0.3  # greatest |kappa| of a token that keeps its own
MOST = 0.85  # share of tokens that decides for the whole model
HALF = 0.5  # share of above-chance accuracy an inventory may lose with the shared component
INFORMED = 0.02  # relative variation of mixing weights that tells by itself
KEPT = 0.99  # share of answers that weights without a message leave as they are
SEPARABLE = 0.6  # least share of cells that tell one token's count from another's
# How far the evidence is from another label (`margin`), in units of kappa.
FAR = 0.3  # greatest distance that counts
ACCURACY_STEP, SHARE_STEP, MIXED_STEP = 3, 2, 3  # how the steps of other numbers compare


@dataclass(frozen=True)
class CountEvidence:
    """What the counting axis is decided from.

    Args:
        accuracy: share of right answers.
        own: slope of the answer on each token's own count component, [T].
        kappa: leave-one-out transport of each token, NaN where undefined, [T].
        lost: share of above-chance accuracy lost with the shared count component.
        counters: cluster of each token, [T].
        separable: share of cells that tell one token's count from another's.
    """

    accuracy: float
    own: Float[np.ndarray, " token"]
    kappa: Float[np.ndarray, " token"]
    lost: float
    counters: Int[np.ndarray, " token"]
    separable: float = 1.0

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


def counting_mechanism(
    evidence: CountEvidence, sequences: str = "its own sequences"
) -> tuple[Mechanism, str]:
    """The counting label and the reason for it.

    Args:
        evidence: to decide from.
        sequences: what the reason calls those that accuracy was measured on.
    """
    e = evidence
    shared, private = e.shares
    if e.accuracy < SOLVED:
        return "unsolved", (
            f"accuracy {e.accuracy:.3f} on {sequences} is below {SOLVED}; what it has leans to"
            f" {shared:.0%} shared and {private:.0%} private tokens"
        )
    if e.mean_own < FOLLOWS:
        return "unsolved", (
            f"{e.accuracy:.0%} of the answers are right, but they follow a patched count of the"
            f" token itself with slope {e.mean_own:.2f} only (at least {FOLLOWS} wanted): its count"
            " was not found as a component of the residual stream, a mechanism that this rule does"
            " not know (docs/mechanisms.md, Limits)"
        )
    if e.separable < SEPARABLE:
        return "unsolved", (
            f"only {e.separable:.0%} of the cells tell one token's count from another's: with so"
            " few tokens in such long sequences a shared counter and private ones look alike"
        )
    if shared >= MOST:
        groups = count_counters("relation-based", e) or 1
        whose = "other tokens" if groups == 1 else "their own group's other tokens"
        several = f"{groups} groups; " if groups > 1 else ""
        return "relation-based", (
            f"{shared:.0%} of the tokens follow the count component of {whose}"
            f" ({several}kappa at least {SHARED})"
        )
    if private >= MOST and e.lost < HALF:
        return "inventory-based", (
            f"{private:.0%} of the tokens ignore other tokens' count component (|kappa| at most"
            f" {PRIVATE}), and removing what they share costs {_percent(e.lost)} of the accuracy"
            " above chance"
        )
    if private >= MOST:
        return "mixed", (
            f"{private:.0%} of the tokens ignore other tokens' count component, yet removing what"
            f" they share costs {_percent(e.lost)} of the accuracy above chance: neither pure"
            " mechanism does that"
        )
    partial = np.count_nonzero((e.kappa > PRIVATE) & (e.kappa < SHARED))
    opposed = np.count_nonzero(e.kappa < -PRIVATE)
    text = (
        f"{shared:.0%} of the tokens share a counter, {private:.0%} keep a private one,"
        f" {partial / len(e.kappa):.0%} follow foreign counts part of the way"
    )
    if opposed:
        text += f", {opposed} answer against a foreign count component (kappa below -{PRIVATE})"
    return "mixed", text


def token_shares(kappa: Float[np.ndarray, " token"]) -> tuple[float, float]:
    """Shares of shared and of private tokens."""
    shared, private = kappa >= SHARED, np.abs(kappa) <= PRIVATE
    return np.count_nonzero(shared) / len(kappa), np.count_nonzero(private) / len(kappa)


def count_counters(mechanism: Mechanism, evidence: CountEvidence) -> int | None:
    """Number of counters; a relation's counters have at least two tokens each."""
    if mechanism == "unsolved":
        return None
    sizes = np.bincount(evidence.counters)
    if mechanism == "relation-based":
        return max(1, int((sizes >= 2).sum()))
    return len(sizes)


def counters_sentence(mechanism: Mechanism, evidence: CountEvidence) -> str | None:
    """How many counters there are and who shares them; None for unsolved models."""
    if mechanism == "unsolved":
        return None
    sizes = np.bincount(evidence.counters)
    groups, alone, T = int((sizes >= 2).sum()), int((sizes == 1).sum()), len(evidence.counters)
    if mechanism == "mixed":
        # No word of sharing: most of a group's tokens may follow each other in part only.
        into = "one group" if len(sizes) == 1 else f"{len(sizes)} groups"
        single = f" ({alone} of a single token)" if alone else ""
        return (
            f"the {T} tokens fall into {into}{single} by whose counts they follow, at least in"
            " part; in a mixed model such groups are not sharp"
        )
    if not groups and mechanism == "relation-based":
        return f"one for all {T} tokens, though no two of them follow each other's counts"
    if not groups:
        return f"each of {T} tokens has one of its own"
    text = f"{groups} groups of tokens share one each"
    if groups == 1:
        text = f"{T - alone} tokens share one" if alone else f"all {T} tokens share one"
    if alone:
        text += f", {alone} {'has one of its' if alone == 1 else 'have one of their'} own"
    return text


def attention_kind(
    share: float, relative: float, kept: float, constant: bool
) -> tuple[AttentionKind, str]:
    """The attention label and the reason for it.

    Args:
        share: part of the weights' variation that is due to tokens.
        relative: all variation over the weights' root mean square.
        kept: share of answers that stay when the weights are held at their mean over inputs.
        constant: whether the weights come from a matrix indexed by positions alone.
    """
    if constant:
        return "positional", (
            "the mixing weights are a constant matrix indexed by positions;"
            f" its entries vary by {relative:.0%} of their size"
        )
    if relative < INFORMED and kept >= KEPT:
        return "uninformed", (
            f"the mixing weights vary by {relative:.1%} of their size, and {kept:.0%} of the"
            " answers stay when they are held at their mean"
        )
    text = f"{share:.0%} of the mixing weights' variation is due to tokens"
    if relative < INFORMED:
        # A small signal on a large constant, as in models whose embeddings share a direction.
        text += f"; it is small ({relative:.1%} of their size), yet the answers need it"
    if share >= ONE_SIDED:
        return "semantic", text
    if share <= 1 - ONE_SIDED:
        return "positional", text
    return "mixed", text


def margin(mechanism: Mechanism, evidence: CountEvidence) -> float:
    """Distance of the evidence from the nearest threshold that would change the label.

    In units of kappa, at most FAR; accuracy counts ACCURACY_STEP times and the share of tokens
    behind a pure label SHARE_STEP times, for they move in smaller steps; among mixed tokens shares
    are divided by MIXED_STEP.
    Where transport and removal contradict each other it is the mean of what speaks for the label
    and what speaks against, and may be negative.
    """
    e = evidence
    if e.accuracy < SOLVED:
        return _between(ACCURACY_STEP * (SOLVED - e.accuracy), 0, FAR)
    if mechanism == "unsolved":
        return _between(max(FOLLOWS - e.mean_own, SEPARABLE - e.separable), 0, FAR)
    kappa = e.mean_kappa or 0.0
    shared, private = e.shares
    gaps = [ACCURACY_STEP * (e.accuracy - SOLVED), e.mean_own - FOLLOWS]
    if mechanism == "relation-based":
        gaps += [kappa - SHARED, SHARE_STEP * (shared - MOST)]
    elif mechanism == "inventory-based":
        gaps += [PRIVATE - abs(kappa), SHARE_STEP * (private - MOST), HALF - e.lost]
    elif private >= MOST:
        against = PRIVATE - abs(kappa)
        return _between((min(e.lost - HALF, FAR) - against) / 2, -FAR, FAR)
    else:
        # Between the two pure labels by every token's kappa, or by the tokens' shares.
        between = min(SHARED - kappa, kappa - PRIVATE) if kappa > -PRIVATE else -PRIVATE - kappa
        gaps += [max(between, min(MOST - shared, MOST - private) / MIXED_STEP)]
    return _between(min(gaps), 0, FAR)


def _between(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _percent(share: float) -> str:
    """Whole per cent, without a sign of zero."""
    return f"{round(share, 2) + 0.0:.0%}"
