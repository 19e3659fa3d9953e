"""Registering, finding and declaring probes; results and their schema."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import mechprobe
from mechprobe.models import MechprobeError, construct
from mechprobe.models.base.registry import Registry
from mechprobe.probes import (
    CountContext,
    Measurement,
    MetricSpec,
    ModelResult,
    ProbeResult,
    all_probes,
    find_probe,
    json_schema,
    probe,
    study,
)
from mechprobe.probes.invariances import INVARIANCES, all_but
from mechprobe.probes.registry import Probe

VALUE = {"value": MetricSpec("a value", "1", 0, 1)}


def measure(context: CountContext) -> Measurement:
    """Half.

    The rest of the docstring is for programmers.
    """
    return Measurement({"value": 0.5})


def test_names_are_unique(own_registry: Registry[Probe]) -> None:
    probe("twice", metrics=VALUE)(measure)
    with pytest.raises(
        MechprobeError, match=r"^probe 'twice' is registered twice, by .*; choose another"
    ):
        probe("twice", metrics=VALUE)(measure)
    with pytest.raises(MechprobeError, match=r"^probe 'readout' is registered twice"):
        probe("readout", metrics=VALUE)(measure)


def test_unknown_names_get_the_nearest_spelling() -> None:
    with pytest.raises(MechprobeError, match="'mean-patern' is unknown; did you mean 'mean-patte"):
        find_probe("mean-patern")
    with pytest.raises(MechprobeError, match=r"'zzz' is unknown; choose from .*readout.*"):
        find_probe("zzz")


def test_invariances_are_a_closed_vocabulary(own_registry: Registry[Probe]) -> None:
    with pytest.raises(
        MechprobeError,
        match=r"^probe mine: invariance 'residual_g' is unknown; did you mean 'residual_gl'\?$",
    ):
        probe("mine", metrics=VALUE, invariances=("rotation", "residual_g"))(measure)
    with pytest.raises(MechprobeError, match=r"invariance '1234' is unknown; choose from residual"):
        probe("mine", metrics=VALUE, invariances=("1234",))(measure)
    assert "mine" not in all_probes()
    assert probe("mine", metrics=VALUE)(measure).invariances == ()
    assert set(all_but("qk_gauge", "rotation")) == set(INVARIANCES) - {"qk_gauge", "rotation"}
    with pytest.raises(MechprobeError, match="all_but: invariance 'neurons' is unknown"):
        all_but("neurons")


def test_metrics_are_declared_and_returned(own_registry: Registry[Probe]) -> None:
    model = construct("lin", T=4, L=3)
    made = probe("mine", metrics=VALUE | {"other": MetricSpec("another")})(measure)
    with pytest.raises(MechprobeError, match="mine: metrics declared and returned differ in other"):
        made(model)


def test_what_a_result_says(own_registry: Registry[Probe]) -> None:
    settings = {"version": "7", "kind": "causal", "parameters": lambda: {"doses": [1, 2]}}
    made = probe("mine", metrics=VALUE, **settings)(measure)
    made.words(lambda result: f"It is {result.value('value'):.0%}.")
    assert made.summary == "Half."
    model = construct("lin", T=4, L=3)
    result = made(model, seed=9)
    assert (result.probe, result.kind, result.words) == ("mine", "causal", "It is 50%.")
    assert result.metrics["value"].model_dump() == {
        "value": 0.5,
        "unit": "1",
        "low": 0,
        "high": 1,
        "description": "a value",
    }
    assert result.provenance.model_dump() == {
        "probe": "mine",
        "version": "7",
        "parameters": {"doses": [1, 2]},
        "constants": result.provenance.constants,
        "seed": 9,
        "model_hash": model.fingerprint(),
        "package": result.provenance.package,
    }
    with pytest.raises(KeyError, match="typo"):
        result.value("typo")


def test_conditions_keep_a_probe_away(own_registry: Registry[Probe]) -> None:
    made = probe("mine", metrics=VALUE)(measure)
    made.applies(lambda model, task: None if task.T > 4 else f"T={task.T} is small")
    assert made(construct("lin", T=5, L=3)).value("value") == 0.5
    with pytest.raises(MechprobeError, match=r"^probe mine: T=4 is small$"):
        made(construct("lin", T=4, L=3))


DEEP = {"count-by-block", "interchange-storage"}  # of models with two blocks or more


def counting_probes() -> set[str]:
    return {n for n, probe in all_probes().items() if "histogram" in probe.tasks} - DEEP


def test_a_failing_probe_is_one_line_of_a_study(own_registry: Registry[Probe]) -> None:
    def fail(context: CountContext) -> Measurement:
        """Fails."""
        raise ZeroDivisionError("no\nluck")

    probe("mine", metrics=VALUE)(fail)
    found = study(construct("lin", T=4, L=3), name="x")
    assert found.problems == ["probe mine: ZeroDivisionError: no luck"]
    assert {p.probe for p in found.probes} == counting_probes() - {"mine", "bos-anchoring"}


def test_studies_are_whole_and_survive_json() -> None:
    found = study(construct("bos+sftm", T=5, L=4), name="x", meta={"origin": "here"})
    assert [p.probe for p in found.probes] == [n for n in all_probes() if n in counting_probes()]
    assert not found.problems
    kinds = [p.kind for p in found.probes]
    assert kinds == sorted(kinds, reverse=True)  # measures before causal checks
    again = ModelResult.model_validate_json(found.model_dump_json())
    assert again.label == found.label
    assert [p.metrics for p in again.probes] == [p.metrics for p in found.probes]
    assert all(p.provenance.model_hash == found.model_hash for p in again.probes)


ARRAYS = {
    "missing": np.array([[1.0, np.nan], [np.nan, np.nan]]),
    "lone": np.array(np.nan),
    "scalar": np.array(3),
    "flags": np.array([True, False]),
    "whole": np.arange(6).reshape(1, 2, 3),
    "digits": np.array([1 / 3, 1e-30, 123456789.0]),
}


def test_arrays_round_trip(own_registry: Registry[Probe]) -> None:
    made = probe("mine", metrics=VALUE)(
        lambda context: Measurement({"value": float("nan")}, ARRAYS | {"torch": torch.ones(2)})
    )
    result = made(construct("lin", T=4, L=3))
    assert result.metrics["value"].value is None
    assert np.isnan(result.value("value"))
    text = result.model_dump_json()
    assert json.loads(text)["arrays"]["missing"] == [[1.0, None], [None, None]]
    assert "NaN" not in text
    again = ProbeResult.model_validate_json(text)
    assert again.metrics == result.metrics
    assert again.arrays["torch"].tolist() == [1.0, 1.0]
    for name, array in ARRAYS.items():
        found = again.arrays[name]
        assert found.shape == array.shape
        assert found.dtype.kind == array.dtype.kind
        np.testing.assert_allclose(found, array, rtol=1e-6)


@pytest.mark.parametrize("bad", [["a", "b"], [[1], [2, 3]], [object()], [1j]])
def test_arrays_hold_numbers(bad: list[object]) -> None:
    plain = find_probe("mutual-coherence")(construct("lin", T=4, L=3)).model_dump()
    with pytest.raises(ValidationError, match="arrays"):
        ProbeResult.model_validate(plain | {"arrays": {"x": bad}})


def test_the_schema_describes_what_is_stored() -> None:
    schema = json_schema()
    stored = json.loads(study(construct("lin", T=4, L=3), name="x").model_dump_json())
    assert schema["type"] == "object"
    assert schema["properties"].keys() == stored.keys()
    parts = schema["$defs"]
    assert parts["MechanismLabel"]["properties"].keys() == stored["label"].keys()
    assert parts["ProbeResult"]["properties"].keys() == stored["probes"][0].keys()
    metric = parts["Metric"]["properties"]
    assert metric.keys() == {"value", "unit", "low", "high", "description"}
    assert {"type": "null"} in metric["value"]["anyOf"]
    for name in ("confidence", "agreement"):
        limits = parts["AxisLabel"]["properties"][name]
        limits = limits.get("anyOf", [limits])[0]  # a number, or none
        assert (limits["minimum"], limits["maximum"]) == (0, 1)
    arrays = parts["ProbeResult"]["properties"]["arrays"]
    assert arrays["additionalProperties"]["type"] == "array"
    closed = {name: part for name, part in parts.items() if name != "JsonValue"}  # anything
    assert all(part["additionalProperties"] is False for part in closed.values())
    # References lead to definitions.
    text = json.dumps(schema)
    used = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}
    assert used == set(parts)


def test_ours_declare_what_they_return() -> None:
    for made in all_probes().values():
        assert made.summary.endswith((".", "?"))
        assert made.draw is not None
        assert made.say is not None
        assert made.package.startswith("mechprobe ")
        assert all(spec.description for spec in made.specs.values())
        assert (made.kind == "causal") == (made.measure.__module__.split(".")[-2] == "causal")


def test_parameters_are_a_function() -> None:
    """What is recorded follows the constants in force; a dictionary would not. In a process of its
    own, where types are not checked."""
    script = "from mechprobe import probes; probes.probe('mine', metrics={}, parameters={'n': 1})"
    path = os.pathsep.join([str(Path(mechprobe.__file__).parents[1]), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.stderr.splitlines()[-1].endswith(
        "probe mine: parameters has to be a function, such as `lambda: {...}`"
    )


@pytest.mark.parametrize("part", ["applies", "words", "value"])
def test_whatever_part_of_a_probe_fails_is_one_line(
    part: str, own_registry: Registry[Probe]
) -> None:
    def fails(*_: object) -> str:
        raise ZeroDivisionError("in a part")

    value: object = "no number" if part == "value" else 0.5
    made = probe("mine", metrics=VALUE)(lambda context: Measurement({"value": value}))
    if part != "value":
        getattr(made, part)(fails)
    result = study(construct("dot", T=5, L=4), name="m", probes=["mine", "readout"])
    assert [found.probe for found in result.probes] == ["readout"]
    assert len(result.problems) == 1
    assert result.problems[0].startswith("probe mine: ")
