"""`mechprobe inspect`: what a checkpoint is."""

import json
from pathlib import Path
from typing import Any

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.console import report_problems, say, tell
from mechprobe.analyses.common.groups import examples
from mechprobe.analyses.common.paths import PATH


@click.command(epilog=examples("mechprobe inspect my_counter", "mechprobe inspect --formats"))
@click.argument("path", required=False, type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
@click.option("--formats", "listing", is_flag=True, help="Show every known format and leave.")
@options.task()
@options.mapping()
def inspect(
    path: Path | None,
    as_json: bool,
    listing: bool,
    task: dict[str, Any],
    mapping: dict[str, Any],
) -> int:
    """Say what the checkpoint at PATH is and what can be measured on it."""
    from mechprobe.analyses.commands.inspect.inspecting import as_text, formats_text, inspect_path

    if listing:
        text, problems = formats_text()
        tell(text)
        return report_problems(problems)
    if path is None:
        raise click.UsageError("PATH is wanted, or --formats")
    found = inspect_path(path, settings=task | mapping)
    if found["label"]["doubt"] is not None:
        say(found["label"]["doubt"])
    tell(json.dumps(found, indent=2, allow_nan=False) if as_json else as_text(found))
    return 0
