"""What a task brings to probes, labels and pages: one object, registered in one place.

A new task with labels is a task (`models/tasks`) and a reading of it: a class registered with
`@task_reading("name of the task")`. Nothing else knows a task by name: labels, tables, reports,
`mechprobe dynamics` and the conformance kit ask the reading.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from mechprobe.models import MechprobeError, Task
from mechprobe.models.base.errors import short
from mechprobe.models.base.registry import Registry, is_ours, refuse_lacking
from mechprobe.models.base.settled import settled
from mechprobe.probes.admission import admit, refuse_others
from mechprobe.probes.axes import Axis, Column, Item, Performance
from mechprobe.probes.context import Context
from mechprobe.probes.followed import Followed
from mechprobe.probes.guard import guarded
from mechprobe.probes.results import MechanismLabel

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer


class TaskReading(ABC):
    """How models of one task are measured, labelled and shown.

    Attributes:
        name: of the task; set by the decorator.
        title: heading over its models in tables, such as "Models that count".
        axes: of its labels, the mechanism first.
        columns: of its tables, in order, beside the models' names and sizes.
        sizes: meaning of the models' sizes by name, a clause each.
        decided: how each axis is decided, a paragraph by the name of the axis.
        item: what one of the `items` is called, such as "token".
        performance: how well a model does the task; None where no number says so.
        source: where the task and its mechanisms are from, such as "arXiv:2407.11542".
        leading: probes whose figures say most, for pages with room for a few.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    axes: ClassVar[tuple[Axis, ...]]
    columns: ClassVar[tuple[Column, ...]]
    sizes: ClassVar[Mapping[str, str]] = {}
    decided: ClassVar[Mapping[str, str]] = {}
    item: ClassVar[str] = "item"
    performance: ClassVar[Performance | None] = None
    source: ClassVar[str] = ""
    leading: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def context(self, model: "HookedTransformer", task: Any, seed: int) -> Context:
        """What probes of such models share.

        Raises:
            MechprobeError: model and task do not fit each other.
        """

    @abstractmethod
    def label(self, context: Any) -> MechanismLabel:
        """The verdict within a context.

        Raises:
            MechprobeError: there is no label at the model's sizes.
        """

    @abstractmethod
    def rule_version(self) -> str:
        """Version of the rule with every constant in it: what a stored label was made with."""

    @abstractmethod
    def subjects(self) -> "Iterator[tuple[str, HookedTransformer]]":
        """Small models for the conformance kit, by name; each is made when its turn comes."""

    def items(self, label: MechanismLabel) -> list[Item]:
        """What a label tells apart below the model, such as every token; nothing by default."""
        return []

    def follow(self) -> Followed | None:
        """What `mechprobe dynamics` follows along the snapshots of a training run; None (the
        default) where there is nothing to follow."""
        return None


READINGS: Registry[TaskReading] = Registry(
    "task reading", "mechprobe.tasks", ["mechprobe.probes.*.reading"]
)
Made = TypeVar("Made", bound=type[TaskReading])


def task_reading(task: str) -> Callable[[Made], Made]:
    """Register a class of readings; one is made, without arguments.

    Args:
        task: name of the task it reads.

    Raises:
        MechprobeError: the class lacks something, the name is none, or the task has a reading
            already.
    """

    def register(made: Made) -> Made:
        refuse_lacking(f"task reading {task!r}", made, ("title", "axes", "columns"))
        if not (made.axes and made.columns):
            raise MechprobeError(f"task reading {task!r}: {made.__name__} has no axes or columns")
        for what, kind in ((made.axes, Axis), (made.columns, Column)):
            if not (isinstance(what, tuple) and all(isinstance(one, kind) for one in what)):
                raise MechprobeError(
                    f"task reading {task!r}: {made.__name__} needs tuples of Axis and of Column"
                )
        made.name = task
        READINGS.add(task, made(), made.__module__)
        return made

    return register


def reading_of(task: Task) -> TaskReading:
    """The reading of a task.

    Raises:
        MechprobeError: there is none.
    """
    if task.name not in READINGS:
        known = ", ".join(READINGS)
        raise MechprobeError(f"task {task.name}: no labels are known; known: {known}")
    return READINGS[task.name]


def heading_of(task: str) -> str:
    """Heading over the models of a task, by its name; it need not have a reading."""
    if task in READINGS:
        return READINGS[task].title
    return f"Models of the task {task}" if task else "Models of a task without a name"


def axis_title(name: str) -> str:
    """Heading of an axis that no reading here knows."""
    return name[:1].upper() + name[1:]


def columns_of(task: str, labels: Iterable[MechanismLabel]) -> tuple[Column, ...]:
    """Columns of a table of models of one task.

    Stored labels outlive the package that made them: where the task has no reading here, there is
    a column for every axis.

    Args:
        task: its name.
        labels: of the table's models.
    """
    if task in READINGS:
        return READINGS[task].columns
    names = dict.fromkeys(axis.name for label in labels for axis in label.axes)
    found = [Column(axis_title(name), partial(MechanismLabel.kind, name=name)) for name in names]
    return (*found, Column("Confidence", lambda label: label.certainty, "confidence"))


@settled()
def context_for(model: "HookedTransformer", task: Task | None = None, seed: int = 0) -> Context:
    """The context of a model's task; one without special measurements for tasks without reading.

    Args:
        model: hooked model, in either view.
        task: the model's own where left out.
        seed: every random draw derives from it.

    Raises:
        MechprobeError: the model cannot be probed (it carries hooks, or lies on another device
            than the CPU), or model and task do not fit each other.
    """
    refuse_others(model)
    admit(model)  # before it is asked anything
    asked = model.task() if task is None else task
    if asked.name not in READINGS:
        return Context(model, asked, seed)
    reading = READINGS[asked.name]
    who, ours = f"task reading {asked.name!r}", is_ours(type(reading).__module__)
    with guarded(who, ours, model):
        found: object = reading.context(model, asked, seed)
    if not isinstance(found, Context):
        raise MechprobeError(f"{who} gave {short(repr(found))} as context, a Context is wanted")
    return found
