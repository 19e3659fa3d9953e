"""The page on formation: what it shows, and that nothing gets out of it or into it."""

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver import Chrome

from mechprobe.analyses.dynamics import figure, words
from mechprobe.analyses.dynamics.learning import Learned, learned
from mechprobe.analyses.dynamics.page import render, write_page
from mechprobe.analyses.dynamics.runs import Dynamics, Run
from mechprobe.analyses.dynamics.tables import history, overview
from mechprobe.analyses.dynamics.words import sentences
from mechprobe.probes.attention import ATTENTION
from mechprobe.probes.change_points import ChangePoint, Changes
from mechprobe.probes.counting.kinds import COUNTING, Mechanism
from mechprobe.probes.formation import formation
from mechprobe.probes.learning_coefficient import DIVERGED, NO_MINIMUM
from mechprobe.probes.reading import READINGS
from mechprobe.probes.results import MechanismLabel
from mechprobe.probes.snapshots import Snapshot
from tests.accessible import violations

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}&amp;"
R: Mechanism = "relation-based"
INV: Mechanism = "inventory-based"
STORY: list[tuple[int, float, Mechanism | None]] = [
    (1, 0.1, None),
    (10, 0.3, INV),
    (100, 0.5, R),
    (1000, 0.95, R),
    (5000, 1.0, R),
]


