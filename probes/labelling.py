"""The verdict on one model, by the reading of its task."""

from typing import TYPE_CHECKING

from mechprobe.models import MechprobeError, Task
from mechprobe.models.base.errors import one_line, short
from mechprobe.models.base.registry import is_ours
from mechprobe.models.base.settled import settled
from mechprobe.probes.admission import admit, alone
from mechprobe.probes.context import Context
from mechprobe.probes.guard import guarded
from mechprobe.probes.reading import READINGS, context_for, reading_of
from mechprobe.probes.results import MechanismLabel

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer


def label(model: "HookedTransformer", task: Task | None = None, seed: int = 0) -> MechanismLabel:
    """Which mechanism a model uses, and what its attention depends on.

    Args:
        model: hooked model, in either view.
        task: the model's own where left out.
        seed: of every random draw.

    Raises:
        MechprobeError: the model cannot be probed (it carries hooks, or lies on another device
            than the CPU), there are no labels for the task, or none at the model's sizes.
    """
    return label_in(context_for(model, task, seed))


def label_in(context: Context) -> MechanismLabel:
    """The same within a context, sharing what probes there measured.

    Raises:
        MechprobeError: as `label`.
    """
    reading = reading_of(context.task)
    who, ours = f"task reading {reading.name!r}", is_ours(type(reading).__module__)
    with alone(context.model), settled(), guarded(who, ours, context.model, context):
        admit(context.model)  # again, for it may have been given hooks since
        found: object = reading.label(context)
    if not isinstance(found, MechanismLabel):
        raise MechprobeError(f"{who} gave {short(repr(found))}, a MechanismLabel is wanted")
    if not ours:
        with one_line(f"{who}: its label cannot be stored"):
            found.model_dump_json()
    return found


def rule_version(task: Task) -> str:
    """Version of the rule that labels a task's models; empty where there are no labels."""
    if task.name not in READINGS:
        return ""
    with one_line(f"task reading {task.name!r}"):
        return str(READINGS[task.name].rule_version())
