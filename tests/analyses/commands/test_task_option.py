"""`--task` of the commands that read checkpoints, and what they say of broken claims."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from mechprobe.analyses.commands.main import main
from mechprobe.analyses.common import runs
from mechprobe.analyses.common.claims import is_far
from mechprobe.models import construct, load, save
from mechprobe.models.checkpoints import settings_of
from mechprobe.models.checkpoints.asking import settings_text

T, L = 6, 4
TASK = f"T={T},softmax=no,attention_input=only_sem,sampler=uniform"


def run(*arguments: object) -> Result:
    """One call of the command."""
    return CliRunner().invoke(main, [str(a) for a in arguments])


def published(folder: Path, used: bool = True) -> Path:
    """A published file that counts; where its embeddings are not those used, it does not."""
    w = construct("dot", T=T, L=L).weights()
    g = torch.Generator().manual_seed(2)
    state = {
        "semantic_emb.weight": w["W_E"] if used else torch.randn(w["W_E"].shape, generator=g),
        "positional_emb.embedding.weight": torch.zeros(L, w["W_E"].shape[1]),
        "token_mixer.Q": w["W_Q"],
        "token_mixer.K": w["W_K"],
        "fc1.weight": w["W_in"].T,
        "fc1.bias": w["b_in"],
        "fc2.weight": w["W_out"].T,
        "fc2.bias": w["b_out"],
    }
    folder.mkdir(parents=True)
    torch.save(state, folder / "transformer.pt")
    return folder / "transformer.pt"


def in_this_process(work, jobs, title):
    """In place of `run_all`; of each job a single probe, unless it names some."""
    for job in jobs:
        yield job, work(job if job.probes else replace(job, probes=("readout",)))


def test_all_commands_that_read_take_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file alone is labelled, inspected, kept in a run and followed along its training."""
    # Without processes, and with one probe of many in the run: that the settings come along.
    monkeypatch.setattr(runs, "run_all", in_this_process)
    file = published(tmp_path / "run")
    lacking = run("label", file)
    assert lacking.exit_code == 2
    assert "does not say T, softmax, attention_input, sampler" in lacking.stderr
    (item,) = json.loads(run("label", file, "--task", TASK, "--json").stdout)
    assert (item["mechanism"], item["task"]["sampler"]) == ("relation-based", "uniform")
    found = json.loads(run("inspect", file, "--task", TASK, "--json").stdout)
    assert (found["format"], found["task"]) == ("counting", item["task"])
    kept = run("label", file, "--task", TASK, "--run", tmp_path / "kept")
    assert (kept.exit_code, kept.stderr) == (0, "")
    assert f"--task {TASK}" in json.loads((tmp_path / "kept" / "run.json").read_text())["command"]
    published(tmp_path / "steps" / "step-1")
    followed = run("dynamics", tmp_path / "steps", "--task", TASK, "--out", tmp_path / "out")
    assert (followed.exit_code, followed.stderr) == (0, "")
    assert "relation-based" in followed.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("T", "--task: 'T': NAME=VALUE is wanted"),
        ("T=", "NAME=VALUE is wanted"),
        ("", "NAME=VALUE is wanted"),
        ("T=3,T=4", "T is given twice"),
        (",".join(f"a{i}=1" for i in range(33)), "at most 32"),
        ("L=9", "task 'histogram' does not fit this model: it reads 4 positions, 9 are wanted"),
        ("colour=red", "colour: Extra inputs are not permitted"),
        ("name=chess", "chess"),
        ("T=" + "9" * 5000, "T: Input should be a valid integer"),
        ("sampler=\x1b[2J", "sampler"),
    ],
)
def test_what_is_no_task_is_one_line(text: str, says: str, tmp_path: Path) -> None:
    """Whatever the model."""
    save(construct("dot", T=T, L=L), tmp_path / "m")
    done = run("inspect", tmp_path / "m", "--task", text)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert says in done.stderr
    assert "\x1b" not in done.stderr
    assert len(done.stderr) < 1000


def test_any_model_is_asked_another_task(tmp_path: Path) -> None:
    """What is not said stays; what changes nothing leaves the fingerprint; students too."""
    model = construct("dot", T=T, L=L)
    save(model, tmp_path / "m")
    assert load(tmp_path / "m", {"sampler": "partition"}).fingerprint() == model.fingerprint()
    other = load(tmp_path / "m", {"sampler": "uniform"})
    assert other.task().describe() == model.task().describe() | {"sampler": "uniform"}
    assert other.fingerprint() != model.fingerprint()
    save(other, tmp_path / "other")
    assert load(tmp_path / "other").fingerprint() == other.fingerprint()
    assert load(tmp_path / "other", {"sampler": "partition"}).fingerprint() == model.fingerprint()


def test_settings_are_read_as_they_are_written() -> None:
    """Numbers, yes and no, words; and back."""
    text = "T=32,rate=0.5,softmax=no,bos=yes,sampler=uniform,odd=nan"
    found = settings_of(text)
    assert found == {
        "T": 32, "rate": 0.5, "softmax": False, "bos": True, "sampler": "uniform", "odd": "nan",
    }  # fmt: skip
    assert settings_text(found) == text
    assert settings_of(" T = 32 , bos = True ") == {"T": 32, "bos": True}


def test_a_model_far_below_its_claim_is_told(tmp_path: Path) -> None:
    """One line on standard error, from label and inspect alike; no refusal."""
    good, bad = published(tmp_path / "good"), published(tmp_path / "bad", used=False)
    for verb in ("label", "inspect"):
        told = run(verb, bad, "--task", TASK)
        assert told.exit_code == 0
        assert told.stderr.count("\n") == 1
        assert "of one constant answer" in told.stderr  # nothing is claimed, but it answers nothing
        assert "semantic_emb that was never used" in told.stderr
        assert run(verb, good, "--task", TASK).stderr == ""
    for file in (good, bad):
        (file.parent / "wandb-summary.json").write_text('{"val_acc": 99.5}')
    told = run("label", good, bad, "--task", TASK)
    assert (told.exit_code, told.stderr.count("\n")) == (0, 1)
    assert f"{bad}: its files say that 99.5% of its answers are right, measured are" in told.stderr
    save(load(bad, settings_of(TASK)), tmp_path / "ours", {"accuracy": 0.9})
    told = run("label", tmp_path / "ours")
    assert "its files say that 90.0%" in told.stderr
    assert "are weights, configuration and task those it was trained with?" in told.stderr


def test_far_is_beyond_what_samples_explain() -> None:
    """Two points, and five standard errors of a share over 1,024 sequences."""
    assert not is_far(1.0, 0.99)
    assert not is_far(0.8, 0.73)
    assert not is_far(0.5, 0.9)
    assert is_far(0.99, 0.9)
    assert is_far(0.8, 0.7)
    assert is_far(1.0, 0.0)
