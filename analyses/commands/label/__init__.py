"""`mechprobe label`: the mechanism of checkpoints."""

from pathlib import Path
from typing import Any

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.console import report_problems, say, tell
from mechprobe.analyses.common.groups import examples
from mechprobe.analyses.common.paths import PATH

# As in analyses.common.written, with what is no table.
FORMATS = ("text", "json", "csv", "md", "latex")


@click.command(
    epilog=examples(
        "mechprobe label my_counter",
        "mechprobe label my_counters/* --format latex",
        "mechprobe label my_counters/* --out labels.parquet",
        "mechprobe label my_counters/* --run runs/mine",
    )
)
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="Print so: csv and json with all numbers, md and latex as a table to read."
    "  [default: text]",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--out",
    type=PATH,
    help="Write a table instead: FILE.csv, .parquet or .json with all numbers, .md or .tex.",
)
@click.option("--force", is_flag=True, help="Replace the file of --out.")
@options.big_seed("Of the probes.")
@options.task()
@options.mapping()
@click.option(
    "--run",
    "folder",
    type=PATH,
    help="Also run every probe and keep the results there, for `mechprobe report`.",
)
def label(
    paths: tuple[Path, ...], form: str | None, as_json: bool, out: Path | None, force: bool,
    seed: int, task: dict[str, Any], mapping: dict[str, Any], folder: Path | None,
) -> int:  # fmt: skip
    """Label the models at PATHS (checkpoint folders, or single files of weights).

    A path that cannot be labelled costs no other: it is an entry that says why, and exit code 2.
    """
    from mechprobe.analyses.commands.label.labelling import label_paths, run_of, study_run
    from mechprobe.analyses.commands.label.printed import printed, put, refuse_file

    if as_json and form not in (None, "json"):
        raise click.UsageError("--json and --format say different things; leave one out")
    if out is not None and (as_json or form is not None):
        raise click.UsageError("the name of --out says the format; leave --format out")
    if force and out is None:
        raise click.UsageError("--force is of the file of --out")
    if out is not None:
        refuse_file(out, force=force)
    more: list[str] = []
    settings = task | mapping
    if folder is None:
        labelled, problems = label_paths(paths, seed, settings)
    else:
        with run_of(paths, folder) as named:
            labelled, problems = label_paths(paths, seed, settings)
            if good := [item.path for item in labelled]:
                more = study_run(named, good, paths, folder, seed, settings)
    for item in labelled:
        if item.doubt is not None:
            say(item.doubt)
    if out is not None:
        put(out, paths, labelled, problems)
        tell(f"table: {out}")
    else:
        text = printed("json" if as_json else form or "text", paths, labelled, problems)
        if text:
            tell(text)
    return report_problems([*problems.values(), *more])
