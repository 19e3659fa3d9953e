"""Commands that hold commands, and what their help pages have in common.

A help page is as wide as the terminal, up to what reads well, and shows whole sentences.
"""

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any

import click

WIDEST = 120  # columns of a help page
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": WIDEST}


def examples(*lines: str) -> str:
    """The end of a command's help, as click takes it: command lines to copy.

    Args:
        lines: each a command as it is typed.
    """
    head = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join(["\b", head, *(f"  {line}" for line in lines)])


def summary(command: click.Command) -> str:
    """The first sentence of a command's help, however long."""
    return command.get_short_help_str(limit=10_000)


class Group(click.Group):
    """Commands, each listed with its whole summary."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        known = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        rows = [(name, summary(one)) for name, one in known.items() if one and not one.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


class Files(Group):
    """The modules of a package as commands, each imported when it is asked for: a new command is
    a new file.

    The command `label-all` is the click command `label_all` of the module `label_all`.

    Args:
        package: name of the package.
        besides: modules in it that are no commands.
    """

    def __init__(
        self, *args: Any, package: str, besides: tuple[str, ...] = (), **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.package, self.besides = package, besides

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        spec = find_spec(self.package)
        assert spec is not None
        found = {module.name for module in iter_modules(spec.submodule_search_locations)}
        return sorted(name.replace("_", "-") for name in found - set(self.besides))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name; None where there is none."""
        if name not in self.list_commands(ctx):
            return None
        function = name.replace("-", "_")
        command = getattr(import_module(f"{self.package}.{function}"), function)
        assert isinstance(command, click.Command), name
        return command
