"""The command, run as users run it: through its entry point, in a folder of their own."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from mechprobe import models
from mechprobe.analyses.commands.main import main
from mechprobe.models.base.folders import folder_alone
from mechprobe.models.families.solvable import initial, planted


def run(*arguments: str) -> Result:
    """One call of the command."""
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three checkpoints with known mechanisms."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name in ("dot", "lin", "bos-blend"):
        models.save(models.construct(name, T=8, L=6), folder / name)
    return folder


def test_label_json_lists_objects(checkpoints: Path) -> None:
    """The documented keys, their values and types."""
    result = run("label", checkpoints / "dot", checkpoints / "lin", "--json")
    assert result.exit_code == 0
    dot, lin = json.loads(result.stdout)
    assert (dot["mechanism"], dot["attention"], dot["counters"]) == (
        "relation-based",
        "semantic",
        1,
    )
    assert (lin["mechanism"], lin["attention"], lin["counters"]) == (
        "inventory-based",
        "positional",
        8,
    )
    assert dot["verdict"] == "semantic attention, relation-based counting"
    assert lin["verdict"] == "positional attention, inventory-based counting"
    words = run("label", checkpoints / "dot").stdout
    assert f"dot: {dot['verdict']} (confidence" in words
    assert "), counters 1, accuracy 1.000\n  counting: " in words
    assert dot["task"]["name"] == "histogram"
    counting, attention = lin["axes"]
    assert (counting["kind"], counting["confidence"]) == (lin["mechanism"], lin["confidence"])
    assert (counting["details"]["counters"], counting["details"]["tokens"]) == (8, lin["tokens"])
    assert f"counting: {counting['reason']}" in lin["reasons"]
    assert attention["kind"] == "positional"
    assert 0.9 < attention["confidence"] < 1
    assert attention["agreement"] == lin["attention_agreement"]
    for item, name in ((dot, "dot"), (lin, "lin")):
        assert item["path"] == str(checkpoints / name)
        assert item["accuracy"] == 1.0
        assert 0 <= item["confidence"] <= 1
        assert {"kappa", "lost", "token_share"} <= item["evidence"].keys()
        assert item["sizes"] == {"T": 8, "L": 6, "d": item["sizes"]["d"], "p": item["sizes"]["p"]}
    # A slope for every token: one count for all, or everyone's own.
    assert dot["kappa"] == pytest.approx([1.0] * 8, abs=1e-4)
    assert lin["kappa"] == pytest.approx([0.0] * 8, abs=1e-4)


def test_label_is_reproducible(checkpoints: Path) -> None:
    """The same command gives the same bytes; another seed other evidence."""
    first, again, other = (
        run("label", checkpoints / "bos-blend", "--json", "--seed", seed) for seed in (3, 3, 4)
    )
    assert first.stdout == again.stdout
    assert first.stdout != other.stdout


def test_students_are_labelled_beside_counting_models(checkpoints: Path, tmp_path: Path) -> None:
    """Attention alone is judged; a run and its report hold both kinds, each in its own table."""
    config = models.SolvableConfig.of(d=200)
    generator = torch.Generator().manual_seed(0)
    weights = initial(config, generator)
    weights["Q"] = planted(weights["Q_star"], 1, generator, theta=0.6, noise=0.2)
    models.save(models.HookedTransformer(config, weights), tmp_path / "student")
    paths = (checkpoints / "dot", tmp_path / "student")
    result = run("label", *paths, "--json", "--run", tmp_path / "run")
    assert result.exit_code == 0, result.output
    dot, student = json.loads(result.stdout)
    assert 0.9 < dot["attention_confidence"] < 1
    assert dot["test_error"] is None
    assert [student[key] for key in ("mechanism", "attention", "accuracy", "confidence")] == [
        None,
        "semantic",
        None,
        None,
    ]
    assert student["verdict"] == "semantic attention"
    assert 0.8 < student["attention_confidence"] < 1
    assert student["test_error"] == student["evidence"]["test_error"] > 0
    words = run("label", tmp_path / "student").stdout
    assert "semantic attention (confidence" in words
    assert "test error" in words
    assert run("report", tmp_path / "run").exit_code == 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Models that count" in page
    assert "Students of a teacher attention" in page


def test_one_bad_path_does_not_lose_the_others(checkpoints: Path, tmp_path: Path) -> None:
    """Good ones on standard output, one line for the bad one on standard error, exit code 2."""
    result = run("label", checkpoints / "dot", tmp_path / "none", checkpoints / "lin", "--json")
    assert result.exit_code == 2
    dot, none, lin = json.loads(result.stdout)
    assert (dot["mechanism"], lin["mechanism"]) == ("relation-based", "inventory-based")
    assert dot["problem"] is lin["problem"] is None
    assert none == {
        "path": str(tmp_path / "none"),
        "problem": f"{tmp_path / 'none'}: no such checkpoint folder",
    }
    assert result.stderr.count("\n") == 1
    assert str(tmp_path / "none") in result.stderr


def test_short_sequences_are_an_error(tmp_path: Path) -> None:
    """L = 2 leaves one count to compare; the path is named."""
    models.save(models.construct("dot", T=8, L=2), tmp_path / "short")
    result = run("label", tmp_path / "short")
    assert result.exit_code == 2
    assert "short" in result.stderr
    assert "L of at least 3" in result.stderr


def test_label_run_and_report(checkpoints: Path, tmp_path: Path) -> None:
    """--run keeps results that report turns into a page; a second time nothing is done anew."""
    target = tmp_path / "run"
    first = run("label", checkpoints / "dot", checkpoints / "lin", "--run", target)
    assert first.exit_code == 0, first.output
    stored = {path: path.stat().st_mtime_ns for path in (target / "results").glob("*.json")}
    assert sorted(path.stem for path in stored) == ["dot", "lin"]
    again = run("label", checkpoints / "dot", checkpoints / "lin", "--run", target)
    assert again.exit_code == 0
    assert stored == {path: path.stat().st_mtime_ns for path in (target / "results").glob("*.json")}
    report = run("report", target)
    assert report.exit_code == 0
    page = (target / "report.html").read_text(encoding="utf-8")
    assert "relation-based" in page
    assert page.count("data:image/webp;base64") >= 20
    # Another choice of models would lose results; another command's run is left alone.
    fewer = run("label", checkpoints / "dot", "--run", target)
    assert fewer.exit_code == 2
    assert "holds results of others (lin); name" in fewer.stderr
    assert len(list((target / "results").glob("*.json"))) == 2
    info = (target / "run.json").read_text().replace("Labelled checkpoints", "Something else")
    (target / "run.json").write_text(info)
    other = run("label", checkpoints / "dot", checkpoints / "lin", "--run", target)
    assert other.exit_code == 2
    assert "holds another run (Something else)" in other.stderr


def test_models_of_one_name_are_told_apart(checkpoints: Path, tmp_path: Path) -> None:
    """All are stored; those that are there keep their names and results when others come."""
    for name, like in (("a/m", "dot"), ("b/m", "lin"), ("m-1", "bos-blend")):
        shutil.copytree(checkpoints / like, tmp_path / name)
    a, b, other = (tmp_path / name for name in ("a/m", "b/m", "m-1"))
    target = tmp_path / "run"
    assert run("label", a, "--run", target).exit_code == 0
    stored = (target / "results" / "m.json").stat().st_mtime_ns
    assert run("label", b, a, other, "--run", target).exit_code == 0
    wanted = {"m": "relation-based", "b-m": "inventory-based", "m-1": "mixed"}
    assert kinds(target) == wanted
    assert (target / "results" / "m.json").stat().st_mtime_ns == stored
    # One that cannot be read any more is named all the same, and its result stays.
    (a / "model.safetensors").write_bytes(b"cut")
    result = run("label", a, b, other, "--run", target)
    assert result.exit_code == 2
    assert "not a whole safetensors file" in result.stderr
    assert kinds(target) == wanted


def kinds(folder: Path) -> dict[str, str]:
    """Mechanism of every stored result."""
    found = {f.stem: json.loads(f.read_text()) for f in (folder / "results").glob("*.json")}
    return {name: result["label"]["axes"][0]["kind"] for name, result in found.items()}


def test_a_run_is_one_command_s_at_a_time(checkpoints: Path, tmp_path: Path) -> None:
    """A folder that is held, and folders of others, are refused before anything is computed."""
    target, theirs = tmp_path / "run", tmp_path / "theirs"
    with folder_alone(target):
        held = run("label", checkpoints / "dot", "--run", target)
    assert (held.exit_code, held.stdout) == (2, "")
    assert f"(process {os.getpid()}) is at work here" in held.stderr
    assert not target.exists()
    (theirs / "results").mkdir(parents=True)
    (theirs / "run.json").write_text('{"scripts": {}}')
    (theirs / "results" / "dot.json").write_text("[1, 2]")
    refused = run("label", checkpoints / "dot", "--run", theirs)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "run.json: does not fit" in refused.stderr
    assert (theirs / "results" / "dot.json").read_text() == "[1, 2]"
    nothing = run("label", tmp_path / "none", "--run", target)
    assert nothing.exit_code == 2
    assert not target.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["report", "nowhere"], "no run here"),
        (["construct", "dott", "--out", "x"], "did you mean 'dot'?"),
        (["construct", "dot", "--alpha", "0.5", "--out", "x"], "no option alpha"),
        (["construct", "dot-blend", "--alpha", "nan", "--out", "x"], "alpha"),
        (["construct", "dot", "--T", "1", "--out", "x"], "T: "),
        (["construct", "dot"], "--out"),
        (["train", "cnn", "--out", "x"], "architecture 'cnn' is unknown"),
        (["train", "dot", "--d", "0", "--out", "x"], "d: "),
        (["train", "dot", "--lr", "7", "--out", "x"], "lr in (0, 1)"),
        (["train", "dot", "--preset", "slow", "--out", "x"], "--preset"),
        (["train", "dot", "--snapshots", "0", "--out", "x"], "--snapshots"),
        (["label"], "Missing argument"),
        (["label", "x", "--seed", "-1"], "--seed"),
        (["lable"], "No such command"),
        (["demo", "--slow"], "No such option"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong in one line; nothing is written."""
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_construct_and_list(tmp_path: Path) -> None:
    """A construction is saved with where it comes from; the list names all."""
    result = run("construct", "bos+sftm-blend", "--T", "8", "--L", "6", "--alpha", "0.4",
                 "--out", tmp_path / "m")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert models.read_meta(tmp_path / "m")["alpha"] == 0.4
    assert models.load(tmp_path / "m").config.architecture == "bos+sftm"
    listed = run("construct", "--list").stdout
    assert all(name in listed for name in models.CONSTRUCTIONS)


