"""`mechprobe probes`: what can be measured."""

import json

import click

from mechprobe.analyses.common.console import report_problems, tell
from mechprobe.analyses.common.groups import examples


@click.command(epilog=examples("mechprobe probes", "mechprobe probes --schema"))
@click.option("--schema", is_flag=True, help="Print the JSON Schema of stored results and leave.")
def probes(schema: bool) -> int:
    """List the probes, those of installed packages included."""
    from mechprobe.probes import all_probes, json_schema
    from mechprobe.probes.reading import READINGS
    from mechprobe.probes.registry import PROBES

    if schema:
        tell(json.dumps(json_schema(), indent=2))
        return 0
    known = all_probes()
    width = max(len(name) for name in known)
    for probe in known.values():
        tell(f"{probe.name:{width}s}  {probe.kind:7s}  {probe.summary}  [{probe.package}]")
    return report_problems([*PROBES.problems(), *READINGS.problems()])
