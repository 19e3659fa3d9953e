"""Constants are written once: what is recorded follows them, and a change makes results old."""

import ast
import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mechprobe.analyses.common.runs import is_current
from mechprobe.models import construct
from mechprobe.probes import effects, study
from mechprobe.probes.constants import constants_behind, digest
from mechprobe.probes.counting import transport
from mechprobe.probes.counting.label import attention, rule
from mechprobe.probes.counting.label.version import VERDICT, version
from mechprobe.probes.registry import PROBES
from mechprobe.probes.teacher import label as teacher

OURS = [name for name, found in PROBES.registered().items() if found.is_ours]
COUNTING, TEACHER = constants_behind(VERDICT), constants_behind(teacher.__name__)
# Zero and one are no choices, nor is what keeps a division from zero.
PLAIN = {0.0, 1.0, 1e-300}


def changed(monkeypatch: pytest.MonkeyPatch, constant: str) -> None:
    """Another value for one constant, "module.NAME"."""
    module, _, name = constant.rpartition(".")
    value = getattr(importlib.import_module(module), name)
    other = (*value, 1) if isinstance(value, tuple) else value + 1
    monkeypatch.setattr(f"{module}.{name}", other)


@pytest.mark.parametrize("name", OURS)
def test_parameters_are_constants_in_force(name: str) -> None:
    """No number stands in what a probe records of itself."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(PROBES[name].measure)))  # type: ignore[arg-type]
    recorded = [
        keyword.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "parameters"
    ]
    numbers = [
        node.value
        for value in recorded
        for node in ast.walk(value)
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float))
    ]
    assert not numbers


def test_a_recorded_parameter_follows_its_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind of fault: doses and cut used to be copied by hand."""
    probe = PROBES["count-transport"]
    before = probe.constants
    monkeypatch.setattr(transport, "CUT", 0.4)
    monkeypatch.setattr(transport, "DOSES", (-1, 1))
    assert probe.parameters() == {"doses": [-1, 1], "cut": 0.4}
    assert probe.constants != before


def test_a_stored_result_is_old_when_a_constant_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that no probe records by name."""
    model = construct("dot", T=5, L=4)
    kept = study(model, name="dot", probes=["count-transport", "readout"])
    names = ["count-transport", "readout"]
    assert is_current(kept, model, 0, names)
    with monkeypatch.context() as patch:
        patch.setattr(transport, "CUT", 0.4)
        assert not is_current(kept, model, 0, names)
    with monkeypatch.context() as patch:
        changed(patch, "mechprobe.probes.counting.measures.readout.ACTIVE")
        assert not is_current(kept, model, 0, names)
    assert is_current(kept, model, 0, names)


@pytest.mark.parametrize("constant", COUNTING)
def test_the_counting_rules_version_covers(constant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every constant behind the verdict."""
    before = version()
    changed(monkeypatch, constant)
    assert version() != before


@pytest.mark.parametrize("constant", TEACHER)
def test_the_teacher_rules_version_covers(constant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every constant behind the verdict on a student."""
    before = teacher.version()
    changed(monkeypatch, constant)
    assert teacher.version() != before


def test_what_is_behind_a_verdict_is_found() -> None:
    """The thresholds, and numbers of measurements that the verdict reaches through others."""
    names = {name.removeprefix("mechprobe.probes.") for name in COUNTING}
    thresholds = {f"counting.label.rule.{n}" for n in ("SOLVED", "MOST", "HALF", "SPARED", "FEW")}
    assert names >= thresholds
    assert names >= {
        "counting.transport.CUT",
        "counting.transport.DOSES",
        "counting.label.attention.KEPT",
        "counting.label.bootstrap.REPLICATES",
        "counting.label.margin.FAR",
        "counting.label.range.CAUTIOUS",
        "counting.causal.remove_shared.LOUD",
        "counting.sources.GROUPS",
        "context.N_SEQUENCES",
        "effects.ONE_SIDED",
    }
    assert {"mechprobe.probes.effects.ONE_SIDED", "mechprobe.probes.teacher.order.LEVEL"} <= set(
        TEACHER
    )
    # Students are not judged by the counting rule's numbers.
    assert not any(".counting." in name for name in TEACHER)


def test_a_digest_sees_every_number() -> None:
    """Also within tuples, and which name holds it."""
    seen = [{"a": 1}, {"a": 2}, {"b": 1}, {"a": (1, 2)}, {"a": (2, 1)}, {"a": 1.5}]
    assert len({digest(one) for one in seen}) == len(seen)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


@pytest.mark.parametrize("module", [rule, effects, transport], ids=lambda m: m.__name__)
def test_rules_hold_no_unnamed_thresholds(module: object) -> None:
    """A fraction inside a function would be a constant that no version covers."""
    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]
    found = [
        node.value
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Constant) and isinstance(node.value, float)
    ]
    assert set(found) <= PLAIN


def test_one_sided_is_one_number() -> None:
    """Both rules about attention decide by the same share."""
    assert attention.ONE_SIDED is effects.ONE_SIDED


def test_the_digest_does_not_depend_on_what_is_loaded(tmp_path: Path) -> None:
    """A plug-in that imports whole packages has the same constants before and after others load."""
    (tmp_path / "plugin.py").write_text("from mechprobe import probes\nLEVEL = 3\n")
    script = (
        "import plugin; from mechprobe.probes.constants import *;"
        "print(constants_behind('plugin'));"
        "import mechprobe; mechprobe.all_probes();"
        "import mechprobe.probes.constants as c; c._modules_behind.cache_clear();"
        "print(constants_behind('plugin'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["{'plugin.LEVEL': 3}"] * 2