def test_what_is_there_is_not_replaced_without_a_word(checkpoints: Path, tmp_path: Path) -> None:
    """By construct and train alike; --force replaces checkpoints, and nothing else."""
    small = ("--T", "6", "--L", "4", "--d", "6", "--p", "4", "--steps", "20", "--batch", "8")
    verbs = (("construct", "lin"), ("train", "dot", *small))
    for verb in verbs:
        kept = tmp_path / verb[0] / "m"
        shutil.copytree(checkpoints / "dot", kept)
        before = models.load(kept).fingerprint()
        result = run(*verb, "--out", kept)
        assert result.exit_code == 2
        assert result.stderr.splitlines()[-1].endswith(
            f"{kept}: is there already; choose another --out, or replace it with --force"
        )
        assert models.load(kept).fingerprint() == before
        assert sorted(p.name for p in kept.iterdir()) == ["config.json", "model.safetensors"]
        (kept / "thesis.txt").write_text("mine")
        assert "holds other files" in run(*verb, "--out", kept, "--force").stderr
        assert models.load(kept).fingerprint() == before
        (kept / "thesis.txt").unlink()
        assert run(*verb, "--out", kept, "--force").exit_code == 0
        assert models.load(kept).fingerprint() != before
        (tmp_path / verb[0] / "file").write_text("mine")
        assert run(*verb, "--out", tmp_path / verb[0] / "file").exit_code == 2
        assert (tmp_path / verb[0] / "file").read_text() == "mine"
        (tmp_path / verb[0] / "empty").mkdir(mode=0o700)
        assert run(*verb, "--out", tmp_path / verb[0] / "empty").exit_code == 0
        assert (tmp_path / verb[0] / "empty").stat().st_mode & 0o777 == 0o700
    several = run("train", "dot", *small, "--snapshots", "2", "--out", tmp_path / "s", "--force")
    assert several.exit_code == 2
    assert not (tmp_path / "s").exists()


