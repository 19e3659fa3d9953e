"""`mechprobe label`: the mechanism of checkpoints."""

import json
from pathlib import Path
from typing import Any

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.console import report_problems, say, tell
from mechprobe.analyses.common.groups import examples
from mechprobe.analyses.common.paths import PATH


@click.command(
    epilog=examples("mechprobe label my_counter", "mechprobe label my_counters/* --run runs/mine")
)
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
@options.big_seed("Of the probes.")
@options.task()
@click.option(
    "--run",
    "folder",
    type=PATH,
    help="Also run every probe and keep the results there, for `mechprobe report`.",
)
def label(
    paths: tuple[Path, ...], as_json: bool, seed: int, task: dict[str, Any], folder: Path | None
) -> int:
    """Label the models at PATHS (checkpoint folders, or single files of a published code)."""
    from mechprobe.analyses.commands.label.labelling import (
        as_object,
        as_text,
        label_paths,
        run_of,
        study_run,
    )

    if folder is None:
        labelled, problems = label_paths(paths, seed, task)
    else:
        with run_of(paths, folder) as named:
            labelled, problems = label_paths(paths, seed, task)
            if good := [item.path for item in labelled]:
                problems += study_run(named, good, paths, folder, seed, task)
    for item in labelled:
        if item.doubt is not None:
            say(item.doubt)
    if as_json:
        tell(json.dumps([as_object(item) for item in labelled], indent=2, allow_nan=False))
    else:
        for item in labelled:
            tell(as_text(item))
    return report_problems(problems)
