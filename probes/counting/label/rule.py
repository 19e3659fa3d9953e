"""The decision rule: from evidence to a kind of counting, and why. Pure, no models."""

import numpy as np
from jaxtyping import Float

from mechprobe.probes.counting.kinds import Mechanism
from mechprobe.probes.counting.label.evidence import ASTRAY as ASTRAY
from mechprobe.probes.counting.label.evidence import FEW as FEW
from mechprobe.probes.counting.label.evidence import FOLLOWS as FOLLOWS
from mechprobe.probes.counting.label.evidence import HALF as HALF
from mechprobe.probes.counting.label.evidence import MOST as MOST
from mechprobe.probes.counting.label.evidence import PARTLY as PARTLY
from mechprobe.probes.counting.label.evidence import PRIVATE as PRIVATE
from mechprobe.probes.counting.label.evidence import SEPARABLE as SEPARABLE
from mechprobe.probes.counting.label.evidence import SHARED as SHARED
from mechprobe.probes.counting.label.evidence import SOLVED as SOLVED
from mechprobe.probes.counting.label.evidence import SPARED as SPARED
from mechprobe.probes.counting.label.evidence import CountEvidence as CountEvidence
from mechprobe.probes.counting.label.evidence import Earlier
from mechprobe.probes.counting.label.evidence import token_kinds as token_kinds
from mechprobe.probes.counting.label.evidence import token_shares as token_shares

RULE_VERSION = "4"  # raise it when the rule changes; its numbers are in the version anyway


def counting_mechanism(
    e: CountEvidence, sequences: str = "its own sequences"
) -> tuple[Mechanism, str]:
    """The counting label and the reason for it.

    Args:
        e: to decide from.
        sequences: what the reason calls those that accuracy was measured on.
    """
    shared, private = e.shares
    if e.accuracy < SOLVED:
        return "unsolved", (
            f"accuracy {e.accuracy:.3f} on {sequences} is below {SOLVED}; what it has leans to"
            f" {shared:.0%} shared and {private:.0%} private tokens"
        )
    if e.by_position and e.values is not None:
        return "positional", (
            f"with every token's value replaced by the mean over tokens at its position the model"
            f" loses {_percent(e.values[0])} of its accuracy above chance, with the mean over"
            f" positions {_percent(e.values[1])}: it reads the count from which positions attention"
            " comes"
        )
    if e.made_before and e.earlier is not None:
        return _made_before(e.earlier, e)
    if e.mean_own < FOLLOWS:
        return "other", _not_followed(e)
    if e.exact is not None and e.exact.own < HALF:
        return "other", _missed(e, e.exact.own)
    if e.separable < SEPARABLE:
        return _inseparable(e)
    if shared >= MOST:
        return _relation(e)
    if private >= MOST:
        return _inventory(e)
    if e.opposed >= MOST:
        return _opposed(e)
    return _between(e)


def _relation(e: CountEvidence) -> tuple[Mechanism, str]:
    shared, _ = e.shares
    groups = np.count_nonzero(np.bincount(e.counters) > 1)
    if e.together < MOST:
        return "mixed", (
            f"{shared:.0%} of the tokens follow other tokens' counts, yet only {e.together:.0%}"
            " have a counter together with others: they do not follow the same ones"
        )
    if e.use is not None and e.use < HALF:
        return "mixed", (
            f"{shared:.0%} of the tokens follow other tokens' counts and are followed in turn, yet"
            f" only {e.use:.0%} of their right answers need what they write in common (median over"
            " tokens)"
        )
    if e.astray and e.exact is not None and e.exact.foreign is not None:
        return "other", (
            f"the answers move with other tokens' counts as far as with their own (kappa"
            f" {e.mean_kappa:.2f}), yet only {e.exact.foreign:.0%} of those that hit their own"
            f" count hit a foreign one (at least {HALF:.0%} wanted) and {e.exact.beyond:.0%} go"
            f" beyond it (below {ASTRAY:.0%} wanted), which rules out one counter that all of them"
            " read: a part of the count is the token's own"
        )
    whose = "other tokens" if groups <= 1 else "their own group's other tokens"
    several = f"{groups} groups; " if groups > 1 else ""
    return "relation-based", (
        f"{shared:.0%} of the tokens follow the count component of {whose}, and are followed in"
        f" turn ({several}kappa at least {SHARED})"
    )


def _inventory(e: CountEvidence) -> tuple[Mechanism, str]:
    _, private = e.shares
    apart = (
        f"{private:.0%} of the tokens take no part in other tokens' counts (|kappa| at most"
        f" {PRIVATE})"
    )
    if e.half_written:
        return "mixed", (
            f"{apart}; yet most of them follow foreign counts, and {e.needy:.0%} of the tokens owe"
            f" more than {PRIVATE:.0%} of their right answers to what they write in common"
        )
    if e.lost < HALF:
        return "inventory-based", (
            f"{apart}, and removing what they share costs {_percent(e.lost)} of the accuracy above"
            " chance"
        )
    if e.listening:
        return "inventory-based", (
            f"{apart}; most of them would follow foreign counts, but none writes any, so that what"
            f" removal takes ({_percent(e.lost)} of the accuracy above chance) is not theirs"
        )
    return "mixed", (
        f"{apart}, yet removing what they share costs {_percent(e.lost)} of the accuracy above"
        " chance: neither pure mechanism does that"
    )


