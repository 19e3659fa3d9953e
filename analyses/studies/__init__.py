"""Studies, one folder each: the work and its page. `mechprobe study NAME` runs one.

The `__init__` of a study's folder holds its command, which imports the work only when it runs:
listing the studies takes no torch.
"""

from collections.abc import Callable

import click

from mechprobe.models.base.registry import Registry

__all__ = [
    "STUDIES",
    "study",
]

STUDIES: Registry[click.Command] = Registry(
    "study", "mechprobe.studies", ["mechprobe.analyses.studies.*"]
)


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
        command = click.command(name)(work)
        STUDIES.add(name, command, work.__module__)
        return command

    return register
