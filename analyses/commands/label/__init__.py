"""`mechprobe label`: the mechanism of checkpoints."""

import json
from pathlib import Path
from typing import Any

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.console import report_problems, say, tell
from mechprobe.analyses.common.paths import PATH


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@options.task()
@options.mapping()
@click.option(
    "--run",
    "folder",
    type=PATH,
    help="Also run every probe and keep the results there, for `mechprobe report`.",
)
def label(
    paths: tuple[Path, ...],
    as_json: bool,
    seed: int,
    task: dict[str, Any],
    mapping: dict[str, Any],
    folder: Path | None,
) -> int:
    """Label the models at PATHS (checkpoint folders, or single files of weights)."""
    from mechprobe.analyses.commands.label.labelling import (
        as_object,
        as_text,
        label_paths,
        run_of,
        study_run,
    )

    settings = task | mapping
    if folder is None:
        labelled, problems = label_paths(paths, seed, settings)
    else:
        with run_of(paths, folder) as named:
            labelled, problems = label_paths(paths, seed, settings)
            if good := [item.path for item in labelled]:
                problems += study_run(named, good, paths, folder, seed, settings)
    for item in labelled:
        if item.doubt is not None:
            say(item.doubt)
    if as_json:
        tell(json.dumps([as_object(item) for item in labelled], indent=2, allow_nan=False))
    else:
        for item in labelled:
            tell(as_text(item))
    return report_problems(problems)
