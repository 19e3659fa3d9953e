"""A task from elsewhere with a context, axes, labels, columns and models of its own."""

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from mechprobe import models
from mechprobe.analyses.commands.label.labelling import Labelled, as_object, as_text
from mechprobe.analyses.common.runs import begin_run, is_current, run_info
from mechprobe.analyses.common.text import confidence_text, summary, table
from mechprobe.models import MechprobeError
from mechprobe.models.tasks import TASKS
from mechprobe.probes import (
    Context,
    check_probe,
    context_for,
    find_probe,
    label,
    probe,
    study,
)
from mechprobe.probes.attention import ATTENTION, AttentionKind
from mechprobe.probes.counting.kinds import COUNTING, TOKENS, Mechanism, TokenKind
from mechprobe.probes.labelling import rule_version
from mechprobe.probes.quick import quick
from mechprobe.probes.reading import READINGS, TaskReading, heading_of, reading_of, task_reading
from mechprobe.probes.registry import PROBES
from mechprobe.probes.runs import load_run, save_result

NAME = "tests.probes.parity"


@pytest.fixture
def parity() -> Iterator[ModuleType]:
    """The task's module, loaded as an entry point would load it and forgotten again."""
    sys.modules.pop(NAME, None)
    with TASKS.isolated(), READINGS.isolated(), PROBES.isolated():
        yield import_module(NAME)
    del sys.modules[NAME]


def test_its_label_has_its_own_axes(parity: ModuleType) -> None:
    model = parity.asked("dot")
    assert type(context_for(model)).__name__ == "ParityContext"
    found = label(model, seed=2)
    assert {axis.name: axis.kind for axis in found.axes} == {"parity": "told", "sides": "fair"}
    assert found.verdict == "even-handed, parity told"
    assert (found.certainty, found.number("right"), found.seed) == (1.0, 1.0, 2)
    assert found.version == rule_version(model.task()) == "parity-1 0.9 0.1"
    # What labels of our tasks offer by name, this one does not have.
    assert found.mechanism is found.attention is found.confidence is found.accuracy is None
    assert found.tokens == []
    assert found.kappa.shape == (0,)
    verdict, measures = quick(model, seed=2, probes=["parity-accuracy"])
    assert verdict == found
    assert measures == {"parity-accuracy.even": 1.0}


def test_a_study_a_run_and_its_table_hold_it(parity: ModuleType, tmp_path: Path) -> None:
    begin_run(tmp_path, run_info("Parity", "none", 0), ["one", "two"])
    for name, construction in (("one", "dot"), ("two", "lin")):
        result = study(parity.asked(construction), name=name)
        assert [one.probe for one in result.probes] == ["parity-accuracy"]
        assert not result.problems
        save_result(tmp_path, result)
    _, results = load_run(tmp_path)
    assert table(results).splitlines() == [
        "Model  Architecture  Sizes            Parity  Sides  Confidence  Right",
        "one    dot           T=6 L=5 d=6 p=1  told    fair   1.00        1.000",
        "two    lin           T=6 L=5 d=6 p=6  told    fair   1.00        1.000",
    ]
    assert [item.mark for item in reading_of(parity.Parity(6, 5)).items(results[0].label)] == [
        "E",
        "O",
    ]
    counting = study(models.construct("dot", T=6, L=5), name="three", probes=())
    first, second = table([counting, *results]).split("\n\n")
    assert first.startswith("Models that count\nModel  Architecture  Sizes            Mechanism ")
    assert second == f"Models of parity\n{table(results)}"


def test_a_table_outlives_the_package(parity: ModuleType) -> None:
    result = study(parity.asked("dot"), name="one")
    result.task["name"] = "gone"
    assert heading_of("gone") == "Models of the task gone"
    assert table([result]).splitlines() == [
        "Model  Architecture  Sizes            Parity  Sides  Confidence",
        "one    dot           T=6 L=5 d=6 p=1  told    fair   1.00",
    ]
    assert summary(result.label, "gone") == "even-handed, parity told (confidence 1.00)"


