"""`mechprobe study`: the studies, run or listed."""

import click

from mechprobe.analyses.common.console import report_problems, tell
from mechprobe.analyses.common.groups import Group, examples, summary
from mechprobe.analyses.studies import STUDIES


class Studies(Group):
    """Every registered study as a command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return sorted(STUDIES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        """The study of that name.

        Raises:
            MechprobeError: there is none, with the nearest spelling.
        """
        return STUDIES.find(name)


@click.group(
    cls=Studies,
    invoke_without_command=True,
    epilog=examples(
        "mechprobe study", "mechprobe study demo --quick", "mechprobe study architectures --help"
    ),
)
@click.pass_context
def study(ctx: click.Context) -> int:
    """Run a study; without a name, list the studies.

    The same command goes on where it was stopped.
    """
    code = report_problems(STUDIES.problems())
    if ctx.invoked_subcommand is None:
        known = STUDIES.registered()
        width = max(len(name) for name in known)
        for name, one in sorted(known.items()):
            tell(f"{name:{width}s}  {summary(one.entry)}  [{one.source}]")
    return code
