"""The demo: models of every architecture, labelled and reported."""

from pathlib import Path

from mechprobe.analyses.common import options
from mechprobe.analyses.common.console import report_problems, tell
from mechprobe.analyses.studies import study


@study("demo")
@options.out("runs/demo")
@options.quick("Fewer models and steps, under a minute.")
@options.big_seed("Of the models and probes.")
def demo(out: Path, quick: bool, seed: int) -> int:
    """Train models of every architecture, label them, write a report."""
    from mechprobe.analyses.common.text import table
    from mechprobe.analyses.studies.demo.work import work
    from mechprobe.models.base.folders import folder_alone
    from mechprobe.reports import write_report

    with folder_alone(out):
        results, problems = work(out, quick, seed, options.command_again())
        tell(table(results))
        tell(f"report: {write_report(out)}")
    return report_problems(problems)