def test_the_command_prints_its_axes(parity: ModuleType) -> None:
    model = parity.asked("dot")
    item = Labelled(Path("m"), "dot", model.task().describe(), label(model))
    found = json.loads(json.dumps(as_object(item), allow_nan=False))
    assert found["task"] == {"name": "parity", "T": 6, "L": 5}
    assert found["axes"] == [
        {
            "name": "parity",
            "kind": "told",
            "words": "parity told",
            "confidence": 1.0,
            "agreement": None,
            "reason": "100% of the answers have it",
            "details": {"even": 1.0, "odd": 1.0},
        },
        {
            "name": "sides",
            "kind": "fair",
            "words": "even-handed",
            "confidence": None,
            "agreement": 1.0,
            "reason": "",
            "details": {},
        },
    ]
    assert (found["mechanism"], found["counters"], found["tokens"]) == (None, None, [])
    assert as_text(item) == (
        "m: even-handed, parity told (confidence 1.00), right 1.000\n"
        "  parity: 100% of the answers have it"
    )


def test_the_conformance_kit_has_its_models(parity: ModuleType) -> None:
    check_probe(find_probe("parity-accuracy"))

    @probe("parity-fault", metrics=parity.parity_accuracy.specs, tasks=("parity",))
    def fault(context: Context) -> object:
        """Out of its range."""
        return parity.Measurement({"even": 2.0})

    with pytest.raises(MechprobeError, match=r"on dot: metric even is 2\.0, outside its range"):
        check_probe(fault)
    with pytest.raises(MechprobeError, match="reads models of parity, this one's task is hist"):
        find_probe("parity-accuracy")(models.construct("dot", T=6, L=5))


def test_results_are_made_again_when_its_rule_changes(
    parity: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = parity.asked("dot")
    result = study(model, name="one")
    assert is_current(result, model, 0)
    monkeypatch.setattr(parity, "TOLD", 0.8)
    assert not is_current(result, model, 0)


def test_a_task_without_a_reading_has_probes_and_no_label(parity: ModuleType) -> None:
    task = parity.Parity(6, 5, name="unheard-of")
    assert type(context_for(models.construct("dot", T=6, L=5), task)) is Context
    assert rule_version(task) == ""
    with pytest.raises(MechprobeError, match="task unheard-of: no labels are"):
        label(models.construct("dot", T=6, L=5), task)


def test_a_second_reading_of_a_task_is_refused(parity: ModuleType) -> None:
    with pytest.raises(MechprobeError, match=r"'parity' is registered twice, by .* and by"):
        task_reading("parity")(parity.ParityReading)


def test_a_reading_that_lacks_something_is_refused(parity: ModuleType) -> None:
    class Half(TaskReading):
        title = "Half a reading"
        rule_version = parity.ParityReading.rule_version

    with pytest.raises(MechprobeError) as caught:
        task_reading("half")(Half)
    assert str(caught.value) == (
        "task reading 'half': Half lacks axes, columns, context, label, subjects"
    )
    assert "half" not in READINGS


def test_a_kind_has_to_be_on_its_axis(parity: ModuleType) -> None:
    with pytest.raises(KeyError, match="untold"):
        parity.PARITY.labelled("untold")


@pytest.mark.parametrize("reading", READINGS.values(), ids=list(READINGS))
def test_what_ours_say_is_fit_to_print(reading: TaskReading) -> None:
    for axis in reading.axes:
        for kind in axis.kinds.values():
            assert kind.meaning[0].isupper()
            assert kind.meaning.endswith(".")
            assert len(kind.colour) == 7
            assert int(kind.colour.removeprefix("#"), 16) >= 0
        assert len({kind.words for kind in axis.kinds.values()}) == len(axis.kinds)
    titles = [column.title for column in reading.columns]
    assert len(set(titles)) == len(titles)
    assert {axis.title for axis in reading.axes} <= set(titles)


def test_kinds_in_types_are_those_of_the_axes() -> None:
    """Rules are typed by their kinds; the axes say what there is."""
    assert get_args(Mechanism) == tuple(COUNTING.kinds)
    assert get_args(AttentionKind) == tuple(ATTENTION.kinds)
    assert get_args(TokenKind) == tuple(TOKENS)


def test_only_a_certain_confidence_reads_as_one() -> None:
    texts = [confidence_text(share) for share in (0.0, 0.5, 0.994, 0.995, 0.9999, 1.0)]
    assert texts == ["0.00", "0.50", "0.99", ">0.99", ">0.99", "1.00"]
