"""`mechprobe inspect`: what a checkpoint is and what can be measured on it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mechprobe import models
from mechprobe.analyses.bench.hostile.bases import BASES, foreign, published_positional_semantic
from mechprobe.analyses.commands.main import main
from mechprobe.models.families.solvable import planted
from mechprobe.probes import all_probes


def run(*arguments: str | Path) -> Result:
    """One call of the command."""
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)])


def seen(*arguments: str | Path) -> dict:
    """What it prints as JSON."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_construction(tmp_path: Path) -> None:
    model = models.construct("dot", T=8, L=6)
    models.save(model, tmp_path / "m", {"origin": "construction", "seed": 7})
    found = seen(tmp_path / "m")
    assert found["path"] == str(tmp_path / "m")
    assert (found["format"], found["family"], found["architecture"]) == (
        "native",
        "counting",
        "dot",
    )
    assert found["sizes"] == {"T": 8, "L": 6, "d": 8, "p": 1}
    # W_E 8x8, W_Q and W_K 8x8, W_in 8x1, b_in 1, W_out 1x7, b_out 7.
    assert (found["parameters"], found["dtype"]) == (3 * 64 + 8 + 1 + 7 + 7, "float32")
    assert found["fingerprint"] == models.load(tmp_path / "m").fingerprint()
    assert (found["task"]["name"], found["task"]["bos"]) == ("histogram", False)
    assert found["config"]["mixing"] == "dot"
    assert found["meta"] == {"origin": "construction", "seed": 7}
    label = found["label"]
    assert (label["possible"], label["why_not"]) == (True, None)
    says = label["verdict"]
    assert says.startswith("semantic attention, relation-based counting (confidence ")
    assert says.endswith("), counters 1, accuracy 1.000")
    assert [(axis["name"], axis["kind"]) for axis in label["axes"]] == [
        ("counting", "relation-based"),
        ("attention", "semantic"),
    ]
    assert found["probes"].keys() == all_probes().keys()
    task = model.task()
    for name, probe in all_probes().items():
        why_not = probe.why_not(model, task)
        assert found["probes"][name]["why_not"] == why_not
        assert found["probes"][name]["possible"] == (why_not is None)
    text = run(tmp_path / "m").stdout
    assert "the model has no BOS token" in text
    assert all(name in text for name in all_probes())
    assert "origin=construction, seed=7" in text
    assert f"label        can be given: {says}" in text


def test_a_student_of_a_teacher(tmp_path: Path) -> None:
    import torch

    from mechprobe.models.families.solvable import initial

    config = models.SolvableConfig.of(d=40)
    generator = torch.Generator().manual_seed(1)
    weights = initial(config, generator)
    weights["Q"] = planted(weights["Q_star"], 1, generator, theta=0.6, noise=0.2)
    models.save(models.HookedTransformer(config, weights), tmp_path / "m")
    found = seen(tmp_path / "m")
    assert (found["family"], found["dtype"]) == ("solvable", "float64")
    assert found["parameters"] == 40  # of the student alone
    assert found["task"]["name"] == "attention-regression"
    assert found["probes"]["order-parameters"]["possible"]
    assert "attention-regression" in found["probes"]["readout"]["why_not"]
    assert "origin       unknown" in run(tmp_path / "m").stdout


@pytest.mark.parametrize(
    ("make", "format_", "family", "parameters"),
    [
        (published_positional_semantic, "positional-semantic", "transformer", 391),
        (foreign, "foreign", "foreign", 583),
    ],
)
def test_others_checkpoints(make, format_, family, parameters, tmp_path: Path) -> None:
    make(tmp_path / "m")
    found = seen(tmp_path / "m")
    assert (found["format"], found["family"]) == (format_, family)
    assert found["task"]["name"] == "histogram"
    # Of the foreign one without b_U, which TransformerLens does not train.
    assert found["parameters"] == parameters
    assert any(answer["possible"] for answer in found["probes"].values())


def test_a_label_that_cannot_be_given(tmp_path: Path) -> None:
    models.save(models.construct("dot", T=8, L=2), tmp_path / "m")
    found = seen(tmp_path / "m")
    assert not found["label"]["possible"]
    assert found["label"]["axes"] == []
    assert "L of at least 3" in found["label"]["why_not"]
    assert "cannot be given: " in run(tmp_path / "m").stdout


def test_what_files_say_is_printable(tmp_path: Path) -> None:
    meta = {"origin\x1b[2J": "\x1b]0;title\x07 \u00fcber", "nested": {"a": ["\x9b"]}}
    models.save(models.construct("dot", T=8, L=3), tmp_path / "m", meta)
    text = run(tmp_path / "m").stdout
    assert "\u00fcber" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_known_formats_are_listed() -> None:
    lines = run("--formats").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        "counting",
        "foreign",
        "mapped",
        "native",
        "positional-semantic",
        "tracr",
    ]
    assert all(line.endswith("]") for line in lines)


def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    BASES[0].make(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").write_bytes(b"")
    for arguments, says in (
        ((), "PATH is wanted"),
        ((tmp_path / "none",), "no such checkpoint folder"),
        ((tmp_path / "m",), "not a whole safetensors file"),
        ((tmp_path,), "no config.json"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2
        assert says in result.stderr
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""
