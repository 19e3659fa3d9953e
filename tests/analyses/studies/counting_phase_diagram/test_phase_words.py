"""What the phase page says and where: bounds in full, chance as measured, choices and plurals."""

import re
from typing import Any

import pytest

from mechprobe.analyses.studies.counting_phase_diagram.bounds import bounds
from mechprobe.analyses.studies.counting_phase_diagram.cells import cells_of, chance, lowest
from mechprobe.analyses.studies.counting_phase_diagram.legends import accuracy_strip
from mechprobe.analyses.studies.counting_phase_diagram.maps import LETTER, Map, panels
from mechprobe.analyses.studies.counting_phase_diagram.overview import overview
from mechprobe.analyses.studies.counting_phase_diagram.page import render, trained
from tests.analyses.studies.counting_phase_diagram.phase_rows import make_rows
from tests.analyses.studies.counting_phase_diagram.test_phase import make_study


def rows_of(T: int, **other: Any) -> list[dict[str, Any]]:
    return make_rows((4, 16, 64), (4, 64), architectures=("bos", "lin"), T=T, **other)


def maps_of(T: int) -> list[Map]:
    rows = rows_of(T)
    study = make_study(rows, T=T, bounds=bounds(T, 10))
    return [m for panel in panels(study, cells_of(rows)) for m in panel.maps]


@pytest.mark.parametrize("T", [16, 32])
def test_labels_of_bounds_stand_within_the_map_and_apart(T: int) -> None:
    """Such as "T, 29" at the edge of the map, of which "T, 2" was left."""
    for found in maps_of(T):
        labels = [line for line in found.lines if line.label]
        assert any("T, " in line.label for line in labels)
        beside = [line for line in labels if line.x >= found.right]
        assert all(line.x + LETTER * len(line.label) <= found.width for line in beside)
        assert len({(line.x, line.y) for line in labels}) == len(labels)


def test_every_bound_is_named_with_its_edge() -> None:
    """At T = 32, L = 10: 30 and 12 for bos, 29 for lin, all on two edges of this grid."""
    bos, _, _, lin, _, _ = maps_of(32)
    assert [line.label for line in bos.lines] == ["T, 30", "T", "", "12"]
    assert [line.label for line in lin.lines] == ["T, 29", "T", ""]


def test_titles_of_axes_fit_a_small_map() -> None:
    rows = make_rows((4, 64), (4,), architectures=("bos",))
    small = panels(make_study(rows), cells_of(rows))[0].maps[0]
    large = panels(make_study(make_rows()), cells_of(make_rows()))[0].maps[0]
    assert (small.beside, small.below) == ("d, width", "p, neurons")
    assert (large.beside, large.below) == ("d, width of the embeddings", "p, hidden neurons")


@pytest.mark.parametrize(
    ("measured", "least", "first"),
    [(0.1992, 0.2, "≤ 20 %"), (0.348, 0.35, "≤ 35 %"), (None, 0.0, "0 %")],
)
def test_chance_is_the_one_of_the_run(measured: float | None, least: float, first: str) -> None:
    rows = rows_of(32)
    for row in rows:
        row["evidence_chance"] = measured
    assert chance(rows) == (None if measured is None else pytest.approx(measured))
    assert lowest(rows) == pytest.approx(least)
    ticks = accuracy_strip(lowest(rows)).ticks
    assert ticks[0] == (0.0, first)
    assert ticks[-1] == (1.0, "100 %")
    page = re.sub(r"\s+", " ", render(make_study(rows)))
    assert ("A constant answer reaches" in page) == (measured is not None)
    if measured is not None:
        assert f"A constant answer reaches {100 * measured:.0f} %" in page.replace("\u00a0", " ")
    axes = [axis for axis in overview(make_study(rows), cells_of(rows)).axes
            if axis.get_ylabel() == "mean accuracy, %"]  # fmt: skip
    assert axes[0].get_ylim() == pytest.approx((100 * least, 100))


@pytest.mark.parametrize(
    ("rates", "ends"),
    [((0.003,), "chosen."), ((0.003, 0.01), "the better rate."), ((1, 2, 3), "the best rate.")],
)
def test_the_choice_is_the_one_there_was(rates: tuple[float, ...], ends: str) -> None:
    rows = rows_of(32, rates=rates)
    assert trained(rows).endswith(ends)
    page = render(make_study(rows))
    assert ("of every seed the learning rate" in page) == (len(rates) > 1)


def test_one_is_not_in_the_plural() -> None:
    rows = make_rows((64,), (64,), seeds=1, rates=(0.003,), architectures=("bos",))
    rows[0] |= {"mechanism": "relation-based", "counters": 1}
    assert trained(rows).startswith("1 model was trained: 1 seed a cell")
    page = render(make_study(rows, bounds=[]))
    assert "1 counter (median" in page
    assert "1 model in 1 cell<" in page.replace("</strong>", "<")
    assert not re.search(r"\b1 (counters|models|cells|seeds)\b", page)