def _opposed(e: CountEvidence) -> tuple[Mechanism, str]:
    against = (
        f"{e.opposed:.0%} of the tokens answer against other tokens' counts (kappa below"
        f" -{PRIVATE})"
    )
    if e.lost >= HALF:
        return "opposed", (
            f"{against}, and removing what they have in common costs {_percent(e.lost)} of the"
            " accuracy above chance"
        )
    return "other", (
        f"{against}, which rules out shared and private counters, yet removing what they have in"
        f" common costs {_percent(e.lost)} of the accuracy above chance only, which rules out that"
        " they count by it"
    )


def _between(e: CountEvidence) -> tuple[Mechanism, str]:
    shared, private = e.shares
    if e.compressed:
        return "inventory-based", (
            f"compressed look-up: {e.at_large:.0%} of the tokens take no part in the counts of the"
            f" others at large, removing what all share costs {_percent(e.lost)} of the accuracy"
            f" above chance, and no more than {np.bincount(e.counters).max()} tokens at a time read"
            " each other's counts"
        )
    partial = np.count_nonzero((e.kappa > PRIVATE) & (e.kappa < SHARED))
    text = (
        f"{shared:.0%} of the tokens share a counter, {private:.0%} keep a private one,"
        f" {partial / len(e.kappa):.0%} follow foreign counts part of the way"
    )
    if opposed := np.count_nonzero(e.kappa < -PRIVATE):
        text += f", {opposed} answer against a foreign count component (kappa below -{PRIVATE})"
    return "mixed", text


def _made_before(earlier: Earlier, e: CountEvidence) -> tuple[Mechanism, str]:
    """By the first block whose count the answers follow."""
    own = float(earlier.own.mean())
    text = (
        f"without what earlier blocks know of the sequence the model loses"
        f" {_percent(earlier.needed)} of its accuracy above chance"
    )
    if own < PARTLY:
        return "other", (
            f"{text}, so the last block alone does not count; yet a count written at the token"
            f" itself after block {earlier.block}'s attention is followed with slope {own:.2f} only"
            f" (at least {PARTLY} wanted), so no earlier block keeps it there either"
        )
    kappa = e.read_as(earlier.kappa)
    shared, private = token_shares(kappa)
    kind, _ = _by_shares(kappa)
    text += (
        f", and after block {earlier.block}'s attention {shared:.0%} of the tokens share a counter,"
        f" {private:.0%} keep a private one"
    )
    if (after := e.shares[0]) >= MOST and kind != "relation-based":
        text += f"; the last block's attention makes the counts common ({after:.0%} shared)"
    return kind, text


def _by_shares(kappa: Float[np.ndarray, " token"]) -> tuple[Mechanism, float]:
    """The kind that the shares of tokens speak for, and the share that does."""
    shared, private = token_shares(kappa)
    if shared >= MOST:
        return "relation-based", shared
    return ("inventory-based", private) if private >= MOST else ("mixed", 1 - max(shared, private))


def _inseparable(e: CountEvidence) -> tuple[Mechanism, str]:
    """Where another token's count rises only as the token's own falls, a token with a counter of
    its own seems to go against it; one with a shared counter follows all the same."""
    kind, share = _by_shares(e.read_as(e.kappa))
    does = {
        "relation-based": "follow other tokens' counts all the same",
        "inventory-based": "follow no other token's count, or seem to go against it as they must",
        "mixed": "do either in part",
    }
    return kind, (
        f"only {e.separable:.0%} of the cells tell one token's count from another's, for with so"
        f" few tokens in such long sequences one rises as the other falls; {share:.0%} of the"
        f" tokens {does[kind]}"
    )


def _not_followed(e: CountEvidence) -> str:
    text = (
        f"{e.accuracy:.0%} of the answers are right, but they follow a patched count of the token"
        f" itself with slope {e.mean_own:.2f} only (at least {FOLLOWS} wanted), which rules out"
        " relation- and inventory-based counting and what lies between: the count is no component"
        " of the residual stream"
    )
    if e.values is None:
        return text + "; the model knows no positions to read it from"
    return text + (
        f"; with values that only tell positions apart the model loses {_percent(e.values[0])} of"
        f" its accuracy above chance (with values that tell nothing {_percent(e.values[1])}), which"
        " rules out positional counting"
    )


def _missed(e: CountEvidence, hit: float) -> str:
    return (
        f"{e.accuracy:.0%} of the answers are right and they move with a patched count of the token"
        f" itself (slope {e.mean_own:.2f}), yet only {hit:.0%} hit it (at least {HALF:.0%} wanted),"
        " which rules out relation- and inventory-based counting and what lies between: the count"
        " component alone does not make the answer"
    )


def _percent(share: float) -> str:
    """Whole per cent, without a sign of zero."""
    return f"{round(share, 2) + 0.0:.0%}"
