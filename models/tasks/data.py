"""A task as data of a model's configuration: any model can be asked any task that fits it."""

import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.registry import guarded
from mechprobe.models.base.validation import validated
from mechprobe.models.base.weights import Weights
from mechprobe.models.tasks.base import TASKS, Interface, Task

Config = TypeVar("Config", bound="AskedConfig")


class TaskData(BaseModel):
    """A task's name and its settings, as `Task.describe` gives them."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    name: str

    @model_validator(mode="before")
    @classmethod
    def _in_order(cls, data: object) -> object:
        # Of keys, so that a model's fingerprint does not change with the file it was stored in.
        return _ordered(data)


class AskedConfig(BaseModel):
    """Base of configurations of models: the task of the family's own, or another.

    Attributes:
        asked: the task in place of the usual one; left out of JSON where there is none.
    """

    asked: TaskData | None = Field(default=None, strict=False, exclude_if=lambda data: data is None)

    @classmethod
    def checked(cls: type[Config], data: object, where: str = "configuration") -> Config:
        """Validate outside data.

        Raises:
            MechprobeError: with every fault in one line.
        """
        return validated(cls, data, where)

    @property
    @abstractmethod
    def usual_task(self) -> dict[str, Any]:
        """Name and settings of the task that such a model is asked by default."""

    @property
    def task_data(self) -> dict[str, Any]:
        """Name and settings of the model's task."""
        return self.usual_task if self.asked is None else self.asked.model_dump()

    def task(self) -> Any:
        """The model's task, where it needs no tensors; its type is the task's own."""
        return task_from(self.task_data)


def _ordered(value: object) -> object:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value, key=str)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def task_from(data: Mapping[str, Any], tensors: Weights | None = None) -> Task:
    """Make a registered task.

    Args:
        data: name and settings.
        tensors: weights of the model that is asked, of which some may belong to the task.

    Raises:
        MechprobeError: an unknown task, or settings that are none of it.
    """
    kind = TASKS.find(data.get("name"), "configuration")
    with guarded(f"task {data['name']!r} cannot be made from its settings", kind.__module__):
        return kind.from_data(data, tensors or {})


def described(task: Task) -> dict[str, Any]:
    """A task's settings, as they are stored.

    Raises:
        MechprobeError: they cannot be told, or are no object of JSON.
    """
    with guarded(f"task {short(repr(task.name))}: its settings", type(task).__module__):
        found = json.loads(json.dumps(task.describe(), allow_nan=False))
    if not isinstance(found, dict):
        raise MechprobeError(f"task {task.name!r}: its settings are {short(repr(found))}, no dict")
    return found


def check_fits(task: Task, interface: Interface) -> None:
    """Raises:
    MechprobeError: a model with this interface cannot be asked the task.
    """
    with guarded(f"task {task.name!r}: whether it fits", type(task).__module__):
        reason = task.why_not(interface)
    if reason is not None:
        raise MechprobeError(f"task {task.name!r} does not fit this model: {reason}")
