"""What is damaged is made again; what cannot be read, is newer or was altered is left and told."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mechprobe.analyses.commands.main import main
from mechprobe.analyses.sweeps import Grid, sweep
from mechprobe.analyses.sweeps.status import Progress
from mechprobe.analyses.sweeps.store import Store
from mechprobe.analyses.sweeps.table import read_rows
from mechprobe.models import MechprobeError
from tests.analyses.sweeps.inline import here

GRID = Grid.checked(
    {
        "T": 6, "L": 5, "d": [8], "p": [8], "arch": ["bos", "lin"], "lr": [1e-2],
        "steps": 60, "batch": 16, "snapshots": 2,
    }
)  # fmt: skip
FIRST = GRID.members()[0].name


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep of two models."""
    folder = tmp_path_factory.mktemp("done") / "run"
    with pytest.MonkeyPatch.context() as patch:
        here(patch)
        sweep(folder, GRID)
    return folder


@pytest.fixture
def run(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in a process that does its own work."""
    here(monkeypatch)
    return Path(shutil.copytree(done, tmp_path / "run"))


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["sweep", *map(str, arguments)])


def shard_of(run: Path) -> Path:
    return run / "shards" / "00000.safetensors"


def change_header(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Write the first shard with another header."""
    with safe_open(shard_of(run), framework="pt") as file:
        header = json.loads(file.metadata()["sweep"])
    change(header)
    save_file(load_file(shard_of(run)), shard_of(run), {"sweep": json.dumps(header)})


def directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def endless_link(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


def bad_sector(file: Path) -> None:
    """It opens, and reading it is an input/output error."""
    file.unlink()
    file.symlink_to("/proc/self/mem")


@pytest.mark.parametrize("spoil", [directory, endless_link, bad_sector])
def test_a_shard_that_cannot_be_read_is_left_alone(
    spoil: Callable[[Path], None], run: Path
) -> None:
    """It may be whole: nothing is removed, nothing trained, and a line says so."""
    spoil(shard_of(run))
    before = shard_of(run).lstat()
    with pytest.raises(MechprobeError, match=r"00000\.safetensors: cannot be read \("):
        sweep(run, GRID)
    assert shard_of(run).lstat() == before
    for said in (invoke("status", run), invoke("extract", run, FIRST, "--out", run / "out")):
        assert said.exit_code == 2
        assert "cannot be read (" in said.stderr
    # The bar that watches the folder goes on without it.
    shards = Store(run).stages().shards
    with Progress(Store(run), shards, shards) as bar:
        bar.look()
    assert [shard.index for shard in bar.todo] == [0]


def test_no_memory_for_a_header_removes_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(json, "loads", full)
    with pytest.raises(MemoryError):
        sweep(run, GRID)
    assert len(list((run / "shards").iterdir())) == 2


def test_a_file_of_something_else_is_not_removed(run: Path) -> None:
    """Whole, and no shard: somebody put it there."""
    save_file({"w": torch.ones(3)}, shard_of(run))
    with pytest.raises(MechprobeError, match="is no shard of a sweep; move it out"):
        sweep(run, GRID)
    assert shard_of(run).is_file()


@pytest.mark.parametrize("version", [99, 0, -1, "2", 2.0, True, None])
def test_a_shard_of_another_version_is_left_and_told(version: object, run: Path) -> None:
    change_header(run, lambda header: header.update(version=version))
    before = shard_of(run).read_bytes()
    with pytest.raises(MechprobeError, match=r"00000\.safetensors: .*version"):
        sweep(run, GRID)
    assert shard_of(run).read_bytes() == before


@pytest.mark.parametrize("version", ["99", "0", "-1", '"2"', "2.0", "true"])
def test_a_grid_of_another_version_is_told(version: str, run: Path) -> None:
    file = run / "sweep.toml"
    file.write_text(file.read_text().replace("version = 2", f"version = {version}"))
    said = invoke("status", run)
    assert said.exit_code == 2
    assert "sweep.toml: " in said.stderr
    assert "version" in said.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row.pop("accuracy"), "accuracy is missing, a share from 0 to 1 is wanted"),
        (lambda row: row.update(accuracy=1.5), "accuracy: 1.5 stands there, a share from 0 to 1"),
        (lambda row: row.update(accuracy="x"), "accuracy: 'x' stands there, a share from 0 to 1"),
        (lambda row: row.update(mechanism=[1]), "mechanism: a list stands there, a text"),
        (lambda row: row.update(kappa=["a"]), "kappa: a list stands there, a list of numbers"),
        (lambda row: row.update(diverged_at=0.5), "diverged_at: 0.5 stands there, a whole number"),
        (lambda row: row.update(colour=1), "colour is no column of the table"),
        (lambda row: row.update(evidence_x="a"), "evidence_x: 'a' stands there, a number"),
        (lambda row: row.pop("model"), "model is missing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_row_that_says_too_little_is_told_by_its_column(
    change: Callable[[dict[str, Any]], object], said: str, run: Path
) -> None:
    change_header(run, lambda header: change(header["rows"][0]))
    for found in (
        invoke("status", run),
        invoke("counting", "--grid", run / "sweep.toml", "--out", run),
    ):
        assert found.exit_code == 2
        assert said in found.stderr
        assert found.stderr.count("\n") == 1
    assert shard_of(run).is_file()


def test_altered_weights_are_not_extracted(run: Path) -> None:
    """Of a snapshot or of the end; the line names the model."""
    with safe_open(shard_of(run), framework="pt") as file:
        meta = file.metadata()
    good = load_file(shard_of(run))
    for name in (key for key in good if key.startswith(FIRST) and key.endswith("/W_E")):
        spoilt = {key: w.clone() for key, w in good.items()}
        spoilt[name][0, 0] += 2**-10
        save_file(spoilt, shard_of(run), meta)
        said = invoke("extract", run, FIRST, "--out", run.parent / "out")
        assert said.exit_code == 2
        assert f"the weights of {FIRST} are not those that were trained" in said.stderr
        assert not (run.parent / "out").exists()


def test_altered_weights_of_a_shard_of_version_1_are_not_extracted(run: Path) -> None:
    """It has no digests, but the fingerprint of every model."""

    def old(header: dict[str, Any]) -> None:
        del header["version"], header["weights"]

    change_header(run, old)
    assert invoke("extract", run, FIRST, "--out", run.parent / "out").exit_code == 0
    with safe_open(shard_of(run), framework="pt") as file:
        meta = file.metadata()
    weights = load_file(shard_of(run))
    weights[f"{FIRST}/W_E"][0, 0] += 1
    save_file(weights, shard_of(run), meta)
    said = invoke("extract", run, FIRST, "--out", run.parent / "other")
    assert f"the weights of {FIRST} are not those that were trained" in said.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [("T = 6", "T = 7"), ('device = "cpu"', 'device = "cuda"'), ("seeds = 1", "seeds = 2")],
)
def test_an_edited_grid_is_not_believed(old: str, new: str, run: Path) -> None:
    file = run / "sweep.toml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    said = invoke("extract", run, FIRST, "--out", run.parent / "out")
    assert said.exit_code == 2
    assert "was made for another grid than sweep.toml says" in said.stderr


