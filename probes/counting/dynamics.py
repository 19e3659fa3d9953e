"""What is followed of a model that counts along its training.

A model below the accuracy bar is unsolved, whatever it does. What its evidence leans to is what
the rule would say of it without that bar.
"""

import math

import numpy as np
from jaxtyping import Float

from mechprobe.models import MechprobeError
from mechprobe.probes.counting.kinds import Mechanism
from mechprobe.probes.counting.label.rule import (
    FOLLOWS,
    MOST,
    PRIVATE,
    SHARED,
    SOLVED,
    CountEvidence,
    counting_mechanism,
    token_shares,
)
from mechprobe.probes.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE
from mechprobe.probes.followed import Bar, Curve, Followed, Level, Panel
from mechprobe.probes.results import ModelResult
from mechprobe.probes.snapshots import Snapshot, numbers_of

TRANSPORT = "count-transport"  # the probe whose arrays hold kappa token by token
ABOVE_CHANCE = 0.05  # least accuracy above chance for a share of it to mean something
YELLOW = "#E69F00"


def snapshot(result: ModelResult, step: int) -> Snapshot:
    """A model that counts at a step of its training, out of a stored result.

    Args:
        result: of a model that counts, with the probe count-transport.
        step: after which the model was taken.

    Raises:
        MechprobeError: the model does not count, or the probe is missing.
    """
    label = result.label
    if label.mechanism is None or label.accuracy is None:
        raise MechprobeError(f"{result.name}: the model does not count, so it has no mechanism")
    found = [p.arrays["kappa"] for p in result.probes if p.probe == TRANSPORT]
    if not found:
        raise MechprobeError(f"{result.name}: the probe {TRANSPORT} has no result")
    # To the digits that are stored: a result says the same fresh and read again.
    kappa = np.array([float(f"{value:.7g}") for value in found[0]])
    numbers = numbers_of(result)
    if label.accuracy < (numbers["chance"] or 0.0) + ABOVE_CHANCE:
        numbers["lost"] = None  # next to nothing to lose: the share of it is noise
    return Snapshot(
        step=step,
        label=label,
        solved=label.accuracy >= SOLVED,
        labelled=label.mechanism != "unsolved",
        leans=leaning(kappa, numbers),
        performance=label.accuracy,
        numbers=numbers | {"counters": label.counters},
        # Before, kappa is a ratio of small numbers.
        told=(numbers["own_slope"] or 0.0) >= FOLLOWS,
        items={"kappa": kappa},
        more={"mechanism": label.mechanism, "counters": label.counters},
    )


def leaning(
    kappa: Float[np.ndarray, " token"], numbers: dict[str, float | None]
) -> Mechanism | None:
    """What the rule would say of the evidence if there were no bar on accuracy.

    Args:
        kappa: of every token.
        numbers: holds "own_slope", "lost" and "separable".

    Returns:
        None where answers do not follow the count, or where removal has nothing to remove yet.
    """
    own, lost = numbers["own_slope"] or 0.0, numbers["lost"]
    evidence = CountEvidence(
        accuracy=1.0,
        own=np.full_like(kappa, own),
        kappa=kappa,
        lost=math.nan if lost is None else lost,
        counters=np.arange(len(kappa)),
        separable=numbers["separable"] or 0.0,
    )
    found, _ = counting_mechanism(evidence)
    untold = lost is None and token_shares(kappa)[1] >= MOST
    return None if found in ("unsolved", "other") or untold else found


PANELS = (
    Panel(
        "Accuracy, and tokens by their kind",
        (
            Curve("accuracy", "accuracy", "black"),
            Curve("shared", "shared tokens", BLUE, "s", faint=True),
            Curve("private", "private tokens", YELLOW, "^", faint=True),
        ),
        unit="share",
        limits=(-0.03, 1.05),
        levels=(Level(SOLVED, f"solved: {SOLVED:g}"), Level("chance", "chance")),
    ),
    Panel(
        "Do tokens carry each other's counts?",
        (
            Curve("kappa", "mean κ", BLUE, faint=True, band=("kappa", "tokens")),
            Curve("own_slope", "own slope", GREEN, "s"),
            Curve("lost", "lost", ORANGE, "^"),
        ),
        limits=(-0.6, 1.6),  # early ratios of next to nothing lie far outside
        levels=(Level(SHARED, "shared"), Level(PRIVATE, "private"), Level(-PRIVATE)),
    ),
    Panel(
        "Counters",
        (
            Curve("count-transport.counters", "groups of tokens, any", GREY),
            Curve("counters", "counters of the label", PURPLE, "D", joined=False),
        ),
        unit="number",
        limits=(0, None),
    ),
    Panel(
        "Representation and attention",
        (
            Curve("counting-subspace.shared_share", "shared count variance", BLUE),
            Curve("mutual-coherence.coherence", "mutual coherence", ORANGE, "s"),
            Curve("bos-anchoring.inverse_r2", "BOS weight (R²)", GREEN, "^"),
            Curve("token_share", "token share", PURPLE, "v"),
        ),
        limits=(-0.25, 1.1),
    ),
)

FOLLOWED = Followed(
    title="How a counting mechanism forms in training",
    probes=(TRANSPORT, "mutual-coherence", "bos-anchoring", "counting-subspace"),
    snapshot=snapshot,
    bar=Bar(
        noun="accuracy",
        reaches=f"Accuracy reaches {100 * SOLVED:.0f}\u00a0%",
        never=f"Accuracy never reaches {100 * SOLVED:.0f}\u00a0%",
        column=f"{100 * SOLVED:.0f} % from",
    ),
    panels=PANELS,
    columns={
        "κ": "kappa",
        "shared": "shared",
        "private": "private",
        "lost": "lost",
        "own slope": "own_slope",
        "token share": "token_share",
    },
    more={
        "coherence": "mutual-coherence.coherence",
        "shared count variance": "counting-subspace.shared_share",
        "count dimension": "counting-subspace.dimension",
        "BOS weight": "bos-anchoring.bos_mass",
        "BOS 1/w R²": "bos-anchoring.inverse_r2",
    },
    watched={"accuracy": "accuracy", "κ": "kappa", "own slope": "own_slope", "lost": "lost"},
    leans=(
        "What the rule would say of a snapshot if there were no bar on accuracy. Below that bar a"
        " model is unsolved, and this is evidence, not a label. Nothing where answers do not follow"
        " the count yet."
    ),
    terms={
        "κ (kappa)": (
            "How far a token's answer follows the count written for other tokens, over how far it"
            " follows its own: 1 is a shared counter, 0 a private one."
        ),
        "own slope": (
            "How far answers follow a patched count of the token itself. Below"
            f" {FOLLOWS:g} the rule sees no count: κ is a ratio of small numbers there, and it and"
            " the tokens' kinds are dotted in the pictures."
        ),
        "lost": (
            "Share of the accuracy above chance that goes with the count component that tokens"
            f" share. Not given where accuracy is within {ABOVE_CHANCE:g} of chance."
        ),
        "groups of tokens": (
            "Clusters of tokens that carry each other's counts, whatever the label. In a solved"
            " snapshot they are the label's counters (those of a relation have at least two"
            " tokens)."
        ),
        "shared count variance": (
            "Share of the residual stream's count-related variance that all tokens have in common."
        ),
        "mutual coherence": "Largest overlap of two different tokens' embeddings.",
        "BOS weight (R²)": (
            "How close the inverse of the attention paid to BOS comes to a straight line in the"
            " count; in models with BOS and a softmax only."
        ),
        "token share": (
            "Part of the mixing weights' variation that is due to tokens, not positions."
        ),
    },
)
