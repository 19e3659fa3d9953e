"""`mechprobe bench fuzz`."""

import click

from mechprobe.analyses.common.groups import examples


@click.command(
    epilog=examples(
        "mechprobe bench fuzz --cases 10000",
        "mechprobe bench fuzz --cases 20 --first 500 --verbose",
    )
)
@click.option(
    "--cases", type=click.IntRange(min=1), default=10_000, show_default=True, help="How many."
)
@click.option(
    "--first",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Number of the first; a case of a number is always the same.",
)
@click.option("--untimed", is_flag=True, help="Do not judge how long a case takes.")
@click.option("--verbose", is_flag=True, help="Print what each bad case printed.")
def fuzz(cases: int, first: int, untimed: bool, verbose: bool) -> int:
    """Damage files and draw command lines: does the command always end in a line?"""
    from mechprobe.analyses.bench.fuzz.run import run

    return run(cases, first, not untimed, verbose)