@pytest.mark.parametrize(
    "date",
    ["2026-13-45T00:00:00+00:00", "2026-01-01T99:99:99+00:00", "2026-01-01T00:00:00+99:99",
     "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01T::::::::+00:00"],
)  # fmt: skip
def test_a_log_whose_date_is_no_date_leaves_the_time_open(date: str, run: Path) -> None:
    (run / "sweep.log").write_text(f"{date} begin: 0.0 s of work done before\n")
    shutil.rmtree(run / "shards")
    with Store(run).alone():
        said = invoke("status", run)
    assert said.exit_code == 0, said.output
    assert "state: at work, time left" in said.output


def spoil_table(run: Path, change: Callable[[pa.Table], pa.Table]) -> str:
    """What reading an altered table says."""
    table = run / "results.parquet"
    pq.write_table(change(pq.read_table(table)), table)
    with pytest.raises(MechprobeError) as caught:
        read_rows(table)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def not_utf8(table: pa.Table) -> pa.Table:
    raw = pa.array([b"\xff\xfe"] * len(table)).cast(pa.binary()).buffers()
    broken = pa.StringArray.from_buffers(len(table), raw[1], raw[2])
    place = table.schema.get_field_index("mechanism")
    return table.set_column(place, table.schema.field(place), broken)


def with_list(table: pa.Table, name: str) -> pa.Table:
    column = pa.array([[1.0]] * len(table))
    place = table.schema.get_field_index(name)
    return table.append_column(name, column) if place < 0 else table.set_column(place, name, column)


def with_version(table: pa.Table, version: str) -> pa.Table:
    return table.replace_schema_metadata({"mechprobe_table": version})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (not_utf8, "not a readable table"),
        (lambda t: with_list(t, "accuracy"), "column accuracy: list<"),
        (lambda t: with_list(t, "evidence_new"), "column evidence_new: list<"),
        (lambda t: with_list(t, "probe.metric"), "column probe.metric: list<"),
        (lambda t: with_list(t, "other"), "column 'other' is unknown"),
        (lambda t: t.drop_columns(["accuracy"]), "column accuracy: nothing stands there"),
        (lambda t: with_version(t, "99"), "schema version 99 is newer"),
        (lambda t: with_version(t, "0"), "version: 0 stands there"),
        (lambda t: with_version(t, "-1"), "version: '-1' stands there"),
        (lambda t: with_version(t, "9" * 5000), "version: '999"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_table_that_is_none_of_ours_is_told_by_its_column(
    change: Callable[[pa.Table], pa.Table], said: str, run: Path
) -> None:
    assert said in spoil_table(run, change)
