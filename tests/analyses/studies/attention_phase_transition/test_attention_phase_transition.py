"""The attention study, really small, through its command; and its parts on made-up numbers."""

import json
import math
import re
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from mechprobe.analyses.common.resume import FOLDER
from mechprobe.analyses.studies.attention_phase_transition import planes, runs, words
from mechprobe.analyses.studies.attention_phase_transition import work as command
from mechprobe.analyses.studies.attention_phase_transition.comparison import (
    compare,
    line,
    nearest,
    statistics,
)
from mechprobe.analyses.studies.attention_phase_transition.contents import PhaseTransition
from mechprobe.analyses.studies.attention_phase_transition.curves import means
from mechprobe.analyses.studies.attention_phase_transition.experiments import (
    MinimaJob,
    ending,
    generator_of,
)
from mechprobe.analyses.studies.attention_phase_transition.page import render
from mechprobe.analyses.studies.attention_phase_transition.plan import (
    FULL,
    MIXINGS,
    PUBLISHED_ALPHAS,
    QUICK,
    Plan,
    jobs,
)
from mechprobe.analyses.studies.attention_phase_transition.published import published
from mechprobe.analyses.studies.attention_phase_transition.results import (
    Minima,
    Minimum,
    Number,
    TheoryPair,
    TheoryPoint,
    TransitionLine,
)
from mechprobe.analyses.studies.attention_phase_transition.tables import with_error
from mechprobe.models.base.errors import MechprobeError
from mechprobe.reports import parts
from mechprobe.reports.figures import Image, to_data_uri
from tests.accessible import violations
from tests.analyses.shell import mechprobe

