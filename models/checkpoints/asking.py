"""What a user says of a checkpoint beside its files: settings of its task, by name."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.hooked import HookedTransformer
from mechprobe.models.tasks import AskedConfig, TaskData, task_from

Setting = int | float | str
Settings = Mapping[str, Setting]
WORDS = {"yes": True, "true": True, "no": False, "false": False}
MOST = 32  # settings of one option


def settings_of(text: str) -> dict[str, Setting]:
    """Settings as a command line gives them, `T=32,L=10,sampler=uniform`.

    Args:
        text: names and values; whole numbers, decimals, yes, no, true and false are what they
            look like, anything else is a word.

    Raises:
        MechprobeError: not of this form, a name given twice, or more than 32 settings.
    """
    found: dict[str, Setting] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value):
            raise MechprobeError(
                f"{short(repr(part))}: NAME=VALUE is wanted, as in T=32,L=10,sampler=uniform"
            )
        if name in found:
            raise MechprobeError(f"{short(name)} is given twice")
        found[name] = _value(value)
    if len(found) > MOST:
        raise MechprobeError(f"{len(found)} settings; at most {MOST} are taken")
    return found


def settings_text(settings: Settings) -> str:
    """The inverse of `settings_of`."""
    return ",".join(f"{name}={_word(value)}" for name, value in settings.items())


def asked(model: HookedTransformer, settings: Settings) -> HookedTransformer:
    """The same model, asked its task with other settings, or another task.

    Args:
        model: of any family that can be asked any task.
        settings: of the task that "name" names, or of the model's own; what is not given stays.

    Returns:
        A copy; the model itself where nothing changes.

    Raises:
        MechprobeError: settings that are none of the task, a task that does not fit the model, or
            a family whose models are asked one task only.
    """
    own: dict[str, Any] = dict(model.config.task_data)
    name = settings.get("name", own["name"])
    data = {**(own if name == own["name"] else {}), **settings, "name": name}
    if data == own:
        return model
    if not isinstance(model.config, AskedConfig):
        raise MechprobeError(
            f"models of the family {model.config.family!r} say themselves what they are asked"
        )
    weights = model.weights()
    # As the task itself tells it, so that it is stored with every setting.
    told = task_from(data, weights).describe()
    usual = told == model.config.usual_task
    config = model.config.model_copy(
        update={"asked": None if usual else TaskData.model_validate(told)}
    )
    twin: HookedTransformer = model.family.assemble(config, weights, model.cfg.widened)
    return twin


def _value(text: str) -> Setting:
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if isfinite(number):
            return number
    return text


def _word(value: Setting) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
