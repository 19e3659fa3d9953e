"""The command of the phase diagram on made-up sweeps: files, table, summary, refusals."""

import csv
from pathlib import Path

import pytest
from click.testing import Result

from mechprobe.analyses.studies.counting_phase_diagram import work as command
from mechprobe.analyses.studies.counting_phase_diagram.bounds import bounds
from mechprobe.analyses.studies.counting_phase_diagram.published import L, T, published
from mechprobe.analyses.sweeps import Grid
from mechprobe.analyses.sweeps.store import Store
from mechprobe.analyses.sweeps.table import TABLE_FILE, read_rows, write_table
from mechprobe.models.base.errors import MechprobeError
from tests.analyses.shell import mechprobe
from tests.analyses.studies.counting_phase_diagram.phase_rows import ARCHITECTURES, make_rows


def sweep(folder: Path, **options: object) -> Path:
    rows = make_rows((4, 8, 32), (2, 32), **options)  # type: ignore[arg-type]
    write_table(folder / TABLE_FILE, rows)
    return folder


def test_the_published_grid_is_whole() -> None:
    rows = published()
    assert len({(row.architecture, row.d, row.p) for row in rows}) == len(rows) == 6 * 49
    assert {row.architecture for row in rows} == set(ARCHITECTURES)
    assert all(0.2 <= row.accuracy <= 1 for row in rows)


def test_a_damaged_published_table_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("arch,d,p,acc\nbos,2\n", encoding="utf-8")
    with pytest.raises(MechprobeError, match="cannot be read"):
        published(tmp_path / "t.csv")


def test_every_architecture_has_its_bounds() -> None:
    found = {name: set() for name in ARCHITECTURES}
    for bound in bounds(T, L):
        found[bound.architecture].add((bound.d, bound.p))
    assert found == {
        "bos": {(30, 1), (12, 32)},
        "dot": {(30, 1), (12, 32)},
        "lin": {(29, 32)},
        "lin+sftm": {(29, 32)},
        "dot+sftm": {(12, 32)},
        "bos+sftm": {(8, 1)},
    }


def study(*options: object) -> Result:
    return mechprobe("study", "counting-phase-diagram", *options)


def test_it_writes_pages_figure_and_table(tmp_path: Path) -> None:
    run, out = sweep(tmp_path / "run"), tmp_path / "out"
    said = study("--run", run, "--out", out).stdout
    names = {"phase.html", "comparison.html", "phase.png", "table.csv"}
    assert {path.name for path in out.iterdir()} == names
    with (out / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 * 6
    assert tuple(rows[0]) == command.COLUMNS
    first = rows[0]
    assert (first["architecture"], first["d"], first["p"], first["models"]) == (
        "bos+sftm", "4", "2", "2",
    )  # fmt: skip
    mean, low, high = (float(first[f"accuracy_{name}"]) for name in ("mean", "min", "max"))
    assert low <= mean <= high
    points = 100 * (mean - float(first["published_accuracy"]))
    assert float(first["difference_points"]) == pytest.approx(points, abs=1e-3)
    assert "bos+sftm     6 cells, mean absolute difference" in said
    assert "worst cells:" in said
    assert "wrote" in said


def test_the_same_table_gives_the_same_pages(tmp_path: Path) -> None:
    run = sweep(tmp_path / "run")
    assert study("--run", run).exit_code == 0
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    assert study("--run", run).exit_code == 0
    assert before == {path.name: path.read_bytes() for path in run.iterdir()}


def test_other_sizes_are_not_compared(tmp_path: Path) -> None:
    run = sweep(tmp_path, T=16)
    said = study("--run", run).stdout
    reason = "the published grid is for T = 32, L = 10, and this sweep has T = 16, L = 10"
    assert reason in said
    assert reason in (run / "comparison.html").read_text(encoding="utf-8")
    assert ",,\n" in (run / "table.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("fault", ["other files", "empty", "two sizes", "no d"])
def test_what_is_no_sweep_is_refused_in_a_line(fault: str, tmp_path: Path) -> None:
    rows = make_rows((4,), (2,), seeds=1, architectures=("dot",))
    if fault == "two sizes":
        rows[0]["T"] = 16
    if fault == "no d":
        rows[0]["d"] = None
    if fault == "other files":
        (tmp_path / "notes.txt").write_text("mine")
    else:
        write_table(tmp_path / TABLE_FILE, [] if fault == "empty" else rows)
    left = study("--run", tmp_path)
    assert left.exit_code == 2
    said = left.stderr
    assert said.startswith("mechprobe: ")
    assert said.count("\n") == 1
    words = {
        "other files": "no sweep here (no sweep.toml)",
        "empty": "the table is empty",
        "two sizes": "T=16 L=10, T=32 L=10",
        "no d": "has no d",
    }
    assert words[fault] in said


def test_a_run_that_is_not_there_is_swept_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the coarse grid (a tiny one here); a sweep that was stopped keeps its own grid."""
    grid = {"T": 6, "L": 5, "d": [4, 8], "p": [4], "arch": ["bos", "lin"], "steps": 300}
    tiny = tmp_path / "tiny.toml"
    Grid.checked(grid | {"lr": [0.01]}).write(tiny)
    monkeypatch.setattr(command, "COARSE", tiny)
    run = tmp_path / "run"
    monkeypatch.setattr("mechprobe.analyses.studies.counting_phase_diagram.RUN", run)
    assert "no sweep here" in study("--run", tmp_path / "typo").stderr
    assert not (tmp_path / "typo").exists()
    said = study()
    assert "sweep has T = 6, L = 5" in said.stdout
    assert "its sweep of 4 models begins" in said.stderr
    assert "--arch bos,lin" in (run / "phase.html").read_text(encoding="utf-8")
    assert len(read_rows(run / TABLE_FILE)) == 4
    assert (run / "phase.html").is_file()
    own = Store(tmp_path / "own")
    own.begin(Grid.checked(grid | {"lr": [0.003, 0.01], "arch": ["dot"]}))
    assert study("--run", own.folder).exit_code == 0
    assert {row["architecture"] for row in read_rows(own.folder / TABLE_FILE)} == {"dot"}
