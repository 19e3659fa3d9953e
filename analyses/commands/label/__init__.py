"""`mechprobe label`: the mechanism of checkpoints."""

import json
from pathlib import Path

import click

from mechprobe.analyses.common.console import report_problems, tell
from mechprobe.analyses.common.paths import PATH


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--run",
    "folder",
    type=PATH,
    help="Also run every probe and keep the results there, for `mechprobe report`.",
)
def label(paths: tuple[Path, ...], as_json: bool, seed: int, folder: Path | None) -> int:
    """Label the models at PATHS (checkpoint folders)."""
    from mechprobe.analyses.commands.label.labelling import (
        as_object,
        as_text,
        label_paths,
        study_paths,
    )

    labelled, problems = label_paths(paths, seed)
    if folder is not None:
        good = [item.path for item in labelled]
        problems += study_paths(good, folder, seed)
    if as_json:
        tell(json.dumps([as_object(item) for item in labelled], indent=2, allow_nan=False))
    else:
        for item in labelled:
            tell(as_text(item))
    return report_problems(problems)
