"""The command as users run it, within the test's process."""

from click.testing import CliRunner, Result

from mechprobe.analyses.commands.main import main


def mechprobe(*arguments: object) -> Result:
    """One call of `mechprobe`; what is not meant to end a command is raised."""
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