TINY = Plan(
    d=64,
    seeds=2,
    alphas=(PUBLISHED_ALPHAS[7], PUBLISHED_ALPHAS[23]),
    curve_alphas=(1.2, 1.3),
    log2_points=9,
    plane_points=8,
    plane_alphas=(1.0, 2.0),
    plane_omegas=(0.3, 0.4),
    line_omegas=(),
    line_points=0,
    scaling=((32, 3), (64, 3)),
    other_omegas=(0.15,),
    other_alphas=(2.0,),
    other_curve=(1.0,),
    other_seeds=1,
    paths_d=64,
    paths_alphas=(1.2, 2.0),
    paths_data=1,
    paths_starts=3,
    paths_steps=60,
    stopped_alphas=(2.0,),
    stopped_data=1,
    stopped_steps=60,
    quick=True,
)
NAME = "attention-phase-transition"
ODD = "a&<b>b"  # a folder's name, and so a part of the command on the page
JOB = MinimaJob("first", MIXINGS["first"], 0.3, 2.0, 32, (0, 1), 5)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished tiny study."""
    folder = tmp_path_factory.mktemp("study") / ODD
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "QUICK", TINY)
        assert mechprobe("study", NAME, "--quick", "--out", folder).exit_code == 0
    return folder


@pytest.fixture
def result(tiny: Path) -> PhaseTransition:
    """What the tiny study found."""
    return PhaseTransition.model_validate_json((tiny / command.STUDY).read_bytes())


def test_the_page_has_its_parts_and_loads_nothing(tiny: Path) -> None:
    page = (tiny / command.PAGE).read_text(encoding="utf-8")
    for letter in "abcdef":
        assert f">({letter}) " in page
    assert page.count('<img src="data:image/webp;base64,') == 6
    assert len(re.findall(r"<img [^>]*alt=\"[^\"]{20,}", page)) == 6
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?!data:|#|https://arxiv.org/abs/)", page)
    assert "<script" not in page
    assert "α_c" in page
    words = re.sub(r"base64,[^\"]*", "", page)
    assert not re.search(r"\bnan\b", words, re.IGNORECASE)
    assert (tiny / command.PAGE).stat().st_size < 600_000


def test_the_page_is_accessible(browser: Chrome, tiny: Path) -> None:
    assert violations(browser, tiny / command.PAGE) == []


def test_what_is_put_in_is_escaped(
    tiny: Path, result: PhaseTransition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "to_data_uri", lambda *_: Image("data:,", 1, 1))
    page = (tiny / command.PAGE).read_text(encoding="utf-8")
    assert "<b>" not in page
    assert "a&amp;&lt;b&gt;b" in page
    evil = '<img src=x onerror="alert(1)">'
    poisoned = result.model_copy(
        update={"title": evil, "settings": {evil: evil}, "versions": {evil: evil}}
    )
    assert evil not in render(poisoned)


def test_a_second_run_makes_nothing_and_says_the_same(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "QUICK", TINY)
    stored = sorted((tiny / FOLDER).iterdir())
    before = {path: path.stat().st_mtime_ns for path in stored}
    page = (tiny / command.PAGE).read_text(encoding="utf-8")
    monkeypatch.setattr(parts, "to_data_uri", lambda *_: Image("data:,", 1, 1))
    said = mechprobe("study", NAME, "--quick", "--out", tiny).stdout
    assert {path: path.stat().st_mtime_ns for path in stored} == before
    again = (tiny / command.PAGE).read_text(encoding="utf-8")
    assert re.sub("<img [^>]*>", "", again) == re.sub("<img [^>]*>", "", page)
    (tiny / command.PAGE).write_text(page, encoding="utf-8")
    assert "ours: " in said
    assert "published: " in said


def test_a_figure_is_drawn_alike_again(tiny: Path, result: PhaseTransition) -> None:
    image = to_data_uri(runs.scaling(result), parts.BUDGET)
    assert image.uri in (tiny / command.PAGE).read_text(encoding="utf-8")


def test_data_sets_do_not_depend_on_how_they_are_batched() -> None:
    alone = MinimaJob("first", MIXINGS["first"], 0.3, 2.0, 32, (1,), 5).run().minima
    assert JOB.run().minima[2:] == alone
    draws = {generator_of(5, n, 32, 2.0).initial_seed() for n in range(20)}
    assert len(draws) == 20
    assert generator_of(1, 2).initial_seed() != generator_of(2, 1).initial_seed()


def test_minima_are_where_the_start_says(result: PhaseTransition) -> None:
    assert {(block.d, block.alpha) for block in result.minima} == {(64, a) for a in TINY.alphas}
    for block in [*result.minima, *result.scaling, *result.other_minima]:
        for minimum in block.minima:
            assert minimum.converged
            assert minimum.own >= 0
            assert minimum.stayed or minimum.end != minimum.start
            assert minimum.end == ending(minimum.m, minimum.theta, minimum.q, block.d)
    ends = [m.end for b in result.minima for m in b.minima if b.alpha == 2 == len(b.minima) / 2]
    assert ends[0] == "semantic"


def test_paths_begin_at_random_and_are_settled(result: PhaseTransition) -> None:
    assert len(result.paths) == 2 * len(TINY.scales)
    for block in result.paths:
        assert block.steps[0] == 0
        assert block.steps[-1] == TINY.paths_steps
        assert {path.end for path in block.paths} <= {"semantic", "positional", "neither"}


@pytest.mark.parametrize(
    ("m", "theta", "end"),
    [
        (0.25, 0.02, "positional"),
        (0.01, -0.6, "semantic"),
        (-0.2, 0.18, "mixed"),
        (0.01, 0.01, "neither"),
    ],
)
def test_ending(m: float, theta: float, end: str) -> None:
    assert ending(m, theta, 0.3, 1000) == end


def test_a_mixed_minimum_stays_where_its_own_overlap_leads() -> None:
    mixed = minimum(0.2, "mixed")
    assert mixed.stayed
    assert not mixed.model_copy(update={"m": -0.3}).stayed
    assert not minimum(0.2, "positional").stayed


def test_nothing_ends_nowhere() -> None:
    assert ending(0.0, 0.0, 0.0, 100) == "neither"


def number(value: float, error: float = 0.0) -> Number:
    return Number(value=value, error=error)


def point(m: float, theta: float, loss: float, test_error: float = 0.003) -> TheoryPoint:
    return TheoryPoint(
        m=number(m),
        theta=number(theta),
        q=number(0.3),
        loss=number(loss),
        test_error=number(test_error),
        stable=True,
    )


def pair(alpha: float, semantic: TheoryPoint | None, positional: TheoryPoint | None) -> TheoryPair:
    return TheoryPair(
        mixing="first",
        omega=0.3,
        alpha=alpha,
        semantic=semantic,
        positional=positional,
        linear=0.002,
        notes=[],
    )


def minimum(theta: float, end: str = "semantic") -> Minimum:
    return Minimum.model_validate(
        {
            "seed": 0,
            "start": "semantic",
            "end": end,
            "m": 0.01,
            "theta": theta,
            "q": 0.4,
            "loss": 0.0040,
            "test_error": 0.003,
            "linear_error": 0.002,
            "converged": True,
        }
    )


def test_means_are_of_those_that_stayed_and_the_rule_is_two_errors_and_two_per_cent() -> None:
    theory = pair(2.0, point(0, 0.6, 0.004), None)
    found = [minimum(0.60), minimum(0.64), minimum(0.1, "positional")]
    blocks = [Minima(mixing="first", omega=0.3, alpha=2.0, d=1000, minima=found)]
    overlap, loss, test_error = compare([theory], blocks, [], 24)
    assert overlap.mean == pytest.approx(0.62)
    assert (overlap.stayed, overlap.runs) == (2, 3)
    assert overlap.error == pytest.approx(0.02)
    assert overlap.z == pytest.approx(1.0)
    assert overlap.allowed == pytest.approx(2 * 0.02 + 0.02 * 0.6)
    assert overlap.passed is True
    # No spread, hence no z; 2 % of theory remain.
    assert (loss.z, loss.passed, test_error.passed) == (None, True, True)
    far = compare([pair(2.0, point(0, 0.9, 0.005), None)], blocks, [], 24)
    assert [c.passed for c in far] == [False, False, True]
    gone = compare([pair(2.0, None, None)], blocks, [], 24)
    assert [c.passed for c in gone] == [None, None, None]


def test_all_that_left_leaves_nothing_to_compare() -> None:
    blocks = [
        Minima(mixing="first", omega=0.3, alpha=2.0, d=9, minima=[minimum(0.1, "positional")])
    ]
    assert compare([pair(2.0, point(0, 0.6, 1), None)], blocks, [], 24) == []
    assert statistics([1.0]) == (1.0, None, None)


def test_published_rows_are_compared_at_the_theorys_alphas() -> None:
    rows = published()
    assert len(rows) == 50
    assert {row.start for row in rows} == {"semantic", "positional"}
    last = next(row for row in rows if row.alpha == 2 and row.start == "positional")
    assert last.loss == pytest.approx(4.584753759702047e-3)
    found = compare([pair(2.0, None, point(0.2575, 0, 0.0045))], [], rows, 24)
    assert [(c.branch, c.observable) for c in found if c.passed is not None] == [
        ("positional", "overlap"),
        ("positional", "loss"),
        ("positional", "test error"),
    ]
    assert {c.error is None for c in found if c.observable == "loss"} == {True}


def test_lines_are_read_between_the_points_of_a_grid() -> None:
    pairs = [
        pair(1.0, None, point(0.2, 0, 1.0)),
        pair(2.0, point(0, 0.3, 1.3, 0.0021), point(0.2, 0, 1.0)),
        pair(3.0, point(0, 0.5, 1.2, 0.0017), point(0.2, 0, 1.3)),
    ]
    found = line(pairs)
    assert found.alpha_c is not None
    assert found.alpha_c.value == pytest.approx(2.75)
    assert found.alpha_l is not None
    # The semantic branch beats the baseline from 2.25, but is the global minimum from 2.75 on.
    assert found.alpha_l.value == pytest.approx(2.75)
    assert line(pairs[:1]).alpha_c is None
    # Nobody knows how far off such a reading is, and nothing searched for it.
    assert found.alpha_c.error is None
    assert not found.searched


def test_what_is_read_off_a_curve_is_not_called_searched(
    result: PhaseTransition, tiny: Path
) -> None:
    """No invented "+- 0.0000", no white marks for it; a search says its error."""
    read = TransitionLine(
        omega=0.3, alpha_c=Number(value=1.25, error=None), alpha_l=None, notes=[], searched=False
    )
    here = result.model_copy(update={"here": read, "lines": []})
    assert "alpha_c: 1.2500 (read off the curve, error not known)" in command.summary(here)
    assert any("α_c = 1.25 (read off the curve" in text for text in words.transition(here))
    assert not any("white marks" in text for text in words.plane(here))
    labels = planes.phase_planes(here).axes[0].get_legend_handles_labels()[1]
    assert not any("searched" in label for label in labels)
    sought = read.model_copy(update={"alpha_c": number(1.2515, 0.0004), "searched": True})
    there = result.model_copy(update={"here": sought, "lines": []})
    assert "alpha_c: 1.2515 +- 0.0004" in command.summary(there)
    assert any("α_c = 1.25150 ± 0.00040:" in text for text in words.transition(there))
    assert any("white marks" in text for text in words.plane(there))
    labels = planes.phase_planes(there).axes[0].get_legend_handles_labels()[1]
    assert any("searched" in label for label in labels)


def test_the_error_of_one_run_is_not_known() -> None:
    blocks = [Minima(mixing="first", omega=0.3, alpha=2.0, d=9, minima=[minimum(0.6)])]
    [(alpha, mean, error)] = means(blocks, "semantic", "theta")
    assert (alpha, mean) == (2.0, 0.6)
    assert math.isnan(error)
    assert with_error(Number(value=0.6, error=None)) == "0.600"


def test_the_page_says_that_it_is_the_quick_one(result: PhaseTransition, tiny: Path) -> None:
    assert "This is the quick budget" in (tiny / command.PAGE).read_text(encoding="utf-8")
    assert (command.QUICK.quick, command.FULL.quick) == (True, False)
    assert "This is the quick budget" not in render(result.model_copy(update={"quick": False}))


def test_nearest_point_of_the_theory() -> None:
    theory = pair(2.0, point(0, 0.6, 1), point(0.25, 0, 1))
    assert nearest(-0.24, 0.05, theory) == "positional"
    assert nearest(0.02, -0.55, theory) == "semantic"
    assert nearest(0.05, 0.02, theory) == "neither"
    assert nearest(0.2, 0.3, theory) == "neither"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "0"], "'--seeds': 0 is not in the range"),
        (["--seed", "-1"], "'--seed': -1 is not in the range"),
    ],
)
def test_bad_options_are_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    left = mechprobe("study", NAME, "--out", tmp_path / "x", *arguments)
    assert left.exit_code == 2
    assert message in left.stderr
    assert left.stderr.count("\n") == 1


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    left = mechprobe("study", NAME, "--quick", "--out", tmp_path)
    assert left.exit_code == 2
    assert "holds other files and no study" in left.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_damaged_published_table_is_one_line(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("alpha,semantic_init\n0.1,True\n")
    with pytest.raises(MechprobeError, match="cannot be read"):
        published(table)


@pytest.mark.parametrize("plan", [FULL, QUICK])
def test_plans_hold_together(plan: Plan) -> None:
    """Every alpha of the dynamics and the experiments has its theory; no job is there twice."""
    wanted = jobs(plan, 0)
    alphas = {job.alpha for job in wanted.curve}
    assert {job.alpha for job in [*wanted.minima, *wanted.paths]} <= alphas
    blocks = [*wanted.minima, *wanted.scaling]
    numbers = [(job.d, job.alpha, number) for job in set(blocks) for number in job.numbers]
    assert len(numbers) >= len(set(numbers))
    assert sum(len(job.numbers) for job in wanted.minima) == plan.seeds * len(plan.alphas)
    assert json.dumps(sorted({job.weight > 0 for job in wanted.all()})) == "[true]"
