"""`mechprobe report` with its options."""

from pathlib import Path

import pytest

from mechprobe import reports
from tests.analyses.shell import mechprobe


def test_options_are_those_of_the_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def write(run: Path, **options: object) -> Path:
        asked.update(options, run=run)
        return run / "report.html"

    monkeypatch.setattr(reports, "write_report", write)
    words = ("--model", "bos*", "--model", "dot", "--probe", "readout", "--compact")
    done = mechprobe("report", tmp_path, *words)
    assert done.exit_code == 0
    assert done.stdout == f"report: {tmp_path / 'report.html'}\n"
    models, probes = ("bos*", "dot"), ("readout",)
    assert asked == {"run": tmp_path, "models": models, "probes": probes, "compact": True}
