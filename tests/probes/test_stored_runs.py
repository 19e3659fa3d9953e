"""Run folders of earlier versions open; those of later ones are refused in one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mechprobe.models import MechprobeError
from mechprobe.probes.results import SCHEMA_VERSION, MechanismLabel, ModelResult
from mechprobe.probes.runs import load_run, save_result, save_run
from mechprobe.reports import write_report

VERSION_1 = Path(__file__).parents[1] / "data" / "run_version_1"
# What version 1 kept as fields and today's label offers under the same names.
FIELDS = (
    "mechanism", "attention", "counters", "confidence", "agreement", "attention_agreement",
    "attention_confidence", "accuracy", "test_error", "reasons", "tokens", "version", "seed",
)  # fmt: skip
VERDICTS = {
    "attention-semantic": "semantic attention",
    "bos-d8-p64": "semantic attention, mixed counting",
}


def stored(name: str) -> dict:
    """The label as version 1 wrote it."""
    return json.loads((VERSION_1 / "results" / f"{name}.json").read_text())["label"]


@pytest.fixture(scope="module")
def opened() -> dict[str, MechanismLabel]:
    """Labels of the sample by model."""
    info, results = load_run(VERSION_1)
    assert info.schema_version == 1
    return {result.name: result.label for result in results}


def test_a_run_of_version_1_says_what_it_said(opened: dict[str, MechanismLabel]) -> None:
    assert {name: label.verdict for name, label in opened.items()} == VERDICTS
    for name, label in opened.items():
        said = stored(name)
        assert said.keys() - {"kappa", "evidence"} == set(FIELDS)
        for field in FIELDS:
            assert getattr(label, field) == said[field], field
        np.testing.assert_array_equal(label.kappa, np.array(said["kappa"]))
        assert {n: m.value for n, m in label.evidence.items()} == {
            n: m["value"] for n, m in said["evidence"].items()
        }


def test_its_axes_have_kinds_numbers_and_reasons(opened: dict[str, MechanismLabel]) -> None:
    counting, attention = opened["bos-d8-p64"].axes
    said = stored("bos-d8-p64")
    assert (counting.name, counting.kind) == ("counting", "mixed")
    assert (counting.confidence, counting.agreement) == (said["confidence"], said["agreement"])
    assert f"counting: {counting.reason}" in said["reasons"]
    assert (attention.name, attention.kind) == ("attention", "semantic")
    assert f"attention: {attention.reason}" in said["reasons"]
    (attention,) = opened["attention-semantic"].axes
    said = stored("attention-semantic")
    assert attention.confidence == said["attention_confidence"]
    assert said["reasons"][-1] == f"answers: {attention.reason}"


def test_it_is_the_same_once_stored_anew(tmp_path: Path) -> None:
    info, results = load_run(VERSION_1)
    save_run(tmp_path, info.model_copy(update={"schema_version": SCHEMA_VERSION}))
    for result in results:
        save_result(tmp_path, result)
    _, again = load_run(tmp_path)
    assert [one.label for one in again] == [one.label for one in results]
    assert [one.model_dump_json() for one in again] == [one.model_dump_json() for one in results]


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    run = shutil.copytree(VERSION_1, tmp_path / "run")
    file = run / "results" / "bos-d8-p64.json"
    broken = json.loads(file.read_text())
    broken["label"] |= {"confidence": 1.5}
    file.write_text(json.dumps(broken))
    with pytest.raises(MechprobeError, match=r"bos-d8-p64\.json: .*confidence.*\b1\b") as caught:
        load_run(run)
    assert "\n" not in str(caught.value)


def test_a_label_of_neither_version_is_refused() -> None:
    result = json.loads((VERSION_1 / "results" / "bos-d8-p64.json").read_text())
    del result["label"]["attention"]
    with pytest.raises(ValueError, match="axes"):
        ModelResult.model_validate(result)


def test_a_run_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    run = shutil.copytree(VERSION_1, tmp_path / "run")
    info = json.loads((run / "run.json").read_text())
    info |= {"schema_version": SCHEMA_VERSION + 1, "of the future": {}}
    (run / "run.json").write_text(json.dumps(info))
    with pytest.raises(MechprobeError) as caught:
        load_run(run)
    assert str(caught.value) == (
        f"{run / 'run.json'}: does not fit the result schema (schema version {SCHEMA_VERSION + 1}"
        f" is newer than this mechprobe reads ({SCHEMA_VERSION}); update mechprobe)"
    )


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("tokens", ["nope"]),
        ("tokens", 7),
        ("tokens", ["shared", None]),
        ("counters", [1]),
        ("counters", 10**400),
        ("kappa", "much"),
    ],
    ids=repr,
)
def test_damaged_details_leave_a_gap_and_a_report(
    name: str, damage: object, tmp_path: Path
) -> None:
    shutil.copytree(VERSION_1, tmp_path / "run")
    file = tmp_path / "run" / "results" / "bos-d8-p64.json"
    result = json.loads(file.read_text())
    result["label"][name] = damage
    file.write_text(json.dumps(result))
    assert write_report(tmp_path / "run").is_file()


@pytest.mark.parametrize("version", ["3", 3.0, 0, -1, SCHEMA_VERSION + 1])
def test_another_schema_version_is_refused(version: object, tmp_path: Path) -> None:
    shutil.copytree(VERSION_1, tmp_path / "run")
    file = tmp_path / "run" / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema_version": version}))
    with pytest.raises(MechprobeError, match=r"run\.json: "):
        load_run(tmp_path / "run")
