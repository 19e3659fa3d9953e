"""The analysis of foreign models: both paths say the same, and the exit code means something."""

import pytest

from mechprobe import models
from mechprobe.analyses.studies.foreign_models import work as foreign_models
from mechprobe.models.families.foreign import compiled_counter
from tests.analyses.shell import mechprobe


def test_both_paths_agree_and_an_untrained_model_is_told(tmp_path, monkeypatch):
    for name in ("T", "L"):
        monkeypatch.setattr(foreign_models, name, 4)  # small, to be quick
    done = mechprobe("study", "foreign-models", "--out", tmp_path, "--steps", 3)
    assert done.exit_code == 1  # three steps are not enough
    said = done.stdout
    assert "compiled: accuracy 1.0000\n  foreign: relation-based, semantic attention" in said
    differences = [
        float(line.split(": ")[1].split(" ")[0])
        for line in said.splitlines()
        if "largest difference" in line
    ]
    assert len(differences) == 2
    assert max(differences) <= foreign_models.DIFFERENCE


def test_what_the_folder_holds_is_not_trained_again(tmp_path, monkeypatch):
    first = foreign_models.trained(tmp_path / "one", 2, 0)
    with monkeypatch.context() as patch:
        patch.setattr(foreign_models, "train_boot_native", pytest.fail)
        again = foreign_models.trained(tmp_path / "one", 2, 0)
    assert again.fingerprint() == first.fingerprint()
    assert foreign_models.trained(tmp_path / "one", 2, 1).fingerprint() != first.fingerprint()
    # One that was cut short is made anew.
    weights = tmp_path / "one" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    (tmp_path / "one" / "task.json").unlink()
    assert foreign_models.trained(tmp_path / "one", 2, 1).fingerprint() != first.fingerprint()


def test_where_everything_is_met_the_exit_code_is_0(tmp_path, monkeypatch):
    for name in ("T", "L"):
        monkeypatch.setattr(foreign_models, name, 4)
    # The control in the trained model's place: a model that is right, without training.
    made = {"trained": {"steps": 7, "seed": 1}}
    models.save(compiled_counter(4, 4), tmp_path / foreign_models.TRAINED, made)
    options = ("--out", tmp_path, "--steps", 7, "--seed", 1)
    done = mechprobe("study", "foreign-models", *options)
    assert done.exit_code == 0
    assert "trained: accuracy 1.0000" in done.stdout


@pytest.mark.parametrize("wrong", [("--seed", "-1"), ("--steps", "0"), ("--steps", "-3")])
def test_bad_numbers_are_one_line(wrong, tmp_path):
    left = mechprobe("study", "foreign-models", "--out", tmp_path, *wrong)
    assert left.exit_code == 2
    assert left.stderr.startswith(f"mechprobe: Invalid value for '{wrong[0]}': {wrong[1]} is not")
    assert left.stderr.count("\n") == 1
    assert left.stdout == ""
    assert list(tmp_path.iterdir()) == []
