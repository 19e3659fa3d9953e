"""Stop and resume: what fits is kept, what is missing, damaged or of other settings is made."""

from pathlib import Path
from typing import Any

import pytest

from mechprobe import models
from mechprobe.analyses.common import resume
from mechprobe.analyses.common.resume import Made, Piece, finish, found_in, kept_or_made
from mechprobe.analyses.studies.attention_phase_transition.experiments import MinimaJob
from mechprobe.analyses.studies.attention_phase_transition.plan import MIXINGS
from mechprobe.models import MechprobeError

SETTINGS = {"origin": "test", "sizes": (8, 6)}
JOB = MinimaJob("first", MIXINGS["first"], 0.3, 2.0, 32, (0, 1), 5)
OTHER = MinimaJob("first", MIXINGS["first"], 0.3, 1.0, 32, (0,), 5)


def build(seed: int = 0, **found: Any) -> Made:
    return Made(models.construct("dot", T=8, L=6, seed=seed), found or None)


def test_a_checkpoint_with_these_settings_is_kept(tmp_path: Path) -> None:
    first = kept_or_made(tmp_path / "model", SETTINGS, lambda _: build(loss=0.5))
    kept = kept_or_made(tmp_path / "model", SETTINGS, lambda _: pytest.fail("made again"))
    assert kept.fingerprint() == first.fingerprint()
    assert found_in(tmp_path / "model") == {"loss": 0.5}
    meta = models.read_meta(tmp_path / "model")
    assert meta == {"origin": "test", "sizes": [8, 6], "found": {"loss": 0.5}}


def test_other_settings_and_damage_are_made_anew(tmp_path: Path) -> None:
    checkpoint = tmp_path / "model"
    first = kept_or_made(checkpoint, SETTINGS, lambda _: build())
    second = kept_or_made(checkpoint, SETTINGS | {"origin": "b"}, lambda _: build(seed=1))
    assert second.fingerprint() != first.fingerprint()
    (checkpoint / "model.safetensors").write_bytes(b"cut")
    again = kept_or_made(checkpoint, SETTINGS | {"origin": "b"}, lambda _: build(seed=1))
    assert models.load(checkpoint).fingerprint() == again.fingerprint() == second.fingerprint()
    with pytest.raises(MechprobeError, match="not made by this study"):
        found_in(checkpoint)


def test_the_state_of_training_is_that_of_its_settings(tmp_path: Path) -> None:
    """One that was stopped goes on only where nothing was changed; the name is that of before."""
    states = []

    def make(state: Path) -> Made:
        states.append(state)
        return build()

    for settings in (SETTINGS, SETTINGS | {"seed": 1}, SETTINGS):
        kept_or_made(tmp_path / "model", settings, make)
    assert states[0] == states[2] != states[1]
    assert states[0] == tmp_path / ".model-6a5d1e8d.training.safetensors"


def test_missing_and_damaged_pieces_are_made_again_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(work, jobs, title, weights):  # type: ignore[no-untyped-def]
        return [(job, work(job)) for job in jobs]

    monkeypatch.setattr(resume, "run_all", here)
    first = finish(tmp_path, [JOB, OTHER], "test", 1)
    piece, other = Piece(tmp_path, JOB, 1), Piece(tmp_path, OTHER, 1)
    whole, kept = piece.file.read_bytes(), other.file.stat().st_mtime_ns
    piece.file.write_bytes(whole[:50])
    assert piece.read() is None
    assert finish(tmp_path, [JOB, OTHER], "test", 1) == first
    assert piece.file.read_bytes() == whole
    assert other.file.stat().st_mtime_ns == kept
    assert len(list((tmp_path / resume.FOLDER).iterdir())) == 2
    assert finish(tmp_path, [OTHER], "test", 2)[OTHER] == first[OTHER]
    assert len(list((tmp_path / resume.FOLDER).iterdir())) == 3  # a new version: a new piece


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(MechprobeError, match="holds other files and no study"):
        finish(tmp_path, [JOB], "test", 1)
    with pytest.raises(MechprobeError, match="is a file"):
        finish(tmp_path / "thesis.txt", [JOB], "test", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def bad_sector(file: Path) -> None:
    """It opens, and reading it is an input/output error."""
    file.unlink()
    file.symlink_to("/proc/self/mem")


def test_what_cannot_be_read_now_is_not_made_anew(tmp_path: Path) -> None:
    """It may be whole: nothing is put in its place."""
    kept_or_made(tmp_path / "model", SETTINGS, lambda _: build())
    bad_sector(tmp_path / "model" / "model.safetensors")
    with pytest.raises(MechprobeError, match=r"model\.safetensors: cannot be read"):
        kept_or_made(tmp_path / "model", SETTINGS, lambda _: pytest.fail("made again"))
    assert (tmp_path / "model" / "model.safetensors").is_symlink()
    piece = Piece(tmp_path, JOB, 1)
    piece.file.parent.mkdir()
    piece.file.touch()
    bad_sector(piece.file)
    with pytest.raises(MechprobeError, match=r"\.json: cannot be read"):
        finish(tmp_path, [JOB], "test", 1)
    assert piece.file.is_symlink()
