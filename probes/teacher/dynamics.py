"""What is followed of a student of a teacher attention along its training.

A student whose overlaps are within those of random students is uninformed. What its evidence
leans to is what the rule would say of its effects on the answers alone.
"""

from mechprobe.models import MechprobeError
from mechprobe.probes.attention import AttentionKind
from mechprobe.probes.drawing import GREY, ORANGE, PARTS
from mechprobe.probes.effects import LEAST, ONE_SIDED, attention_axis, enough, semantic_share
from mechprobe.probes.followed import Bar, Curve, Followed, Level, Panel
from mechprobe.probes.results import ModelResult
from mechprobe.probes.snapshots import Snapshot, numbers_of
from mechprobe.probes.teacher.order import LEVEL

POSITIONAL, SEMANTIC = PARTS["positional"], PARTS["semantic"]
RANDOM = f"{100 * LEVEL:.0f}\u00a0% of random students"


def snapshot(result: ModelResult, step: int) -> Snapshot:
    """A student at a step of its training, out of a stored result.

    Raises:
        MechprobeError: it is not one of a teacher attention.
    """
    label = result.label
    if label.attention is None or label.test_error is None:
        raise MechprobeError(f"{result.name}: not a student of a teacher attention")
    informed = label.attention != "uninformed"
    numbers = numbers_of(result)
    return Snapshot(
        step=step,
        label=label,
        solved=informed,
        labelled=informed,
        leans=leaning(numbers),
        performance=label.test_error,
        numbers=numbers,
    )


def leaning(numbers: dict[str, float | None]) -> AttentionKind | None:
    """What the rule would say if overlaps did not have to be above those of random students.

    Args:
        numbers: holds "positional_effect" and "semantic_effect".

    Returns:
        None where neither part changes the answers enough to count.
    """
    sizes = numbers["positional_effect"] or 0.0, numbers["semantic_effect"] or 0.0
    found = attention_axis(*enough(sizes), semantic_share(sizes))
    return None if found == "uninformed" else found


PANELS = (
    Panel(
        "Test error",
        (
            Curve("test_error", "student", "black"),
            Curve("positional_alone", "positional part alone", POSITIONAL, "s"),
            Curve("semantic_alone", "semantic part alone", SEMANTIC, "^"),
            Curve("uniform", "uniform attention", GREY, "v"),
        ),
        unit="|y − f|² / 2d",
        limits=(0, None),
    ),
    Panel(
        "Overlaps",
        (
            Curve("m", "m", POSITIONAL, "s"),
            Curve("theta", "θ", SEMANTIC, "^"),
            Curve("m_null", "random m", GREY, "|"),
            Curve("theta_null", "random θ", GREY, "_"),
        ),
        limits=(0, None),
    ),
    Panel(
        "Effects on the answers",
        (
            Curve("positional_effect", "of the positional part", POSITIONAL, "s"),
            Curve("semantic_effect", "of the semantic part", SEMANTIC, "^"),
        ),
        unit="of all attention",
        limits=(0, None),
        levels=(Level(LEAST),),
    ),
    Panel(
        "Which part decides",
        (Curve("semantic_share", "semantic share of both effects", ORANGE, "D"),),
        limits=(-0.03, 1.05),
        levels=(Level(ONE_SIDED, "semantic"), Level(1 - ONE_SIDED, "positional")),
    ),
)

FOLLOWED = Followed(
    title="How a student's attention forms in training",
    probes=(),
    snapshot=snapshot,
    bar=Bar(
        noun="the overlap",
        reaches=f"An overlap rises above that of {RANDOM}",
        never=f"No overlap that the answers need rises above that of {RANDOM}",
        column="above random from",
    ),
    panels=PANELS,
    columns={
        "m": "m",
        "θ": "theta",
        "positional effect": "positional_effect",
        "semantic effect": "semantic_effect",
        "semantic share": "semantic_share",
    },
    more={
        "error without positional": "without_positional",
        "error without semantic": "without_semantic",
        "error of uniform attention": "uniform",
        "|Q|²/d": "q",
    },
    watched={
        "test error": "test_error",
        "m": "m",
        "θ": "theta",
        "semantic share": "semantic_share",
    },
    leans=(
        "What the rule would say of a snapshot if its overlaps did not have to be above those of"
        " random students. Below that bar a student is uninformed, and this is evidence, not a"
        " label. Nothing where neither part changes the answers enough to count."
    ),
    terms={
        "solved": (
            "A snapshot that is not uninformed: one of the overlaps is above that of"
            f" {RANDOM}, and its part of queries and keys changes the answers by at least"
            f" {100 * LEAST:.0f}\u00a0% of what the whole attention does."
        ),
        "m, θ": (
            "Overlaps of queries and keys with the positional direction and with the teacher."
            f" Random ones: what {RANDOM} of the same size and width stay below."
        ),
        "effect": (
            "How much the answers change with a part of queries and keys, over how much they change"
            " with the whole attention."
        ),
        "semantic share": "Semantic effect over the sum of both effects.",
    },
)
