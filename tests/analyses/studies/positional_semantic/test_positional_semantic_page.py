"""The page on both solutions: what it says of made-up numbers, and that nothing gets out or in."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver import Chrome

from mechprobe.analyses.studies.positional_semantic import patterns, tables, words
from mechprobe.analyses.studies.positional_semantic.contents import (
    Demand,
    Kept,
    Model,
    PositionalSemantic,
    Published,
    Ranges,
    Setting,
    Shares,
    Spread,
    Start,
)
from mechprobe.analyses.studies.positional_semantic.page import render, write_page, write_picture
from tests.accessible import violations

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}&amp;"
PAPER = "https://arxiv.org/abs/2402.03902"  # a link, which loads nothing by itself
EXAMPLES = [[1, 1, 2, 1], [14, 13, 12, 11]]
KINDS: dict[Start, str] = {
    "only_pos": "positional",
    "only_sem": "semantic",
    "both": "mixed",
}
SHARES = {"only_pos": (1.0, 0.0, 0.0), "only_sem": (0.0, 1.0, 0.0), "both": (0.436, 0.52, 0.044)}


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


def matrices(start: Start) -> list[list[list[float]]]:
    """Attention as each solution has it."""
    found = []
    for tokens in np.array(EXAMPLES):
        same = np.eye(len(tokens)) if start == "only_pos" else tokens[:, None] == tokens
        weight = 1.0 + 6 * same
        found.append((weight / weight.sum(1, keepdims=True)).tolist())
    return found


def model(start: Start, seed: int = 0, freed: bool = False, **changes: object) -> Model:
    """A model that is what it should be, but for the changes."""
    positional, semantic, cross = SHARES[start]
    fields: dict[str, object] = {
        "name": f"{start}_{seed}{'_freed' if freed else ''}",
        "start": start,
        "seed": seed,
        "freed": freed,
        "epochs": 30 if freed else 100,
        "accuracy": 0.999 + 0.0001 * seed,
        "moved": (0.5 if freed else 160.0) + 0.1 * seed,
        "noise": 0.18 if freed else None,
        "shares": Shares(
            positional=positional, semantic=semantic, cross=cross,
            key_position=0.01 * positional, key_token=0.1 * semantic,
        ),
        "m_like": 2 * positional,
        "theta_like": 1.5 * semantic,
        "position_identity": -0.999 if positional else None,
        "token_identity": 0.98 if semantic else None,
        "kept": Kept(
            everything=0.99, positional=0.5 + positional / 2, semantic=0.5 + semantic / 2,
            neither=0.5, chance=0.43,
        ),
        "attention": KINDS[start],
        "agreement": 1.0,
        "verdict": f"{KINDS[start]} attention, relation-based counting",
        "patterns": matrices(start),
    }  # fmt: skip
    return Model.model_validate(fields | changes)


def study(*models: Model, seeds: int = 2, **changes: object) -> PositionalSemantic:
    """A study of these models, or of the usual ones."""
    usual = [
        model(s, i, f)
        for s in ("only_pos", "only_sem")
        for i in range(seeds)
        for f in (False, True)
    ]
    usual += [model("both", i) for i in range(seeds)]
    known = Published(
        accuracy=Spread(mean=0.9988, sd=0.0004, runs=10),
        from_start=Spread(mean=158.9, sd=4.4, runs=10),
        freed=Spread(mean=0.612, sd=0.126, runs=10),
        epochs=(200, 100),
    )
    fields: dict[str, object] = {
        "title": "Two ways",
        "command": "python -m x",
        "seed": 0,
        "versions": {"numpy": "2.0.0"},
        "quick": False,
        "budget": [Setting(name="Epochs", here="100", published="200")],
        "examples": EXAMPLES,
        "models": list(models) or usual,
        "published": {"only_pos": known},
        "ranges": Ranges(positional=(42, 45), semantic=(50, 54)),
        "demands": [
            Demand(name="labels", found="8 of 8", met=True),
            Demand(name="accuracy", found="99.7 %", met=False),
            Demand(name="shares", found="1 of 2", met=None),
        ],
    }
    return PositionalSemantic.model_validate(fields | changes)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_every_part_is_there_with_its_words() -> None:
    page = Page(render(study()))
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 5
    names = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    targets = {attributes["href"] or "" for tag, attributes in page.tags if tag == "a"}
    links = {target[1:] for target in targets - {PAPER}}
    assert len(names) == len(set(names))
    assert links <= set(names)
    assert {
        "accuracy",
        "positional",
        "semantic",
        "free",
        "sources",
        "kept",
        "distance",
        "labels",
    } <= links
    missed = [attributes for _, attributes in page.tags if attributes.get("class") == "missed"]
    assert len(missed) == 1
    assert all((attributes["alt"] or "").strip() for tag, attributes in page.tags if tag == "img")


def test_hostile_strings_stay_text() -> None:
    bad = model("only_sem", name=HOSTILE, verdict=HOSTILE)
    html = render(
        study(
            bad, model("only_sem", freed=True, name=HOSTILE),
            title=HOSTILE, command=HOSTILE, versions={HOSTILE: HOSTILE}, problems=[HOSTILE],
            budget=[Setting(name=HOSTILE, here=HOSTILE, published=HOSTILE)],
            demands=[Demand(name=HOSTILE, found=HOSTILE, met=True)],
        )
    )  # fmt: skip
    page = Page(html)
    assert not any(tag == "script" for tag, _ in page.tags)
    assert all((found["src"] or "").startswith("data:") for tag, found in page.tags if tag == "img")
    assert not any(name.startswith("on") for _, found in page.tags for name in found)
    assert "<script>alert" not in html
    assert "49&amp;" not in html
    assert page.text.count("<script>alert(1)</script>") >= 10


def test_nothing_is_fetched_and_no_script_may_act() -> None:
    html = render(study(seeds=1))
    page = Page(html)
    for _, attributes in page.tags:
        assert "style" not in attributes
        for name in ("src", "href", "srcset", "data", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:", PAPER))
    policy = next(found["content"] for _, found in page.tags if "http-equiv" in found) or ""
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "url(" not in html
    assert "@import" not in html
    assert not re.search(r">\s*(nan|None)\s*<", html)


def test_words_follow_the_numbers() -> None:
    one = study()
    assert [plain(text) for text in words.accuracy(one)] == [
        "only_pos models: 99.91 % (sd 0.01 %, 2 runs); published 99.88 % (sd 0.04 %, 10 runs).",
        "only_pos after unfreezing: 99.91 % (sd 0.01 %, 2 runs).",
        "only_sem models: 99.91 % (sd 0.01 %, 2 runs).",
        "only_sem after unfreezing: 99.91 % (sd 0.01 %, 2 runs).",
        "Free models: 99.91 % (sd 0.01 %, 2 runs); the paper gives no number.",
    ]
    assert words.labels(one) == ["All 8 labels are right: both solutions are told apart and stay."]
    assert plain(words.distances(one)[0]) == (
        "only_pos models move by 160 (sd 0.0707) from initialisation to the solution and by 0.550"
        " (sd 0.0707) after unfreezing, 0.3 % of it (the noise before that: 0.180); published 159"
        " (sd 4.40) and 0.612 (sd 0.126)."
    )
    assert (
        "trained for 100 epochs and for 30 after unfreezing, theirs for 200 and 100"
        in (words.distances(one)[-1])
    )
    assert "Positions repel themselves: cosine with the identity −0.999." in words.sources(one)[-1]
    assert "2 mixed" in words.free(one)[0]
    assert "2 of 2 are within" in words.free(one)[1]


def test_a_solution_that_turns_is_named() -> None:
    one = study(model("only_sem"), model("only_sem", freed=True, attention="mixed"))
    assert words.labels(one) == [
        "1 of 1 labels are right before unfreezing, 0 of 1 after.",
        "only_sem_0_freed turns from semantic to mixed.",
    ]
    assert [row[3] for row in tables.labels(one).rows] == ["yes", "NO"]
    assert words.free(one) == ["No free models were trained."]


def test_one_model_of_a_kind_is_spoken_of_as_one() -> None:
    says = [plain(text) for text in words.free(study(seeds=1))]
    assert says == [
        "The one model trained from scratch with everything free is mixed in the end"
        " (mixed attention, relation-based counting).",
        "Its shares are 43.6 % positional and 52.0 % semantic; expected are 42 to 45 % and"
        " 50 to 54 %. In whole per cent they are within.",
    ]


def test_patterns_are_read_by_tokens() -> None:
    positional = words.weights(model("only_pos"), EXAMPLES)
    assert positional.own == pytest.approx(7 / 10)
    assert positional.equal == pytest.approx(1 / 10)
    assert positional.other == pytest.approx(1 / 10)
    assert positional.change == pytest.approx(0)
    semantic = words.weights(model("only_sem"), EXAMPLES)
    assert semantic.equal is not None
    assert semantic.other is not None
    assert semantic.equal > 2 * semantic.other
    assert "Whatever the tokens" in words.pattern(study(), "only_pos")[0]
    assert "depends on the tokens" in words.pattern(study(), "only_sem")[0]


@pytest.mark.parametrize(
    ("positional", "semantic", "holds"),
    [(0.42, 0.54, True), (0.4151, 0.5449, True), (0.41, 0.52, False), (0.44, 0.55, False),
     (None, None, False)],
)  # fmt: skip
def test_ranges_are_in_whole_per_cent(positional, semantic, holds) -> None:
    shares = Shares(
        positional=positional, semantic=semantic, cross=None, key_position=None, key_token=None
    )
    assert Ranges(positional=(42, 45), semantic=(50, 54)).hold(shares) is holds


def test_frames_enclose_equal_tokens() -> None:
    """The borders of one cell, and of two that touch: no line between them."""
    cells = np.zeros((3, 3), dtype=bool)
    cells[1, 1] = True
    assert sorted(sorted(line) for line in patterns.borders(cells)) == [
        [(0.5, 0.5), (0.5, 1.5)], [(0.5, 0.5), (1.5, 0.5)],
        [(0.5, 1.5), (1.5, 1.5)], [(1.5, 0.5), (1.5, 1.5)],
    ]  # fmt: skip
    cells[1, 2] = True
    lines = patterns.borders(cells)
    assert len(lines) == 6
    assert [(1.5, 0.5), (1.5, 1.5)] not in lines


def test_sequences_are_spelt() -> None:
    assert patterns.spelt([1, 1, 2, 14]) == "BBCO"
    assert patterns.spelt([0, 30]) == "A 30"


def test_page_and_picture_are_two_small_files(tmp_path: Path) -> None:
    page = write_page(study(), tmp_path / "page.html")
    picture = write_picture(study(seeds=1), tmp_path / "page.png")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert page.stat().st_size < 700_000
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["page.html", "page.png"]


def test_the_page_is_accessible(browser: Chrome, tmp_path: Path) -> None:
    assert violations(browser, write_page(study(), tmp_path / "page.html")) == []
