"""A run that an earlier version stored still has a report."""

from pathlib import Path

from mechprobe.probes.runs import load_run
from mechprobe.reports.page import render

VERSION_1 = Path(__file__).parents[1] / "data" / "run_version_1"


def test_a_run_of_version_1_has_a_report() -> None:
    html = render(*load_run(VERSION_1))
    for name, verdict in (
        ("attention-semantic", "semantic attention"),
        ("bos-d8-p64", "semantic attention, mixed counting"),
    ):
        assert name in html
        assert verdict in html
    assert html.count("No figure:") == 0
    assert "Students of a teacher attention" in html
    assert "Models that count" in html
