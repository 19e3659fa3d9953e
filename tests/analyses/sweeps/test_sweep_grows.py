"""A finished sweep takes more seeds and values; what was there stays byte for byte."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mechprobe.analyses.commands.main import main
from mechprobe.analyses.sweeps import Grid, sweep
from mechprobe.analyses.sweeps.shards import shards_of
from mechprobe.analyses.sweeps.stages import Stages
from mechprobe.analyses.sweeps.store import Store
from mechprobe.analyses.sweeps.table import read_rows
from mechprobe.models import MechprobeError
from tests.analyses.sweeps.inline import here

SMALL = {
    "T": 6, "L": 5, "d": [8, 4], "p": [8], "arch": ["lin", "bos"], "lr": [1e-2],
    "steps": 60, "batch": 16, "snapshots": 2,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep of four models."""
    folder = tmp_path_factory.mktemp("done") / "run"
    with pytest.MonkeyPatch.context() as patch:
        here(patch)
        sweep(folder, Grid.checked(SMALL))
    return folder


@pytest.fixture
def run(done: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(done, tmp_path / "run"))


def stamps(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and times of the shards."""
    return {
        file.name: (file.read_bytes(), file.stat().st_mtime_ns)
        for file in sorted((folder / "shards").iterdir())
    }


def grown(**change: object) -> Grid:
    return Grid.checked(SMALL | change)


@pytest.mark.parametrize(
    ("change", "new"),
    [
        ({"seeds": 2}, 4),
        ({"d": [8, 4, 6]}, 2),
        ({"p": [4, 8]}, 4),
        ({"arch": ["bos", "dot", "lin"]}, 2),
        ({"d": [3, 4, 8], "seeds": 2}, 8),
    ],
    ids=str,
)
def test_only_what_is_new_is_trained(change: dict[str, object], new: int, run: Path) -> None:
    """Shards keep their bytes and times, rows their places; the rest comes after."""
    before, rows = stamps(run), read_rows(run / "results.parquet")
    sweep(run, grown(**change))
    after, more = stamps(run), read_rows(run / "results.parquet")
    assert {name: after[name] for name in before} == before
    assert len(after) > len(before)
    assert more[: len(rows)] == rows
    assert len(more) == len(rows) + new
    assert {row["model"] for row in more} == {m.name for m in grown(**change).members()}
    again = sweep(run, grown(**change))
    assert stamps(run) == after
    assert len(again) == len(more)


def test_a_new_model_is_what_it_is_in_a_sweep_of_its_own(run: Path, tmp_path: Path) -> None:
    """A row of the larger grid is the row of a grid that was swept at once."""
    sweep(run, grown(seeds=2))
    sweep(tmp_path / "whole", grown(seeds=2))
    rows = read_rows(run / "results.parquet")
    whole = read_rows(tmp_path / "whole" / "results.parquet")
    assert sorted(map(repr, rows)) == sorted(map(repr, whole))


def test_more_learning_rates_change_the_choice_alone(run: Path) -> None:
    """`chosen` may go to a new rate; everything else a row says stays."""
    rows = read_rows(run / "results.parquet")
    sweep(run, grown(lr=[1e-3, 1e-2]))
    more = read_rows(run / "results.parquet")
    plain = [{k: v for k, v in row.items() if k != "chosen"} for row in more]
    assert plain[:4] == [{k: v for k, v in row.items() if k != "chosen"} for row in rows]
    assert sum(row["chosen"] for row in more) == 4


def test_the_order_of_values_makes_no_other_grid(run: Path) -> None:
    """Nothing at all is written anew but the same table."""
    files = {p: p.read_bytes() for p in run.rglob("*") if p.is_file() and p.name != "sweep.log"}
    sweep(run, grown(d=[4, 8], arch=["bos", "lin"]))
    assert {p: p.read_bytes() for p in files} == files


def test_a_growth_that_was_killed_ends_as_if_undisturbed(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after its first new shard; the same command makes the rest."""
    calm = Path(shutil.copytree(run, tmp_path / "calm"))
    grid = grown(seeds=2, d=[8, 4, 20])
    sweep(calm, grid)
    here(monkeypatch, stop_after=1)
    with pytest.raises(KeyboardInterrupt):
        sweep(run, grid)
    assert len(stamps(run)) == len(shards_of(Grid.checked(SMALL))) + 1 < len(stamps(calm))
    status = invoke("status", run).output
    assert "state: stopped" in status  # though the table of the smaller grid is there
    here(monkeypatch)
    sweep(run, grid)
    assert {n: b for n, (b, _) in stamps(run).items()} == {
        n: b for n, (b, _) in stamps(calm).items()
    }
    for name in ("sweep.toml", "results.parquet"):
        assert (run / name).read_bytes() == (calm / name).read_bytes()
    assert "state: finished" in invoke("status", run).output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": 61}, "steps is 60 there, 61 here"),
        ({"seed": 1}, "seed is 0 there, 1 here"),
        ({"T": 7}, "T is 6 there, 7 here"),
        ({"snapshots": 3}, "snapshots is 2 there, 3 here"),
        ({"d": [8, 16]}, "d lacks 4, which it has"),
        ({"arch": ["bos"]}, "arch lacks lin, which it has"),
        ({"lr": [2e-2]}, "lr lacks 0.01, which it has"),
    ],
    ids=str,
)
def test_what_is_no_larger_grid_is_refused(change: dict[str, object], said: str, run: Path) -> None:
    """The line names the setting; nothing is touched."""
    files = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with pytest.raises(MechprobeError) as caught:
        sweep(run, grown(**change))
    assert f"holds the sweep of another grid ({said}" in str(caught.value)
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == files


