"""Studies, one folder each: the work and its page. `mechprobe study NAME` runs one.

The `__init__` of a study's folder holds its command, which imports the work only when it runs:
listing the studies takes no torch.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from mechprobe.analyses.common.groups import examples
from mechprobe.models.base.errors import Ended, MechprobeError, reason_of
from mechprobe.models.base.registry import Registry, is_ours

__all__ = [
    "STUDIES",
    "study",
]

STUDIES: Registry[click.Command] = Registry(
    "study", "mechprobe.studies", ["mechprobe.analyses.studies.*"]
)
# How click ends a command, and what goes through to the end.
CLICKS = (click.ClickException, click.exceptions.Exit, click.Abort)
THROUGH = (MechprobeError, KeyboardInterrupt, BrokenPipeError, Ended)


def study(name: str) -> Callable[[Callable[..., int]], click.Command]:
    """Register a function as the study `mechprobe study NAME`.

    The first sentence of its docstring is the summary in the list of studies, options are those of
    click, and what it returns is the exit code: 0, or 1 where something demanded is missed. A
    `MechprobeError` ends it with one line and code 2; Ctrl-C with code 130.

    Args:
        name: lower-case words with hyphens.

    Raises:
        MechprobeError: the name is taken, or does not have that form.
    """

    def register(work: Callable[..., int]) -> click.Command:
        @wraps(work)
        def one(*args: Any, **options: Any) -> int:
            try:
                return int(work(*args, **options) or 0)
            except CLICKS:
                raise
            except BaseException as error:  # a foreign study may fail in any way
                if is_ours(work.__module__) or isinstance(error, THROUGH):
                    raise
                raise MechprobeError(f"study {name}: {reason_of(error)}") from error

        command = click.command(name)(one)
        lines = [f"mechprobe study {name}"]
        if any("--quick" in option.opts for option in command.params):
            lines.insert(0, f"mechprobe study {name} --quick")
        command.epilog = examples(*lines)
        STUDIES.add(name, command, work.__module__)
        return command

    return register
