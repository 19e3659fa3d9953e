"""Reports of tasks that this package does not know: with a reading from outside, and without."""

import html
import re
from collections.abc import Callable, Iterator

import pytest

from mechprobe.models import MechprobeError
from mechprobe.probes.axes import Axis, Column, Item, Kind, Performance
from mechprobe.probes.reading import READINGS, TaskReading, task_reading
from mechprobe.probes.results import AxisLabel, MechanismLabel, Metric, ModelResult, RunInfo
from mechprobe.reports import render
from mechprobe.reports.colours import DARK, LIGHT, ink
from mechprobe.reports.sections import sections

Make = Callable[..., ModelResult]
HOSTILE = "<b onload=x>\"'&{{ 7 * 7 }}"

PARITY = Axis(
    "parity", "Mechanism", {"by halves": Kind("Halves it.", "parity by halves", "#123456")}
)
DEPTH = Axis("depth", "Depth", {"early": Kind("In an early block.", "early", "#fedcba")})
NOISE = Axis("noise", "Noise", {"low": Kind(f"Says {HOSTILE}.", "low noise", "#00aa00")})
LOSS = Column("Loss", lambda label: label.number("loss"), "number")


@pytest.fixture
def outside() -> Iterator[type[TaskReading]]:
    """A reading with three axes, registered for one test."""
    with READINGS.isolated():

        @task_reading("parity")
        class Parity(TaskReading):
            """Of models that tell even from odd."""

            title = "Models of parity"
            axes = (PARITY, DEPTH, NOISE)
            columns = (
                Column("Mechanism", lambda label: label.kind("parity")),
                Column("Depth", lambda label: label.kind("depth")),
                Column("Sure", lambda label: label.certainty, "confidence"),
                Column("Halvings", lambda label: label.number("halvings"), "number"),
                LOSS,
            )
            sizes = {"T": "letters"}
            decided = {"parity": "It is decided by halving."}
            item = "letter"
            performance = Performance(LOSS, higher_is_better=False)

            def context(self, model, task, seed):
                raise NotImplementedError

            def label(self, context):
                raise NotImplementedError

            def rule_version(self):
                return "1"

            def subjects(self):
                yield from ()

            def items(self, label):
                return [Item("odd", "O", "stands alone", "#d55e00")] * 2

        yield Parity


def parity(make: Make, name: str, task: str, depth: str = "early") -> ModelResult:
    """A result of three axes, with hostile words where a plug-in may put some."""

    def number(value: float) -> Metric:
        return Metric(value=value, unit="1", low=None, high=None, description=HOSTILE)

    axes = [
        PARITY.labelled("by halves", confidence=0.98, agreement=1.0, details={HOSTILE: [HOSTILE]}),
        AxisLabel(name="depth", kind=depth, words=f"depth {depth}", confidence=0.4, agreement=0.5),
        NOISE.labelled("low", reason=HOSTILE),
    ]
    evidence = {"loss": number(0.25), "halvings": number(3)}
    label = MechanismLabel(axes=axes, reasons=[], evidence=evidence, seed=0)
    return make(name, probes=()).model_copy(update={"task": {"name": task}, "label": label})


def words(page: str) -> str:
    """The text of a page, blanks of all kinds made plain."""
    text = re.sub(r"<[^>]*>", " ", page.split("</style>")[1].split("<script>")[0])
    return " ".join(html.unescape(text).split())


def test_a_reading_from_outside_is_all_that_a_report_needs(
    outside: type[TaskReading], info: RunInfo, model_result: Make
) -> None:
    models = [parity(model_result, "one", "parity"), parity(model_result, "two", "parity", HOSTILE)]
    page = render(info, [model_result("counter", probes=()), *models])
    text = words(page)
    assert "Models of parity: 2 × by halves" in text
    assert "Mechanism Depth Sure Halvings Loss Architecture T L d p" in text
    assert "T: letters." in text
    assert "It is decided by halving. by halves Halves it. early In an early block." in text
    assert "Verdict: low noise, depth early, parity by halves" in text
    assert "In an early block. Halves it." in text
    assert (
        "Confidence 98 % that the mechanism is by halves, 40 % that the depth is early; 100 % of"
        " the bootstrap replicates give the same mechanism, 50 % the same depth. Halvings: 3."
        in text
    )
    assert "loss 0.250" in text
    assert "Letters" in text
    assert "O 2 odd: stands alone" in text
    assert '<span class="chip c-123456" title="Halves it.">by halves</span>' in page
    assert '<span class="chip line c-fedcba"' in page
    assert ".c-123456 { --fill: #123456; --ink: #ffffff; }" in page
    assert ".c-d55e00 { --fill: #d55e00; --ink: #111111; }" in page
    assert "<b onload" not in page
    assert "49&" not in page


def test_a_task_without_reading_speaks_for_itself(info: RunInfo, model_result: Make) -> None:
    """In the label's own words, one column an axis, in a neutral colour."""
    models = [parity(model_result, "one", HOSTILE), parity(model_result, "two", HOSTILE, HOSTILE)]
    page = render(info, models)
    text = words(page)
    assert "2 models 2 × by halves" in text
    assert "Parity Depth Noise Confidence Architecture" in text
    assert "what their labels mean is not known here" in text
    assert "Verdict: low noise, depth early, parity by halves" in text
    assert "More on parity" in text
    assert '<span class="chip c-5f6770">by halves</span>' in page
    assert "<b onload" not in page
    assert "49&" not in page
    assert text.count("<b onload=x>") >= 8


def test_tasks_have_a_table_each_and_models_keep_their_place(
    info: RunInfo, model_result: Make
) -> None:
    models = [parity(model_result, "one", "parity"), model_result("two", 1, probes=())]
    assert [section.result.name for section in sections(models, {})] == ["one", "two"]
    text = words(render(info, models))
    # Tasks with a reading come first.
    assert "Models that count: 1 × inventory-based Models of the task parity: 1 ×" in text


@pytest.mark.parametrize(
    ("colour", "text"),
    [
        ("#0072b2", LIGHT),
        ("#e69f00", DARK),
        ("#cc79a7", DARK),
        ("#5f6770", LIGHT),
        ("#FFFFFF", DARK),
        ("#000000", LIGHT),
    ],
)
def test_text_stands_out_against_its_colour(colour: str, text: str) -> None:
    assert ink(colour) == text


@pytest.mark.parametrize("colour", ["red", "#fff", "#12345g", "#123456; } body { color: red"])
def test_other_colours_are_refused(colour: str) -> None:
    with pytest.raises(MechprobeError, match=r"colour .*has to be like"):
        Kind("a meaning", "words", colour)
    with pytest.raises(MechprobeError, match=r"colour .*has to be like"):
        Item("kind", "K", "a meaning", colour)