def test_fewer_seeds_are_refused(run: Path) -> None:
    sweep(run, grown(seeds=2))
    with pytest.raises(MechprobeError, match="seeds is 2 there, 1 here; it takes more, not fewer"):
        sweep(run, grown())


def test_a_growth_that_trained_nothing_can_be_taken_back(run: Path) -> None:
    """A slip of the hand, stopped at once, does not shut the finished sweep."""
    before, table = stamps(run), (run / "results.parquet").read_bytes()
    store = Store(run)
    with store.alone():
        store.begin(grown(seeds=4))
    sweep(run, grown())
    assert store.stages().grids == (grown(),)
    assert stamps(run) == before
    assert (run / "results.parquet").read_bytes() == table


def test_the_file_of_a_grown_sweep_is_a_grid(run: Path) -> None:
    """It says how the sweep grew, and names all of it for `--grid`."""
    sweep(run, grown(seeds=2))
    stages = Stages.read(run / "sweep.toml")
    assert stages.grids == (Grid.checked(SMALL), grown(seeds=2))
    assert Grid.read(run / "sweep.toml") == Store(run).grid() == grown(seeds=2)
    again = invoke("counting", "--grid", run / "sweep.toml", "--out", run)
    assert again.exit_code == 0, again.output


def test_a_sweep_of_version_1_stays_readable_and_grows(run: Path) -> None:
    """Its file had no version, its shards no digests."""
    text = (run / "sweep.toml").read_text()
    (run / "sweep.toml").write_text(text.replace("version = 2\n", ""))
    for file in (run / "shards").iterdir():
        with safe_open(file, framework="pt") as shard:
            header = json.loads(shard.metadata()["sweep"])
        old = {"grid": header["grid"], "rows": header["rows"]}
        save_file(load_file(file), file, {"sweep": json.dumps(old)})
    before = stamps(run)
    assert len(sweep(run, grown(seeds=2))) == 8
    after = stamps(run)
    assert {name: after[name] for name in before} == before
    name = Grid.checked(SMALL).members()[0].name
    assert invoke("extract", run, name, "--out", run.parent / "out").exit_code == 0


def test_stages_are_cut_one_after_another() -> None:
    """Every model of the last grid is in one shard, and numbers go on."""
    first, last = Grid.checked(SMALL), grown(seeds=3, p=[8, 2])
    shards = shards_of(first, last)
    assert shards[: len(shards_of(first))] == shards_of(first)
    assert [shard.index for shard in shards] == list(range(len(shards)))
    names = [member.name for shard in shards for member in shard.members]
    assert sorted(names) == sorted(member.name for member in last.members())


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["sweep", *map(str, arguments)])
