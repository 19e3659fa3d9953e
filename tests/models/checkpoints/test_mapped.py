"""A file of weights of one's own with a mapping of names: from `.pt` to its label."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import mechprobe
from mechprobe.analyses.commands.main import main
from mechprobe.models import MechprobeError, load
from mechprobe.models.checkpoints import recognised
from mechprobe.models.hooked.others import refuse_models, refuse_others
from tests.models.families.foreign.own_models import (
    COUNTER,
    SAID,
    TASK,
    TRAINED,
    Counter,
    toml_of,
)

ASKS = "say which of its names is which part in counter.toml or mapping.toml beside it"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the trained counter alone."""
    shutil.copy(TRAINED, tmp_path / "counter.pt")
    return tmp_path


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    return done.exit_code, done.stdout, done.stderr


def test_from_a_file_to_a_label_in_ten_lines() -> None:
    """A pre-norm model with two heads, BOS, gelu, fused qkv and names of its own."""
    module = Counter()
    module.load_state_dict(torch.load(TRAINED, weights_only=True))
    model = mechprobe.from_torch(module, COUNTER, TASK)
    verdict = mechprobe.label(model)
    assert (verdict.mechanism, verdict.attention) == ("relation-based", "semantic")
    assert verdict.accuracy == 1
    assert not any("nothing was compared" in reason for reason in verdict.reasons)


@pytest.mark.parametrize("name", ["counter.toml", "mapping.toml", "elsewhere/names.toml"])
def test_from_the_shell(folder: Path, name: str) -> None:
    mapping = folder / name
    mapping.parent.mkdir(exist_ok=True)
    mapping.write_text(toml_of(COUNTER | SAID))
    option = ["--mapping", mapping] if "elsewhere" in name else []
    given = folder if name == "mapping.toml" else folder / "counter.pt"
    code, out, err = run("label", given, "--json", *option)
    assert (code, err) == (0, "")
    (found,) = json.loads(out)
    assert found["verdict"] == "semantic attention, relation-based counting"
    assert found["taken"][0].startswith("as mapped 100.0% of its answers are right, of one")
    assert any("nothing was compared with the code" in reason for reason in found["reasons"])
    assert found["confidence"] <= 0.75


def test_inspect_knows_the_format(folder: Path) -> None:
    mapping = folder / "counter.toml"
    mapping.write_text(toml_of(COUNTER | SAID))
    assert recognised(folder).name == recognised(folder / "counter.pt").name == "mapped"
    code, out, _ = run("inspect", folder, "--json")
    assert code == 0
    assert json.loads(out)["format"] == "mapped"


def test_the_task_may_be_said_beside_the_mapping(folder: Path) -> None:
    text = toml_of(COUNTER | SAID)
    (folder / "counter.toml").write_text(text.partition("[task]")[0])
    with pytest.raises(MechprobeError, match="--task T=16,L=10"):
        load(folder)
    model = load(folder, {"T": 6, "L": 5, "bos": True, "sampler": "uniform"})
    assert model.task() == mechprobe.HistogramTask(T=6, L=5, bos=True, sampler="uniform")
    (folder / "counter.toml").write_text(text)
    again = load(folder / "counter.pt", {"sampler": "uniform"})
    assert again.task() == model.task()
    assert again.doubts
    assert load(folder, {"mapping": str(folder / "counter.toml")}).doubts


def test_an_unfit_mapping_is_one_line_that_names_it(folder: Path) -> None:
    for text, match in (
        ("embed = ", "not readable TOML"),
        (toml_of(COUNTER), "heads = 2"),
        (toml_of(COUNTER | SAID | {"embed": "token"}), "embed = 'token' is not in the state dict"),
        (toml_of(COUNTER | SAID, "T = 6\nL = 50"), "answers in 6 classes"),
    ):
        (folder / "counter.toml").write_text(text)
        with pytest.raises(MechprobeError, match=match) as error:
            load(folder / "counter.pt")
        assert str(error.value).startswith(str(folder))
    with pytest.raises(MechprobeError, match="cannot be read"):
        load(folder, mapping=folder / "nowhere.toml")


# -- dead ends name the way out -------------------------------------------------------------------


def test_a_file_or_folder_without_mapping_names_the_way_out(folder: Path) -> None:
    for command in (("label",), ("inspect",)):
        for path in (folder, folder / "counter.pt"):
            code, out, err = run(*command, path)
            assert (code, out) == (2, "")
            assert ASKS in err
            assert 'embed = "tok"' in err
    (folder / "second.pt").write_bytes(b"x")
    assert "give one of them" in run("label", folder)[2]


@pytest.mark.parametrize(
    ("given", "way"),
    [
        (Counter(), "mechprobe.from_torch(model, {"),
        (nn.DataParallel(Counter()), "mechprobe.from_torch(model, {"),
        (Counter().state_dict(), "mechprobe.from_torch(state_dict, {"),
        ("counter.pt", "mechprobe.load('counter.pt')"),
        (Path("counter.pt"), "mechprobe.load('counter.pt')"),
        (3, "mechprobe.load(path)"),
    ],
)
def test_what_is_no_hooked_model_is_told_the_way(given: Any, way: str) -> None:
    with pytest.raises(MechprobeError) as error:
        refuse_others(given)
    assert way in str(error.value)
    if not isinstance(given, str | Path):
        with pytest.raises(MechprobeError, match="the path of a checkpoint is wanted"):
            refuse_models(given, "a checkpoint")
    else:
        refuse_models(given, "a checkpoint")