class Page(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def run(story: list[tuple[int, float, Mechanism | None]], name: str = "seed-0") -> Run:
    """A run out of (step, accuracy, leaning); the first snapshots have nothing to show."""
    snapshots = []
    for step, accuracy, leans in story:
        known = leans is not None
        mechanism: Mechanism = leans if leans is not None and accuracy >= 0.9 else "unsolved"
        kappa = np.array([0.9, 1.0, 1.1, math.nan]) if known else np.full(4, math.nan)
        numbers: dict[str, float | None] = {
            "kappa": 1.0 if known else None,
            "own_slope": 1.0 if known else 0.0,
            "shared": 0.75 if known else 0.0,
            "private": 0.0,
            "lost": 0.9 if known else None,
            "token_share": 1.0,
            "count-transport.counters": 2.0,
            "mutual-coherence.coherence": 0.5,
        }
        counters = 1 if mechanism == leans else None
        axes = [
            COUNTING.labelled(mechanism, confidence=0.9, details={"counters": counters}),
            ATTENTION.labelled("semantic"),
        ]
        label = MechanismLabel(axes=axes, reasons=[], evidence={}, seed=0)
        numbers |= {"accuracy": accuracy, "chance": 0.2, "counters": counters}
        snapshots.append(
            Snapshot(
                step, label, accuracy >= 0.9, mechanism != "unsolved", leans, accuracy, numbers,
                told=known, items={"kappa": kappa},
            )
        )  # fmt: skip
    return Run(name, {"architecture": "bos+sftm", "T": "4"}, snapshots, formation(snapshots))


def dynamics(*runs: Run, problems: tuple[str, ...] = ()) -> Dynamics:
    reading = READINGS["histogram"]
    versions = {"numpy": "2.0.0"}
    return Dynamics(reading, "mechprobe dynamics x", 0, versions, list(runs), list(problems))


def told(one: Run) -> list[str]:
    return sentences(one.formation, dynamics(one))


def test_every_run_has_its_row_picture_and_sentences() -> None:
    first, second = run(STORY), run(STORY[:3], "seed-1")
    page = Page(render(dynamics(first, second, problems=("seed-1-step-000009: no weights",))))
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 2
    for one, image in zip((first, second), images, strict=True):
        assert one.name in (image["alt"] or "")
        for sentence in told(one):
            assert " ".join(sentence.split()) in page.text
            assert sentence in (image["alt"] or "")
    assert "seed-1-step-000009: no weights" in page.text
    names = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    links = {(attributes["href"] or "")[1:] for tag, attributes in page.tags if tag == "a"}
    assert len(names) == len(set(names))
    assert links <= set(names)


def test_hostile_strings_stay_text() -> None:
    one = run(STORY, HOSTILE)
    one.settings[HOSTILE] = HOSTILE
    html = render(Dynamics(READINGS["histogram"], HOSTILE, 0, {HOSTILE: HOSTILE}, [one], [HOSTILE]))
    page = Page(html)
    assert not any(tag == "script" for tag, _ in page.tags)
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 1
    assert not any(name.startswith("on") for _, found in page.tags for name in found)
    assert "<script>alert" not in html
    assert "49&amp;" not in html
    assert page.text.count("<script>alert(1)</script>") >= 6


def test_nothing_is_fetched_and_no_script_may_act() -> None:
    html = render(dynamics(run(STORY)))
    page = Page(html)
    for _, attributes in page.tags:
        assert "style" not in attributes
        for name in ("src", "href", "srcset", "data", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    policy = next(found["content"] for _, found in page.tags if "http-equiv" in found) or ""
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert policy.count("'sha256-") == 1
    assert "url(" not in html
    assert "@import" not in html


def test_tables_say_dash_for_what_is_missing() -> None:
    one = run(STORY)
    (row,) = overview(dynamics(one)).rows
    assert row[0] == "seed-0"
    assert row[4:10] == ["1000", "relation-based", "100", "100", "10 ×", "10 ×"]
    assert row[10:] == ["0", "1"]
    followed = dynamics(one).followed
    table = history(one, dynamics(one), {**followed.columns, **followed.more})
    assert "BOS weight" not in table.head  # no snapshot has that number
    assert table.rows[0] == ["1", "10.0\u00a0%", "unsolved", "–", "semantic", "–", "0.90", "–",
                             "0.00", "0.00", "–", "0.00", "1.00", "0.50"]  # fmt: skip
    assert not re.search(r">\s*(nan|None)\s*<", render(dynamics(one)))


def test_sentences_answer_the_questions() -> None:
    says = told(run(STORY))
    assert says == [
        "Accuracy reaches 90\u00a0% at step 1000 (not yet at 100) and stays there.",
        "The evidence is that of a relation-based model from step 100 on (not yet at 10), where"
        " accuracy is 50\u00a0%, and stays so.",
        "It first leant elsewhere: to an inventory-based model at step 10 (not yet at 1), where"
        " accuracy is 30\u00a0%.",
        "The mechanism is there first: accuracy takes 10 (1.0 to 100) times as many steps.",
        "The label relation-based holds for good from step 1000 on (not yet at 100).",
        "Among the 2 solved snapshots the label never switches.",
        "What the evidence leans to changes once: from inventory-based to relation-based at step"
        " 100.",
    ]


@pytest.mark.parametrize(
    ("story", "says"),
    [
        ([(1, 0.1, None), (5, 0.2, None)], "leans to no mechanism"),
        ([(1, 0.1, None), (5, 0.5, R)], "never reaches 90"),
        ([(1, 0.95, R)], "from the first snapshot on"),
        ([(1, 0.1, None), (5, 0.95, R)], "between the same two snapshots"),
        ([(1, 0.1, None), (5, 0.95, R), (9, 0.8, R)], "yet ends below"),
        ([(1, 0.95, INV), (5, 0.5, R), (9, 0.95, R)], "falls below again"),
        ([(1, 0.1, None), (5, 0.95, INV), (9, 0.95, R)], "Accuracy is there first"),
        ([(1, 0.1, None), (2, 0.5, R), (3, 0.6, INV), (9, 0.95, R)], "Counting first times"),
        ([(1, 0.95, R), (9, 0.95, INV)], "the label switches once"),
        ([(s, 0.95, INV if s % 2 else R) for s in range(1, 10)], "8 times between steps 1 and 9"),
    ],
)
def test_every_course_has_its_words(
    story: list[tuple[int, float, Mechanism | None]], says: str
) -> None:
    """And a picture that can be drawn."""
    one = run(story)
    assert says in " ".join(told(one)).replace("\u00a0", " ")
    assert says in Page(render(dynamics(one))).text.replace("\u00a0", " ")


def test_borders_lie_between_snapshots() -> None:
    edges = figure.borders(np.array([1.0, 10.0, 100.0]))
    assert np.allclose(np.log10(edges), [-0.5, 0.5, 1.5, 2.5])
    assert len(figure.borders(np.array([7.0]))) == 2


def test_every_kind_of_an_axis_has_a_colour_of_its_own() -> None:
    for reading in READINGS.values():
        for axis in reading.axes:
            colours = [figure.NOWHERE, *(kind.colour for kind in axis.kinds.values())]
            assert len(set(colours)) == len(colours)


def test_the_page_is_one_small_file(tmp_path: Path) -> None:
    path = write_page(dynamics(run(STORY)), tmp_path / "dynamics.html")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert path.stat().st_size < 200_000
    assert [p.name for p in tmp_path.iterdir()] == ["dynamics.html"]


def test_change_points_have_words_and_marks() -> None:
    """Where they are, where none is, and where nobody could tell."""
    one = run(STORY)
    point = ChangePoint(after=10, step=100, low=10, high=1000, jump=0.5, chance=0.003)
    one.changes["κ"] = Changes("kappa", 20, [point])
    one.changes["accuracy"] = Changes("accuracy", 20, [])
    one.changes["lost"] = Changes("lost", 5, None)
    says = words.told(one, dynamics(one))
    assert says[-3:] == [
        "Change point of κ: up by 0.5 between steps 10 and 100 (95\u00a0%: 10 to 1000).",
        "No change point is found in accuracy.",
        "Too few snapshots with a number to look for change points in lost (12 are needed).",
    ]
    page = Page(render(dynamics(one)))
    assert all(" ".join(sentence.split()) in page.text for sentence in says)
    drawn = figure.draw(one, dynamics(one))
    labels = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert "change point, 95 % shaded" in labels
    del one.changes["κ"]
    plain = figure.draw(one, dynamics(one)).legends[0].get_texts()
    assert "change point, 95 % shaded" not in [text.get_text() for text in plain]


def estimate(value: float | None, reason: str = "") -> Learned:
    return Learned(
        model_hash="", seed=0, constants="", value=value, error=value, chains=[value, value],
        virial=1.0, reason=reason, problem=reason and "in a clause",
    )  # fmt: skip


def with_estimates(one: Run, found: list[Learned | None]) -> tuple[Run, Dynamics]:
    snapshots = [learned(s, f) for s, f in zip(one.snapshots, found, strict=True)]
    shown = replace(one, snapshots=snapshots)
    return shown, replace(dynamics(shown), learning=True)


def test_no_coefficient_is_missing_without_a_reason() -> None:
    """In the cell in two words, in a sentence the commonest first, and in the picture."""
    none = [estimate(None, NO_MINIMUM), estimate(None, NO_MINIMUM)]
    one, shown = with_estimates(run(STORY), [*none, estimate(2.5), None, estimate(3.0)])
    table = history(one, shown, shown.followed.columns)
    column = table.head.index("λ")
    assert [row[column] for row in table.rows] == [
        "no minimum", "no minimum", "2.50", "not estimated", "3.00"
    ]  # fmt: skip
    assert words.told(one, shown)[-1] == (
        "No λ at 3 of 5 snapshots: at 2 from step 1 to 10 weights nearby have a lower loss, it is"
        " at no minimum; at step 1000 the estimate failed, for a reason that is told as a problem."
    )
    page = Page(render(shown))
    assert "not estimated" in page.text
    assert " ".join(words.told(one, shown)[-1].split()) in page.text
    legends = [axes.get_legend() for axes in figure.draw(one, shown).axes]
    texts = [text.get_text() for legend in legends if legend for text in legend.get_texts()]
    assert figure.NONE in texts


def test_where_no_snapshot_has_a_coefficient_the_column_says_why() -> None:
    one, shown = with_estimates(run(STORY), [estimate(None, DIVERGED) for _ in STORY])
    table = history(one, shown, shown.followed.columns)
    column = table.head.index("λ")
    assert {row[column] for row in table.rows} == {DIVERGED}
    assert "No λ at 5 of 5 snapshots" in Page(render(shown)).text
    plain = dynamics(run(STORY))
    assert "λ" not in history(plain.runs[0], plain, plain.followed.columns).head


def test_the_page_is_accessible(browser: Chrome, tmp_path: Path) -> None:
    page = write_page(dynamics(run(STORY), run(STORY, "seed-1")), tmp_path / "page.html")
    assert violations(browser, page) == []
