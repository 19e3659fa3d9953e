"""Interchanges of fields: which causal model of attention does a student carry out?

The student's queries are h_i = (x_i + p_i) Q / sqrt(d). The source is the base sequence in another
order. What tokens give (G) is interchanged by giving every query the part along the teacher that it
has in the source, what positions give (F) by giving it the part of the encodings; keys and the rest
of the queries stay. A causal model (models/tasks/mixing_models.py) of what queries are made of says
with which ones the answers have to be those: a semantic student has all of them from tokens, a
positional one from positions, a mixed one the sum of both, and an uninformed one has them from
neither, so that they stay. The network itself, run with them, says what these answers are.

Answers are vectors, so that a causal model is not right or wrong but explains a share: one less the
squared distance of its answers from the network's, over the squared distance between those of
positional and of semantic attention; 0 where that is negative.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.models.base.draws import draw_normal, draw_uniform
from mechprobe.models.families.solvable import initial
from mechprobe.models.tasks.mixing_models import MIXING
from mechprobe.probes import draws, mixing_accuracy
from mechprobe.probes.attention import AttentionKind
from mechprobe.probes.mixing_accuracy import Numbers
from mechprobe.probes.teacher.context import QUERY, TeacherContext
from mechprobe.probes.untrained import UNTRAINED

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint

SEQUENCES = 128  # base sequences, of the test sequences
LEAST = 1e-6  # squared change by an interchange over that of the answers: below it nothing is told
VARIABLES = ("F", "G")
WHAT = "change of the answers after interchanges of fields explained by"
INTRO = (
    "after interchanges of what positions and what tokens give to the queries, the change of the"
    " answers is explained by"
)
RANDOM = "in random directions of equal rank"

Answers = Mapping[str, Float[Tensor, "n pos d"]]  # after an interchange of either variable


@dataclass(frozen=True)
class Student:
    """A student on some sequences, and the order of its sources.

    Args:
        context: of the student.
        order: where the base has what the source has at each position.
    """

    context: TeacherContext
    order: Int[Tensor, "n pos"]

    @classmethod
    def of(cls, context: TeacherContext) -> "Student":
        """The student, with sources at random."""
        return cls(context, _another_order(context, "order of the source"))

    def part(self, name: str) -> Float[Tensor, "n pos r"]:
        """A part of its fields."""
        return self.context.parts[name][:SEQUENCES]

    @property
    def fields(self) -> Float[Tensor, "n pos r"]:
        """All of them."""
        return self.part("positional") + self.part("semantic") + self.part("rest")

    def actual(self, moved: Mapping[str, Float[Tensor, "n pos r"]]) -> Answers:
        """Answers with a part of the queries as it is in the source.

        Args:
            moved: which part is interchanged, by the variable that it stands for.
        """
        return {
            name: self.run(self.fields - part + _moved(part, self.order))
            for name, part in moved.items()
        }

    def predicted(self, shuffled: Int[Tensor, "n pos"] | None = None) -> dict[str, Answers]:
        """Answers of every causal model, by its name.

        Args:
            shuffled: another order in which its queries are put; none where left out.
        """
        own, F = self.fields, self.part("positional")
        move = partial(_moved, order=self.order)
        found: dict[str, Answers] = {}
        for model in MIXING:
            after = {moved: model.after(own, F, own, moved, move) for moved in VARIABLES}
            if shuffled is not None:
                after = {moved: _moved(fields, shuffled) for moved, fields in after.items()}
            found[model.name] = {moved: self.run(fields) for moved, fields in after.items()}
        return found

    def run(self, queries: Float[Tensor, "n pos r"]) -> Float[Tensor, "n pos d"]:
        """Answers with other fields of the queries; keys stay."""
        # Parts are along the principal axes of Q, the model's own columns may be turned.
        own = self.context.model.weights()["Q"].double()
        queries = queries @ torch.linalg.lstsq(self.context.Q, own).solution
        fill = partial(_put, value=queries.unsqueeze(2) * self.context.task.d**0.5)
        with torch.no_grad():
            answers: Tensor = self.context.model.run_with_hooks(
                self.context.test_inputs[:SEQUENCES], fwd_hooks=[(QUERY, fill)]
            )
        return answers.double()


def numbers(context: TeacherContext) -> Numbers:
    """What causal models explain, and their controls, by `told`; all None where an interchange
    changes nothing in any of them."""
    student = Student.of(context)
    actual, predicted = student.actual(_parts(student)), student.predicted()
    change = _between(predicted["semantic"], predicted["positional"])
    answers = context.answers_with(("positional", "semantic", "rest"))[:SEQUENCES]
    if not change > LEAST * float(answers.double().square().sum()):
        return mixing_accuracy.nothing()
    shuffled = _another_order(context, "shuffled positions")
    return mixing_accuracy.joined(
        _explained(actual, predicted, change),
        {
            "untrained": untrained(context),
            "shuffled": _explained(actual, student.predicted(shuffled), change),
            "random": _explained(student.actual(_random_parts(student)), predicted, change),
        },
    )


def untrained(context: TeacherContext) -> Numbers:
    """The same of a student of the same teacher before training."""
    fresh = initial(context.config, draws.generator(context.seed, UNTRAINED))
    weights = context.model.weights()
    model = context.model.rebuilt(weights | {"Q": fresh["Q"].to(weights["Q"].dtype)})
    student = Student.of(TeacherContext(model, context.task, context.seed))
    predicted = student.predicted()
    change = _between(predicted["semantic"], predicted["positional"])
    return _explained(student.actual(_parts(student)), predicted, change)


def told() -> dict[str, str]:
    """Names of all numbers, in words."""
    return mixing_accuracy.told(WHAT, RANDOM)


def sentence(found: Numbers, kind: AttentionKind) -> str:
    """What the numbers say of the kind of attention that a label names."""
    said = mixing_accuracy.sentence(found, kind, INTRO)
    return said or "interchanges of fields change no answer, so that nothing tells models apart"


def _parts(student: Student) -> dict[str, Float[Tensor, "n pos r"]]:
    return {"F": student.part("positional"), "G": student.part("semantic")}


def _random_parts(student: Student) -> dict[str, Float[Tensor, "n pos r"]]:
    """What Q has along random directions: one for the positions, as many as the teacher has for
    the tokens."""
    context = student.context
    generator = context.generator("random directions")
    Q, root = context.Q, context.task.d**0.5
    given = {
        "F": context.model.W_pos.double().expand(SEQUENCES, -1, -1),
        "G": context.test_inputs[:SEQUENCES].double(),
    }
    found = {}
    for name, ranks in (("F", 1), ("G", context.Q_star.shape[1])):
        drawn = draw_normal((context.task.d, ranks), generator, torch.float64)
        along = drawn @ torch.linalg.lstsq(drawn, Q).solution
        found[name] = given[name] @ along / root
    return found


def _explained(actual: Answers, predicted: dict[str, Answers], change: float) -> dict[str, float]:
    return {
        name: max(0.0, 1 - _between(answers, actual) / max(change, 1e-300))
        for name, answers in predicted.items()
    }


def _between(first: Answers, second: Answers) -> float:
    """Squared distance."""
    return sum(float((first[name] - second[name]).square().sum()) for name in VARIABLES)


def _another_order(context: TeacherContext, purpose: str) -> Int[Tensor, "n pos"]:
    """Random orders of the positions; none is the order that there is."""
    shape = (SEQUENCES, context.task.L)
    order = draw_uniform(shape, context.generator(purpose), torch.float64).argsort(-1)
    still = (order == torch.arange(context.task.L)).all(-1, keepdim=True)
    return torch.where(still, order.flip(-1), order)


def _moved(
    fields: Float[Tensor, "n pos r"], order: Int[Tensor, "n pos"]
) -> Float[Tensor, "n pos r"]:
    return fields.gather(1, order.unsqueeze(-1).expand_as(fields))


def _put(old: Tensor, hook: "HookPoint", value: Tensor) -> Tensor:
    return value.to(old.dtype)
