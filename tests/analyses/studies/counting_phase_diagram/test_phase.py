"""The phase diagram as data and text: cells, votes, bounds' places, embedded JSON, both pages."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from mechprobe.analyses.studies.counting_phase_diagram.cells import Cell, cells_of, vote
from mechprobe.analyses.studies.counting_phase_diagram.colours import (
    accuracy_colour,
    counters_colour,
    ink,
    mechanism_colour,
)
from mechprobe.analyses.studies.counting_phase_diagram.comparison import (
    agreements,
    differences,
    worst,
)
from mechprobe.analyses.studies.counting_phase_diagram.contents import (
    Bound,
    PhaseDiagram,
    Published,
    in_order,
)
from mechprobe.analyses.studies.counting_phase_diagram.data import embedded, plain, safe_json
from mechprobe.analyses.studies.counting_phase_diagram.kinds import (
    INVENTORY,
    MIXED,
    NO_LABEL,
    RELATION,
    SEVERAL,
    UNSOLVED,
)
from mechprobe.analyses.studies.counting_phase_diagram.maps import corner, panels, place
from mechprobe.analyses.studies.counting_phase_diagram.overview import overview
from mechprobe.analyses.studies.counting_phase_diagram.page import (
    TEMPLATES,
    render,
    render_comparison,
    write_pages,
)
from mechprobe.probes.counting.label.rule import PRIVATE, SHARED, SOLVED
from tests.analyses.studies.counting_phase_diagram.phase_rows import make_rows

HOSTILE = "</script><b>x\"'&amp;\u2028{{ 7 * 7 }}<!--"
PUBLISHED = [
    Published(architecture="bos", d=32, p=4, accuracy=0.9),
    Published(architecture="bos", d=32, p=32, accuracy=0.5),
    Published(architecture="lin", d=999, p=1, accuracy=0.5),
]


def make_study(rows: list[dict[str, Any]], **other: Any) -> PhaseDiagram:
    bound = Bound(architecture="bos", d=12, p=32, formula="d ≥ f(T)", says="room for it")
    values: dict[str, Any] = {
        "title": "A made-up diagram",
        "command": "mechprobe study counting-phase-diagram",
        "versions": {"mechprobe": "0"},
        "T": 32,
        "L": 10,
        "rows": rows,
        "bounds": [bound],
        "published": PUBLISHED,
        "published_source": "From a paper.",
        "left_out": "",
    }
    return PhaseDiagram(**(values | other))


def small() -> list[dict[str, Any]]:
    return make_rows((4, 32, 64), (4, 32), architectures=("bos", "lin"))


def labelled(*labels: tuple[str | None, int | None]) -> list[dict[str, Any]]:
    return [{"mechanism": name, "counters": n, "chosen": True} for name, n in labels]


def test_the_most_frequent_label_wins() -> None:
    kind, ties, behind = vote(labelled((MIXED, 3), (INVENTORY, 32), (INVENTORY, 32)))
    assert (kind, ties, len(behind)) == (INVENTORY, (), 2)


def test_ties_go_by_the_order_of_the_legend() -> None:
    rows = labelled((None, None), (UNSOLVED, None), (MIXED, 4))
    assert vote(rows)[:2] == (MIXED, (UNSOLVED, NO_LABEL))
    assert vote(rows[::-1])[:2] == (MIXED, (UNSOLVED, NO_LABEL))


def test_relations_are_parted_by_their_counters() -> None:
    assert vote(labelled((RELATION, 1), (RELATION, 2)))[0] == RELATION
    assert vote(labelled((RELATION, 3), (RELATION, 2), (RELATION, 1)))[0] == SEVERAL
    # The label is voted for first: two of one kind and two of the other are four of one label.
    rows = labelled((RELATION, 1), (RELATION, 1), (RELATION, 2), (MIXED, 3), (MIXED, 3))
    assert vote(rows)[0] == RELATION


def test_models_without_a_label_count_as_such() -> None:
    assert vote(labelled((None, None), (None, None), (MIXED, 3)))[0] == NO_LABEL
    assert vote([]) == (NO_LABEL, (), [])


def test_cells_are_made_of_chosen_models() -> None:
    rows = [
        {"accuracy": 0.9, "confidence": 0.8, "counters": 1, "mechanism": RELATION, "chosen": True},
        {"accuracy": 1.0, "confidence": 0.6, "counters": 2, "mechanism": RELATION, "chosen": True},
        {"accuracy": None, "mechanism": None, "chosen": True},
        {"accuracy": 0.1, "counters": 9, "mechanism": MIXED, "chosen": False},
    ]
    cell = cells_of([row | {"architecture": "dot", "d": 8, "p": 2} for row in rows])[0]
    assert (cell.models, cell.rows) == (3, (0, 1, 2, 3))
    assert (cell.accuracy, cell.least, cell.most) == (0.95, 0.9, 1.0)
    assert (cell.kind, round(cell.share, 3)) == (RELATION, 0.667)
    assert cell.confidence == pytest.approx(0.7)
    assert cell.counters == 1.5


def test_a_cell_without_anything_is_blank_everywhere() -> None:
    rows = [{"architecture": "dot", "d": 8, "p": 2, "model": "m"}]
    study = make_study(rows, bounds=[], published=[])
    squares = [m.rows[0][0] for m in panels(study, cells_of(rows))[0].maps]
    assert [square.fill for square in squares] == ["", "#ffffff", ""]
    assert "no label" in squares[1].says
    assert "no accuracy" in render(study)


def test_architectures_stand_in_the_papers_order() -> None:
    names = in_order(["dot", "zeta", "bos+sftm", "alpha", "dot"])
    assert names == ["bos+sftm", "dot", "alpha", "zeta"]


def test_colours_say_what_they_should() -> None:
    assert accuracy_colour(0.1, 0.2) == accuracy_colour(0.2, 0.2) != accuracy_colour(0.4, 0.2)
    assert accuracy_colour(0.35, 0.35) == accuracy_colour(0.2, 0.35)
    assert counters_colour(1, 32) != counters_colour(2, 32) != counters_colour(32, 32)
    assert counters_colour(1, 1) == counters_colour(1, 32)
    assert mechanism_colour(RELATION, 1.0) == "#0072b2"
    assert mechanism_colour(RELATION, 0.2) == mechanism_colour(RELATION, None)
    assert mechanism_colour(UNSOLVED, 0.1) == mechanism_colour(UNSOLVED, 1.0)
    assert (ink("#002050"), ink("#ffee55")) == ("#ffffff", "#111111")


def test_lines_part_the_cells_that_meet_a_bound() -> None:
    ds, ps = [4, 8, 16, 32], [1, 32, 64]
    assert place(ds, 32) == 3
    assert place(ds, 4) is None
    assert place(ds, 33) is None

    def bound(d: int, p: int) -> Bound:
        return Bound(architecture="dot", d=d, p=p, formula="", says="")

    assert corner(ds, ps, bound(12, 32)) == (2, 1)
    assert corner(ds, ps, bound(12, 1)) == (2, 0)
    assert corner(ds, ps, bound(2, 32)) == (0, 1)
    assert corner(ds, ps, bound(99, 1)) is None
    assert corner(ds, ps, bound(1, 1)) is None


def test_json_cannot_leave_its_element() -> None:
    text = str(safe_json({HOSTILE: [HOSTILE, 1.5]}))
    assert not re.search(r"[<>&\u2028]", text)
    assert json.loads(text) == {HOSTILE: [HOSTILE, 1.5]}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.123456, 0.1235), (0.99996, 0.9999), (-0.0, 0), (1.0, 1), (float("inf"), None), (7, 7),
     (2**60, str(2**60)), (1e-7, 1e-7), (None, None)],
)  # fmt: skip
def test_numbers_are_short_and_no_share_becomes_whole(value: Any, shown: Any) -> None:
    assert plain(value) == shown


def test_the_table_can_be_put_together_again() -> None:
    rows = small()
    rows[3]["reasons"] = ["12 of 13.5 %", "", HOSTILE, "no number"]
    rows[4] |= {"reasons": None, "tokens": None, "kappa": None, "problem": "too 1 many"}
    cells = cells_of(rows)
    data = json.loads(embedded(rows, cells))
    assert [cell["key"] for cell in data["cells"]] == [cell.key for cell in cells]
    for i, row in enumerate(rows):
        texts = []
        for number, *values in data["reasons"][i]:
            words = data["sentences"][number]
            pairs = zip(words, [*values, ""], strict=True)
            texts.append("".join(word + value for word, value in pairs))
        assert texts == (row["reasons"] or [])
        assert [data["tokenKinds"][k] for k in data["tokens"][i]] == (row["tokens"] or [])
        assert data["kappa"][i] == pytest.approx(row["kappa"] or [], abs=1e-3)
        assert data["strings"][data["columns"]["model"]["values"][i]] == row["model"]
        assert data["columns"]["chosen"]["values"][i] == row["chosen"]
        assert data["evidence"]["lost"]["values"][i] == plain(row["evidence_lost"])
        name = "probe-0.metric_1"
        assert data["measures"][name]["values"][i] == plain(row[name])
    assert len(data["strings"]) == len(set(data["strings"]))


def test_differences_are_of_common_cells_in_points() -> None:
    rows = [
        row | {"accuracy": 0.8, "chosen": True}
        for row in small()
        if (row["architecture"], row["d"]) == ("bos", 32)
    ]
    found = differences(cells_of(rows), PUBLISHED)
    assert [round(x.points, 6) for x in found] == [-10.0, 30.0]
    line, total = agreements(found)
    assert (line.architecture, line.cells, total.architecture) == ("bos", 2, "all")
    assert (round(line.mean_absolute, 6), round(line.mean, 6)) == (20.0, 10.0)
    assert worst(found, 1)[0] is line.largest is found[1]
    assert agreements([]) == []


def test_the_figure_has_three_maps_for_each_architecture() -> None:
    rows = small()
    study = make_study(rows)
    figure = overview(study, cells_of(rows))
    assert sum(bool(axis.images) for axis in figure.axes) == 6


def test_the_pages_load_nothing_and_link_each_other() -> None:
    study = make_study(small())
    page, comparison = render(study), render_comparison(study)
    for html in (page, comparison):
        assert "default-src 'none'" in html
        assert set(re.findall(r"(?:src|href)=\"(?!data:|#)([^\"#]*)", html)) <= {
            "comparison.html",
            "phase.html",
        }
        words = re.sub(r"base64,[^\"]*|<script.*?</script>", "", html, flags=re.DOTALL)
        assert not re.search(r"\bnan\b|None|undefined", words)
        assert "style=" not in html
    assert 'href="comparison.html"' in page
    assert "phase.html#cell=bos%2C32%2C4" in comparison
    assert page.count('role="grid"') == 6
    assert page.count('role="gridcell"') == 3 * len(cells_of(study.rows))
    assert "d ≥ 12, p ≥ 32: room for it (d ≥ f(T))" in page


class Tags(HTMLParser):
    """The names of a page's elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_hostile_strings_stay_text() -> None:
    plain_rows = small()
    before = Tags(render(make_study(plain_rows))).names
    rows = [
        row
        | {"architecture": HOSTILE, "model": HOSTILE, "problem": HOSTILE, "reasons": [HOSTILE]}
        | {"attention": HOSTILE, "tokens": [HOSTILE] * 32, f"evidence_{HOSTILE}": 1.0}
        | {f"{HOSTILE}.x": 1.0}
        for row in plain_rows
        if row["architecture"] == "bos"
    ]
    published = [Published(architecture=HOSTILE, d=32, p=4, accuracy=0.9)]
    bound = Bound(architecture=HOSTILE, d=12, p=32, formula=HOSTILE, says=HOSTILE)
    study = make_study(
        rows, title=HOSTILE, command=HOSTILE, versions={HOSTILE: HOSTILE}, bounds=[bound],
        published=published, published_source=HOSTILE,
    )  # fmt: skip
    for html in (render(study), render_comparison(study)):
        names = Tags(html).names
        assert set(names) <= {*before, "em"}
        assert "b" not in names
        assert names.count("script") == (2 if "<dialog" in html else 0)
        assert "{{ 7 * 7 }}" in html
        assert "<b>" not in html


def test_without_published_numbers_the_page_says_why() -> None:
    study = make_study(small(), published=[], left_out="There is none, because of T.")
    assert "There is none, because of T." in render_comparison(study)
    assert "no cell of this sweep" in render_comparison(make_study(small(), published=[]))


def test_the_files_are_written(tmp_path) -> None:
    written = write_pages(make_study(small()), tmp_path)
    assert [path.name for path in written] == ["phase.html", "comparison.html", "phase.png"]
    assert written[2].read_bytes().startswith(b"\x89PNG")


def test_the_page_states_the_thresholds_of_the_rule() -> None:
    script = (TEMPLATES / "figures.js").read_text(encoding="utf-8")
    assert f"[{SHARED}, high" in script
    assert f"[-{PRIVATE}, {PRIVATE}, " in script
    assert f"below {100 * SOLVED:.0f} %" in render(make_study(small()))


def test_cells_are_hashable_and_named() -> None:
    cells = cells_of(small())
    assert len(set(cells)) == len({cell.key for cell in cells}) == 12
    assert isinstance(cells[0], Cell)
