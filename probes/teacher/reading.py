"""How students of a teacher attention are measured, labelled and shown."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from mechprobe.models import AttentionRegression, SolvableConfig
from mechprobe.models.families import solvable
from mechprobe.probes.attention import ATTENTION
from mechprobe.probes.axes import Column, Performance
from mechprobe.probes.effects import LEAST, ONE_SIDED
from mechprobe.probes.followed import Followed
from mechprobe.probes.reading import TaskReading, task_reading
from mechprobe.probes.results import MechanismLabel
from mechprobe.probes.teacher.context import TeacherContext
from mechprobe.probes.teacher.dynamics import FOLLOWED
from mechprobe.probes.teacher.label import label_in
from mechprobe.probes.teacher.label import version as version_of_rule
from mechprobe.probes.teacher.order import LEVEL

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer

D = 48  # width of the conformance kit's models
# Their overlaps, at one and two columns.
STUDENTS = {
    "a positional student": (1, {"m": 0.5, "noise": 0.3}),
    "a semantic student of rank two": (2, {"theta": 0.7, "noise": 0.3}),
}
TEST_ERROR = Column("Test error", lambda label: label.test_error, "number")


@task_reading("attention-regression")
class Teacher(TaskReading):
    """Students of a teacher attention."""

    title = "Students of a teacher attention"
    axes = (ATTENTION,)
    columns = (
        Column("Attention", lambda label: label.kind("attention")),
        Column("Confidence", lambda label: label.certainty, "confidence"),
        TEST_ERROR,
    )
    sizes = {
        "L": "sequence length",
        "d": "width of the embeddings",
        "rank": "columns of the queries and keys",
        "teacher_rank": "columns of the teacher's",
    }
    decided = {
        "attention": (
            "Attention of a student of a teacher: its queries and keys are compared with the"
            " positional direction (overlap m) and with the teacher (overlap θ). An overlap counts"
            f" as there if {100 * LEVEL:.0f}\u00a0% of random queries and keys of the same size and"
            " width have less. Its part of queries and keys also has to change the answers, by at"
            f" least {100 * LEAST:.0f}\u00a0% of what the whole attention does. Where both parts"
            f" are there, their effects decide: one that has {100 * ONE_SIDED:.0f}\u00a0% of their"
            " sum makes a pure label. The confidence is a calibrated probability that the label is"
            " right, and no greater than the share of bootstrap replicates, over coordinates and"
            " sequences, with the same label; beyond the students that it was calibrated on it is"
            " capped, and the label says why."
        ),
    }
    performance = Performance(TEST_ERROR, higher_is_better=False)
    source = "arXiv:2402.03902"
    leading = ("order-parameters", "score-shares")

    def context(
        self, model: "HookedTransformer", task: AttentionRegression, seed: int
    ) -> TeacherContext:
        """Overlaps, and runs with parts of the attention."""
        return TeacherContext(model, task, seed)

    def label(self, context: TeacherContext) -> MechanismLabel:
        """Which overlap a student's attention lives by."""
        return label_in(context)

    def rule_version(self) -> str:
        """Of the rule and its constants."""
        return version_of_rule()

    def subjects(self) -> "Iterator[tuple[str, HookedTransformer]]":
        """A positional and a semantic student."""
        from mechprobe.models import HookedTransformer

        for name, (rank, overlaps) in STUDENTS.items():
            config = SolvableConfig.of(d=D, rank=rank, teacher_rank=rank)
            generator = torch.Generator().manual_seed(0)
            weights = solvable.initial(config, generator)
            weights["Q"] = solvable.planted(weights["Q_star"], rank, generator, **overlaps)
            yield name, HookedTransformer(config, weights)

    def follow(self) -> Followed:
        """Overlaps, effects on the answers, and test errors."""
        return FOLLOWED
