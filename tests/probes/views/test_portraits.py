"""Figures of results at any width and in anybody's axes."""

from collections.abc import Iterator

import pytest
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import mechprobe
from mechprobe.models import MechprobeError, construct
from mechprobe.probes.registry import PROBES, Measurement, probe
from mechprobe.probes.results import ModelResult, ProbeResult


@pytest.fixture(scope="module")
def studied() -> ModelResult:
    return mechprobe.study(construct("bos+sftm", T=5, L=4), name="one")


@pytest.fixture
def own() -> Iterator[ProbeResult]:
    """A probe whose figure does not ask where it goes."""
    with PROBES.isolated():

        @probe("own-sheet", metrics={})
        def measure(context: object) -> Measurement:
            """Nothing."""
            return Measurement({})

        @measure.figure
        def draw(result: ProbeResult) -> Figure:
            figure = Figure(figsize=(8, 4))
            figure.add_subplot().plot([1, 2])
            return figure

        yield measure(construct("bos", T=4, L=3))


def test_every_panel_fits_its_column(studied: ModelResult) -> None:
    """No title of a narrow figure is cut, and no two panels stand side by side."""
    for result in studied.probes:
        figure = result.figure(width=3.25)
        assert figure.get_figwidth() == 3.25
        FigureCanvasAgg(figure).draw()
        for axes in figure.axes:
            box = axes.title.get_window_extent()
            assert box.x0 >= 0, (result.probe, axes.get_title())
            assert box.x1 <= figure.bbox.x1, (result.probe, axes.get_title())
            legend = axes.get_legend()
            if legend is not None:
                assert legend.get_window_extent().x0 >= -1, result.probe


def test_the_usual_size_is_that_of_reports(studied: ModelResult) -> None:
    result = studied.probe("mutual-coherence")
    assert (
        result.figure(width=None).get_figwidth() == PROBES[result.probe].draw(result).get_figwidth()
    )  # type: ignore[misc]


def test_a_panel_goes_into_given_axes(studied: ModelResult) -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    result, before = studied.probe("mutual-coherence"), dict(rcParams)
    assert result.figure(ax=left) is figure
    result.figure(ax=right, panel=1)
    assert left.get_title() == "Embedding overlaps (BOS last)"
    assert right.get_title() == "Different tokens"
    assert dict(rcParams) == before
    # What was asked once is not in force afterwards.
    assert result.figure() is not figure


def test_the_same_result_draws_in_the_same_way(studied: ModelResult) -> None:
    result = studied.probe("readout")
    pictures = [result.figure()._repr_png_() for _ in range(2)]  # type: ignore[attr-defined]
    assert pictures[0] == pictures[1]


def test_what_cannot_be_drawn_is_said(studied: ModelResult, own: ProbeResult) -> None:
    result, axes = studied.probe("mutual-coherence"), Figure().add_subplot()
    with pytest.raises(MechprobeError, match="has panels 0 to 1"):
        result.figure(ax=axes, panel=2)
    with pytest.raises(MechprobeError, match="none of a figure"):
        result.figure(width=0)
    with pytest.raises(MechprobeError, match="no matplotlib Axes"):
        result.figure(ax=3)  # type: ignore[arg-type]
    with pytest.raises(MechprobeError, match="draws on a sheet of its own"):
        own.figure(ax=axes)
    assert own.figure(width=3.25).get_size_inches().tolist() == [3.25, 1.625]
    lost = result.model_copy(update={"probe": "nobodys"})
    with pytest.raises(MechprobeError, match="not installed here"):
        lost.figure()
