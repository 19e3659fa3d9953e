"""The verdict on one model: the labeller of its task, on the context of its task."""

from typing import Any, Protocol

from mechprobe.models import HookedTransformer, MechprobeError, Task
from mechprobe.probes.context import Context
from mechprobe.probes.contexts import context_for
from mechprobe.probes.counting.label import verdict as counting
from mechprobe.probes.results import MechanismLabel
from mechprobe.probes.teacher import label as attention


class Labeller(Protocol):
    """What a task's module of labels offers."""

    def label_in(self, context: Any) -> MechanismLabel:
        """The verdict within a context of the task."""
        ...

    def version(self) -> str:
        """Version of the rule: what a stored label was made with."""
        ...


# A task with mechanisms of its own adds its module here.
LABELLERS: dict[str, Labeller] = {"histogram": counting, "attention-regression": attention}


def label(model: HookedTransformer, task: Task | None = None, seed: int = 0) -> MechanismLabel:
    """Which mechanism a model uses, and what its attention depends on.

    Args:
        model: hooked model, in either view.
        task: the model's own where left out.
        seed: of every random draw.

    Raises:
        MechprobeError: there are no labels for the task, or none at the model's sizes.
    """
    return label_in(context_for(model, task, seed))


def label_in(context: Context) -> MechanismLabel:
    """The same within a context, sharing what probes there measured."""
    name = context.task.name
    if name not in LABELLERS:
        raise MechprobeError(f"task {name}: no labels are known; known: {', '.join(LABELLERS)}")
    return LABELLERS[name].label_in(context)


def rule_version(task: Task) -> str:
    """Version of the rule that labels a task's models: what a stored label was made with."""
    return LABELLERS[task.name].version() if task.name in LABELLERS else ""