def test_probes_and_schema() -> None:
    """The list names every probe; the schema is JSON."""
    assert "count-transport" in run("probes").stdout
    schema = json.loads(run("probes", "--schema").stdout)
    assert {"label", "probes"} <= schema["properties"].keys()


def test_train_writes_checkpoints(tmp_path: Path) -> None:
    """A small stack of two; a taken folder is refused."""
    arguments = ("train", "dot", "--T", "6", "--L", "4", "--d", "6", "--p", "4", "--steps", "120",
                 "--batch", "16", "--models", "2", "--out", tmp_path / "pair")  # fmt: skip
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in (tmp_path / "pair").iterdir()) == ["seed-0", "seed-1"]
    assert models.load(tmp_path / "pair" / "seed-1").config.d == 6
    assert models.read_meta(tmp_path / "pair" / "seed-1") == {
        "origin": "trained",
        "seed": 1,
        "steps": 120,
        "batch": 16,
        "lr": 5e-3,
        "schedule": "cosine",
    }
    assert [p.name for p in tmp_path.iterdir()] == ["pair"]
    again = run(*arguments)
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    before = models.load(tmp_path / "pair" / "seed-1").fingerprint()
    forced = run(*arguments, "--force", "--lr", "0.01")
    assert forced.exit_code == 0, forced.output
    assert models.load(tmp_path / "pair" / "seed-1").fingerprint() != before
    assert sorted(p.name for p in (tmp_path / "pair").iterdir()) == ["seed-0", "seed-1"]


