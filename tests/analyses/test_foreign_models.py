"""The analysis of foreign models: both paths say the same, and the exit code means something."""

import pytest

from analyses import foreign_models


def test_both_paths_agree_and_an_untrained_model_is_told(tmp_path, capsys, monkeypatch):
    for name in ("T", "L"):
        monkeypatch.setattr(foreign_models, name, 4)  # small, to be quick
    arguments = ["--out", str(tmp_path), "--steps", "3"]
    assert foreign_models.main(arguments) == 1  # three steps are not enough
    said = capsys.readouterr().out
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
