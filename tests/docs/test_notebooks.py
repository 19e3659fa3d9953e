"""Notebooks run in quick form, and are kept as their scripts are."""

import json
import re
from pathlib import Path

import matplotlib
import pytest

from mechprobe.probes.registry import PROBES

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
SCRIPTS = sorted(FOLDER.glob("*.py"))
NAMED = pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.stem)
LARGEST = 150_000  # bytes of one as it is kept


def cells(script: Path) -> list[tuple[str, str]]:
    """Kind and text of every cell of a script in percent format."""
    found = []
    for part in re.split(r"^# %%", script.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        text = body.strip()
        if "[markdown]" in head:
            text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.split("\n"))
        found.append(("markdown" if "[markdown]" in head else "code", text))
    return found


@NAMED
def test_a_notebook_runs(script: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MECHPROBE_QUICK", "1")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}  # as in a kernel
    with PROBES.isolated(), matplotlib.rc_context({"backend": "Agg"}):
        for kind, text in cells(script):
            if kind == "code":
                exec(compile(text, script.name, "exec"), names)
    assert not list(tmp_path.iterdir())  # leaves nothing behind


@NAMED
def test_a_notebook_is_kept_as_its_script_is(script: Path) -> None:
    file = script.with_suffix(".ipynb")
    book = json.loads(file.read_text(encoding="utf-8"))
    kept = [(cell["cell_type"], "".join(cell["source"]).strip()) for cell in book["cells"]]
    assert kept == cells(script), "run `make notebooks`"
    outputs = [output for cell in book["cells"] for output in cell.get("outputs", [])]
    assert outputs
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert file.stat().st_size < LARGEST
    assert "/home/" not in file.read_text(encoding="utf-8")


def test_there_are_six() -> None:
    assert len(SCRIPTS) >= 6
