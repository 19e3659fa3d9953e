"""How many counters there are and who shares them, in numbers and in words."""

import numpy as np

from mechprobe.probes.counting.kinds import Mechanism
from mechprobe.probes.counting.label.evidence import MOST, SEPARABLE, CountEvidence

# Of these the number of clusters tells nothing.
UNCOUNTED: tuple[Mechanism, ...] = ("unsolved", "other", "positional")


def variant(mechanism: Mechanism, e: CountEvidence) -> str | None:
    """A form of a mechanism that has a name of its own: "compressed" where tokens of a look-up
    share neurons, "made common" where an earlier block looks up what the last one shares."""
    if mechanism != "inventory-based":
        return None
    if e.made_before:
        return "made common" if e.shares[0] >= MOST else None
    return "compressed" if e.shares[1] < MOST and e.separable >= SEPARABLE else None


def count_counters(mechanism: Mechanism, evidence: CountEvidence) -> int | None:
    """Number of counters; a relation's counters have at least two tokens each. None where they do
    not tell the mechanism."""
    if mechanism in UNCOUNTED:
        return None
    sizes = np.bincount(evidence.counters)
    if mechanism == "relation-based":
        return max(1, int((sizes >= 2).sum()))
    if mechanism == "inventory-based" and evidence.made_before:
        return len(evidence.counters)
    return len(sizes)


def counters_sentence(mechanism: Mechanism, evidence: CountEvidence) -> str | None:
    """How many counters there are and who shares them; None where they tell nothing."""
    if mechanism in UNCOUNTED:
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
    if mechanism == "inventory-based" and evidence.made_before:
        return f"each of {T} tokens has one of its own where the count is made"
    if not groups:
        return f"each of {T} tokens has one of its own"
    text = f"{groups} groups of tokens share one each"
    if groups == 1:
        text = f"{T - alone} tokens share one" if alone else f"all {T} tokens share one"
    if alone:
        text += f", {alone} {'has one of its' if alone == 1 else 'have one of their'} own"
    return text
