"""A sweep's grid and its shards: what is trained, said in options or in a file."""

from pathlib import Path

import pytest

from mechprobe.analyses.sweeps import Grid
from mechprobe.analyses.sweeps.choice import chosen
from mechprobe.analyses.sweeps.shards import MOST, SECONDS, cost, shards_of
from mechprobe.models import MechprobeError
from mechprobe.models.families.counting.training.padded import padded_width
from mechprobe.models.families.counting.training.stack import PLACES

SMALL = {"T": 6, "L": 5, "d": [4, 8], "p": [2, 8], "arch": ["bos", "lin"], "seeds": 3, "steps": 200}


def test_every_combination_is_a_model_once() -> None:
    """Two architectures, two widths, two sizes, three seeds, two rates."""
    members = Grid.checked(SMALL | {"lr": [1e-3, 3e-3], "seed": 5}).members()
    assert len(members) == len({m.name for m in members}) == 2 * 2 * 2 * 3 * 2
    assert {m.trainee.seed for m in members} == {5, 6, 7}
    assert members[0].name == "bos-d4-p2-s5-lr0.001"
    row = members[0].row()
    assert (row["architecture"], row["T"], row["d"], row["lr"]) == ("bos", 6, 4, 1e-3)


def test_a_grid_survives_its_file(tmp_path: Path) -> None:
    """What is written is what is read, rates without a point included."""
    grid = Grid.checked(SMALL | {"lr": [0.01, 3e-3], "snapshots": 4})
    grid.write(tmp_path / "grid.toml")
    assert Grid.read(tmp_path / "grid.toml") == grid
    assert grid.difference(grid) is None
    other = Grid.checked(SMALL | {"lr": [0.01, 3e-3], "snapshots": 5})
    assert grid.difference(other) == "snapshots is 5 there, 4 here"


def test_embeddings_are_of_the_grid(tmp_path: Path) -> None:
    """Fixed ones reach every model and the file; trained ones are left out, as before there were
    others."""
    plain, fixed = Grid.checked(SMALL), Grid.checked(SMALL | {"embeddings": "fixed"})
    assert {m.trainee.config.embeddings for m in fixed.members()} == {"fixed"}
    assert "embeddings" not in plain.model_dump()
    fixed.write(tmp_path / "grid.toml")
    assert Grid.read(tmp_path / "grid.toml") == fixed
    options = fixed.options()
    assert options[options.index("--embeddings") + 1] == "fixed"
    assert plain.difference(fixed) == "embeddings is fixed there, trained here"
    assert fixed.difference(plain) == "embeddings is trained there, fixed here"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"d": []}, "d: List should have at least 1 item"),
        ({"d": [4, 4]}, "4 is listed twice"),
        ({"d": [1]}, "d: Input should be greater than or equal to 2"),
        ({"d": ["4"]}, "d.0: Input should be a valid integer"),
        ({"arch": ["bos", "mamba"]}, "architecture 'mamba' is unknown"),
        ({"lr": [0.0]}, "lr in"),
        ({"lr": [float("nan")]}, "lr in"),
        ({"steps": 0}, "steps and batch are at least 1"),
        ({"seeds": 0}, "seeds: Input should be greater than or equal to 1"),
        ({"seeds": 10**6}, "models; at most"),
        ({"schedule": "linear"}, "schedule: Input should be"),
        ({"widths": [3]}, "widths: Extra inputs are not permitted"),
        ({"snapshots": -1}, "snapshots: Input should be greater"),
        ({"lr": [10**400]}, "lr.0: Input should be a valid number, a very long number stands"),
        ({"steps": [-5]}, "steps: Input should be a valid integer, a list stands there"),
        ({"T": 10**30}, "grid: configuration: T: Input should be less than or equal to 100000"),
        ({"seeds": 10**4000}, "models; at most"),
    ],
    ids=str,
)
def test_impossible_grids_are_refused_in_one_line(change: dict[str, object], said: str) -> None:
    """The message names the setting."""
    with pytest.raises(MechprobeError) as caught:
        Grid.checked(SMALL | change)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"d = [4,",
        b"\xff\xfe",
        b"d = 4\np = [2]",
        b"d = [4]\np = [2]\nT = 1" + b"0" * 5000,
        b"d = [4]\np = [2]\nT = " + b"[" * 3000,
        b"d = [4]\np = [2]\nversion = 99",
    ],
)
def test_broken_grid_files_are_refused(content: bytes, tmp_path: Path) -> None:
    """Not TOML, not text, not a grid."""
    path = tmp_path / "grid.toml"
    path.write_bytes(content)
    with pytest.raises(MechprobeError, match=r"grid\.toml: "):
        Grid.read(path)


def test_shards_hold_every_model_once_and_are_short() -> None:
    """No shard is longer than it may be, unless a single model is."""
    grid = Grid.checked(SMALL | {"seeds": 40, "steps": 20_000, "p": [2, 8, 64]})
    shards = shards_of(grid)
    names = [m.name for s in shards for m in s.members]
    assert sorted(names) == sorted(m.name for m in grid.members())
    assert [s.index for s in shards] == list(range(len(shards)))
    assert all(len(s.members) <= MOST for s in shards)
    assert all(s.cost <= SECONDS or len(s.members) == 1 for s in shards)
    assert shards == shards_of(Grid.checked(grid.model_dump()))
    slow = shards_of(Grid.checked(SMALL | {"steps": 10**8, "seeds": 1}))
    assert all(len(s.members) == 1 for s in slow)
    assert cost(slow[0].members[0]) > SECONDS


def test_on_a_device_a_shard_is_a_stack() -> None:
    """Models of one architecture and one padded shape, as many as a stack has places."""
    grid = Grid.checked(SMALL | {"seeds": 100, "p": [2, 8, 64], "device": "cuda"})
    for shard in shards_of(grid):
        configs = [m.trainee.config for m in shard.members]
        kinds = {(c.architecture, padded_width(c.d), padded_width(c.p)) for c in configs}
        assert len(kinds) == 1
        assert len(configs) <= PLACES


def row(name: str, seed: int, lr: float, validated: float, diverged: int | None) -> dict:
    """A row as the choice reads it."""
    return {
        "model": name, "architecture": "bos", "d": 4, "p": 2, "seed": seed, "lr": lr,
        "validation_accuracy": validated, "diverged_at": diverged, "accuracy": 1 - validated,
    }  # fmt: skip


def test_the_best_rate_is_chosen_on_validation_data_alone() -> None:
    """The test accuracies here would choose the other model of each pair."""
    rows = [
        row("a", 0, 0.01, 0.8, None),
        row("b", 0, 0.03, 0.7, None),
        row("c", 1, 0.03, 0.7, None),
        row("d", 1, 0.01, 0.7, None),
        row("e", 2, 0.01, 0.9, 17),
        row("f", 2, 0.03, 0.2, None),
        row("g", 3, 0.01, 0.3, 5),
    ]
    assert {r["model"] for r in chosen(rows) if r["chosen"]} == {"a", "d", "f", "g"}
