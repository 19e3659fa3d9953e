"""The command `mechprobe dynamics`."""

import json
from pathlib import Path
from typing import Any

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.console import say, tell
from mechprobe.analyses.common.groups import examples
from mechprobe.analyses.common.paths import PATH


@click.command(
    epilog=examples(
        "mechprobe train bos --T 8 --L 6 --snapshots 30 --out snapshots",
        "mechprobe dynamics snapshots --out runs/dynamics",
    )
)
@click.argument("path", type=PATH)
@click.option(
    "--out",
    type=PATH,
    default=Path("runs/dynamics"),
    show_default=True,
    help="Folder of the results and of the page.",
)
@options.big_seed("Of the probes.")
@options.task()
@click.option(
    "--llc", is_flag=True, help="Estimate local learning coefficients too (seconds a snapshot)."
)
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
def dynamics(
    path: Path, out: Path, seed: int, task: dict[str, Any], llc: bool, as_json: bool
) -> int:
    """Follow the mechanism along training: PATH holds the snapshots of one run, or seed-* runs.

    `mechprobe train ... --snapshots 30 --out PATH` makes them.
    """
    from mechprobe.analyses.dynamics.follow import as_object, as_text, follow
    from mechprobe.analyses.dynamics.page import write_page
    from mechprobe.models.base.folders import folder_alone

    with folder_alone(out):
        found = follow(path, out, seed, task, llc)
        page = write_page(found, out / "dynamics.html")
    if as_json:
        tell(json.dumps(as_object(found, page), indent=2, allow_nan=False))
    else:
        for run in found.runs:
            tell(as_text(run, found) + "\n")
        tell(f"page: {page}")
    for problem in found.problems:
        say(problem)
    return 2 if found.problems else 0
