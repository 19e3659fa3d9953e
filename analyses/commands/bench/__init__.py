"""`mechprobe bench`: what can be relied on, measured; one file a bench.

The bench is the click command of the same name. Its file imports what works within the command.
"""

import click

from mechprobe.analyses.common.groups import Files, examples


@click.group(
    cls=Files,
    package=__name__,
    epilog=examples("mechprobe bench methods --quick", "mechprobe bench labels --help"),
)
def bench() -> None:
    """Measure labels, methods, speed and safety against what is demanded of them.

    Exit code 1 where a demand is missed.
    """
