"""Labels and results as tables, short texts and HTML; labels of many models."""

from pathlib import Path

import numpy as np
import pytest

import mechprobe
from mechprobe.models import MechprobeError, construct
from mechprobe.models.hooked import HookedTransformer
from mechprobe.probes.results import Metric, ModelResult, ProbeResult, Provenance, RunInfo
from mechprobe.probes.runs import save_result, save_run
from mechprobe.probes.views import frames, showing


@pytest.fixture(scope="module")
def model() -> HookedTransformer:
    return construct("bos", T=4, L=3)


@pytest.fixture(scope="module")
def studied(model: HookedTransformer) -> ModelResult:
    return mechprobe.study(model, name="<b>", probes=["mutual-coherence"])


def made(**metrics: float | None) -> ProbeResult:
    """A result of no probe that is installed."""
    return ProbeResult(
        probe="made-up",
        kind="measure",
        metrics={
            name: Metric(value=value, unit="bit", low=0, high=None, description="<made up>")
            for name, value in metrics.items()
        },
        arrays={"one": np.array([[1.0, np.nan]]), "two": np.array(3), "none": np.zeros((0, 2))},
        provenance=Provenance(
            probe="made-up", version="1", parameters={}, seed=0, model_hash="", package="nobody"
        ),
    )


def test_a_label_is_a_row_with_units(studied: ModelResult) -> None:
    frame = studied.label.to_frame("mine")
    assert len(frame) == 1
    row = frame.iloc[0]
    assert (row.model, row.counting, row.attention) == ("mine", "relation-based", "semantic")
    assert row.counting_confidence == studied.label.confidence
    assert row.accuracy == studied.label.accuracy
    assert frame.attrs["units"]["accuracy"] == "1"


def test_models_without_a_label_have_a_row(studied: ModelResult) -> None:
    frame = frames.of_labels({"a": studied.label}, {"b": "lost"})
    assert list(frame.model) == ["a", "b"]
    assert frame.problem.isna().tolist() == [True, False]
    assert frame.problem[1] == "lost"
    assert frame.verdict.isna().tolist() == [False, True]


def test_a_model_is_a_row_with_sizes_and_metrics(studied: ModelResult) -> None:
    frame = studied.to_frame()
    row = frame.iloc[0]
    assert (row["T"], row["L"], row.task) == (4, 3, "histogram")
    coherence = studied.probe("mutual-coherence").value("coherence")
    assert row["mutual-coherence.coherence"] == coherence
    assert frame.attrs["units"]["mutual-coherence.coherence"] == "cosine"


def test_a_result_is_a_row_for_each_metric() -> None:
    frame = made(bits=2.0, lost=None).to_frame()
    assert list(frame.metric) == ["bits", "lost"]
    assert frame.value[0] == 2.0
    assert np.isnan(frame.value[1])
    assert list(frame.unit) == ["bit", "bit"]


def test_arrays_are_a_row_for_each_number() -> None:
    frame = made().arrays_to_frame()
    assert list(frame.columns) == ["array", "place_0", "place_1", "value"]
    one = frame[frame.array == "one"]
    assert one.place_1.tolist() == [0, 1]
    assert one.value.iloc[0] == 1.0
    assert np.isnan(one.value.iloc[1])
    two = frame[frame.array == "two"]
    assert two.value.tolist() == [3.0]
    assert two.place_0.isna().all()
    assert not (frame.array == "none").any()


def test_texts_are_short(model: HookedTransformer, studied: ModelResult) -> None:
    everything = [model, studied, studied.label, *studied.probes, mechprobe.all_probes(), made(a=1)]
    for thing in everything:
        assert len(repr(thing)) < 600
    assert repr(model) == "HookedTransformer('bos', T=4, L=3, d=4, p=1, task='histogram')"
    many = made(a=1.0, b=2.0, c=None, d=4.0, e=5.0)
    assert repr(many) == "ProbeResult('made-up', a=1, b=2, c=nan, d=4, ...)"


def test_html_is_escaped(studied: ModelResult) -> None:
    shown = showing.of_models("<title>", [studied]) + studied._repr_html_()
    assert "<b>" not in shown.replace("<p><b>", "")
    assert "&lt;title&gt;" in shown
    assert "&lt;made up&gt;" in made(bits=1.0)._repr_html_()
    assert "<img" not in made(bits=1.0)._repr_html_()
    assert 'src="data:image/png;base64' in studied.probes[0]._repr_html_()
    listed = mechprobe.all_probes()._repr_html_()
    assert listed.count("<tr>") == len(mechprobe.all_probes()) + 1


def test_many_models_and_paths_are_labelled_by_name(
    model: HookedTransformer, tmp_path: Path
) -> None:
    mechprobe.save(model, tmp_path / "kept")
    asked = {"mine": model, "kept": str(tmp_path / "kept"), "lost": tmp_path / "lost"}
    found = mechprobe.label_many(asked, workers=1, seed=3)
    assert list(found) == ["mine", "kept"]
    assert found["mine"] == found["kept"] == mechprobe.label(model, seed=3)
    assert "lost" in found.problems["lost"]
    assert repr(found) == "Labels(2 models, 1 without)"
    assert list(found.to_frame().model) == ["mine", "kept", "lost"]
    assert "lost" in found._repr_html_()


def test_many_refuses_what_it_cannot_name(model: HookedTransformer) -> None:
    with pytest.raises(MechprobeError, match="a int is neither a hooked model nor a path"):
        mechprobe.label_many([3])
    with pytest.raises(MechprobeError, match="there twice"):
        mechprobe.label_many(["a", "a"])
    with pytest.raises(MechprobeError, match="at least 1"):
        mechprobe.label_many([model], workers=0)


def test_a_run_is_read_by_its_path(studied: ModelResult, tmp_path: Path) -> None:
    named = studied.model_copy(update={"name": "one"})
    save_run(tmp_path, RunInfo(title="My run", command="", seed=0, versions={}))
    save_result(tmp_path, named)
    run = mechprobe.load_run(str(tmp_path))
    info, results = run
    assert (info.title, [result.name for result in results]) == ("My run", ["one"])
    assert run.model("one").label == named.label
    assert repr(run) == "Run('My run', 1 models)"
    assert list(run.to_frame().model) == ["one"]
    with pytest.raises(MechprobeError, match="no model 'two'"):
        run.model("two")
    with pytest.raises(MechprobeError, match="no result of the probe 'readout'"):
        run.model("one").probe("readout")