def test_a_preset_gives_what_is_left_out(tmp_path: Path) -> None:
    """Options come first, then the preset; help shows the presets' own numbers."""
    arguments = ("train", "dot", "--T", "6", "--L", "4", "--d", "6", "--p", "4", "--steps", "50",
                 "--preset", "published", "--out", tmp_path / "m")  # fmt: skip
    assert run(*arguments).exit_code == 0
    meta = models.read_meta(tmp_path / "m")
    assert [meta[name] for name in ("steps", "batch", "lr", "schedule")] == [
        50,
        32,
        1e-3,
        "constant",
    ]
    text = " ".join(run("train", "--help").stdout.split())
    assert f"[{'|'.join(models.PRESETS)}]" in text
    fast, published = models.PRESETS["fast"], models.PRESETS["published"]
    for name in ("steps", "batch", "lr"):
        own = f"[default: {getattr(fast, name)} fast, {getattr(published, name)} published]"
        assert own in text


def test_overflow_is_said_and_loses_nothing(checkpoints: Path, tmp_path: Path) -> None:
    """Finite weights whose activations overflow: a line for them, labels and results for others."""
    model = models.load(checkpoints / "dot")
    weights = {name: w * 1e12 for name, w in model.weights().items()}
    models.save(models.HookedTransformer(model.config, weights), tmp_path / "huge")
    result = run(
        "label", tmp_path / "huge", checkpoints / "lin", "--run", tmp_path / "run", "--json"
    )
    assert result.exit_code == 2
    assert "overflow" in result.stderr
    huge, lin = json.loads(result.stdout)
    assert "overflow" in huge["problem"]
    assert lin["mechanism"] == "inventory-based"
    assert (tmp_path / "run" / "results" / "lin.json").exists()


def test_a_failing_probe_is_noted(checkpoints: Path) -> None:
    """Others' probes may fail in any way; the model keeps its label and its other results."""
    from mechprobe import probes
    from mechprobe.probes.registry import PROBES

    def falls_over(context: probes.Context) -> probes.Measurement:
        """Raises."""
        raise KeyError("no such hook")

    with PROBES.isolated():
        probes.probe("falls-over", metrics={})(falls_over)
        result = probes.study(models.load(checkpoints / "dot"), name="m")
    assert result.problems == ["probe falls-over: KeyError: 'no such hook'"]
    assert {r.probe for r in result.probes} >= {"count-transport", "readout"}
    assert result.label.mechanism == "relation-based"


def test_of_two_tokens_no_label_is_sure() -> None:
    """Either count gives the other: beyond what the confidence was calibrated on, and said."""
    from mechprobe import probes

    verdict = probes.label(models.construct("lin", T=2, L=6))
    assert verdict.accuracy == 1
    assert verdict.mechanism == "inventory-based"
    assert verdict.confidence is not None
    assert verdict.confidence <= 0.75
    assert any(reason.startswith("beyond") and "another's" in reason for reason in verdict.reasons)
