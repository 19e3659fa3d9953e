"""What a report can be asked for: models, probes, a compact form, sections of one's own."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from mechprobe.models.base.errors import MechprobeError
from mechprobe.probes.registry import Probe
from mechprobe.probes.results import ModelResult, RunInfo
from mechprobe.probes.runs import save_result, save_run
from mechprobe.reports import Report, glossary, render, write_report
from mechprobe.reports.sections import most_doubtful, sections
from tests.reports.test_report_render import HOSTILE, Page

Make = Callable[..., ModelResult]
COMPACT_MODEL = 60_000  # bytes of a model in the compact form


@pytest.fixture
def run(tmp_path: Path, info: RunInfo, model_result: Make, test_probes: dict[str, Probe]) -> Path:
    """A folder with three models."""
    save_run(tmp_path, info)
    for i, name in enumerate(("bos-1", "bos-2", "dot-1")):
        save_result(tmp_path, model_result(name, i))
    return tmp_path


def test_models_and_probes_can_be_chosen(run: Path) -> None:
    page = Page(write_report(run, models=["bos*"], probes=["test-heat"]).read_text())
    assert "2 models" in page.text
    assert "dot-1" not in page.text
    assert "test-lines" not in page.text
    assert len(page.all("img")) == 2
    for wanted, says in (
        ({"models": ["bos-3"]}, "no model 'bos-3' in this run; did you mean 'bos-"),
        ({"probes": ["x", "test-heat"]}, "no probe 'x' in this run; choose from test-heat, test-l"),
    ):
        with pytest.raises(MechprobeError, match=says):
            write_report(run, **wanted)


def test_the_compact_form_is_small_and_says_as_much(
    info: RunInfo, model_result: Make, test_probes: dict[str, Probe]
) -> None:
    def made(count: int) -> str:
        models = [model_result(f"m{i}", i, ("test-heat", "test-lines") * 8) for i in range(count)]
        return render(info, models, compact=True)

    one, three = made(1), made(3)
    page = Page(three)
    assert len(three.encode()) - len(one.encode()) < 2 * COMPACT_MODEL
    assert 3 <= len(page.all("img")) < 3 * 16
    assert page.text.count("Its figure is in the full report.") + len(page.all("img")) == 3 * 16
    # Every number is there, and what it means is said once a probe.
    assert three.count('<th scope="row">slope</th><td class="n">0.970</td>') == 3 * 16
    assert page.text.count("slope of the answer (≥ 0)") == 2  # of two probes
    assert "Meaning" not in page.text


def test_figures_that_say_most_come_first(
    info: RunInfo,
    model_result: Make,
    test_probes: dict[str, Probe],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mechprobe.probes.counting.reading import Counting

    monkeypatch.setattr(Counting, "leading", ("test-lines",))
    probes = (*["test-heat"] * 8, "test-lines")
    page = Page(render(info, [model_result("m", probes=probes)], compact=True))
    drawn = [str(image["alt"]).split(" ")[0] for image in page.all("img")]
    assert drawn.count("test-lines") == 1
    assert len(drawn) < len(probes)


def test_the_most_doubtful_model_is_open(
    info: RunInfo, model_result: Make, test_probes: dict[str, Probe]
) -> None:
    """Confidences are 0.60, 0.52, 0.54: the second is open, wherever it stands."""
    models = [model_result(name, i, probes=()) for name, i in (("a", 5), ("b", 1), ("c", 2))]
    assert most_doubtful(sections(models, {})).result.name == "b"
    page = Page(render(info, models))
    opened = [a["id"] for a in page.all("details") if "open" in a]
    assert opened == ["model-b"]
    assert "Open is b, whose label is the least sure." in page.text
    none = [m.model_copy(deep=True) for m in models]
    for model in none:
        for axis in model.label.axes:
            axis.confidence = None
    assert most_doubtful(sections(none, {})).result.name == "a"
    assert "the least sure" not in Page(render(info, none)).text


def test_a_confidence_says_of_what(info: RunInfo, model_result: Make) -> None:
    text = Page(render(info, [model_result("m", 2, probes=())])).text.replace("\u00a0", " ")
    assert "Confidence 54 % that the mechanism is mixed; 90 % of the bootstrap" in text


def test_what_is_beyond_the_calibration_is_said_where_it_is(
    info: RunInfo, model_result: Make
) -> None:
    inside, outside = model_result("one", probes=()), model_result("two", probes=())
    outside.label.reasons.append("beyond: 2 blocks; the confidence was calibrated on models of one")
    page = render(info, [inside, outside])
    said = "Beyond the models that the confidence was calibrated on: 2 blocks;"
    assert page.count(said) == 1
    assert page.index('id="model-two"') < page.index(said)
    assert "<li>beyond" not in page


def test_no_path_of_the_machine_is_told(
    info: RunInfo, model_result: Make, test_probes: dict[str, Probe]
) -> None:
    model = model_result("m")
    home = "/home/lovelace/secret"
    model.path, model.meta = f"{home}/m", {"data": f"{home}/d.pt", "all": [f"{home}/e"]}
    model.problems = [f"{home}/probe.py failed"]
    model.probes[0].provenance.parameters = {"file": f"{home}/f"}
    told = info.model_copy(update={"command": f"mechprobe run --out {home}/x", "notes": [home]})
    html = render(told, [model])
    assert "lovelace" not in html
    assert "mechprobe run --out …/x" in html


def test_sections_of_ones_own(run: Path) -> None:
    report = Report(run)
    figure = Figure(figsize=(2, 2))
    figure.subplots().plot([0, 1])
    report.add_figure(figure, f"Loss {HOSTILE}", says=f"One.\n\nTwo {HOSTILE}.", tags=["more"])
    rows = pd.DataFrame({"name": ["a", HOSTILE], "loss": [0.12345, None], "n": [3, 4]})
    report.add_table(rows, "Losses", tags=[HOSTILE])
    report.add_table([{"x": True, "y": None}], "Flags")
    report.add_html("<p>as <em>it</em> is</p><script>alert(1)</script>", "Trusted")
    report.tag("bos-1", "odd", HOSTILE)
    path = report.save(run / "other.html")
    html = path.read_text()
    page = Page(html)
    assert path.name == "other.html"
    assert [a["id"] for a in page.all("section") if str(a.get("id")).startswith("own")] == [
        "own-1", "own-2", "own-3", "own-4",
    ]  # fmt: skip
    assert '<th scope="row">a</th><td>0.123</td><td>3</td>' in html
    assert '<th scope="row">True</th><td>–</td>' in html
    assert "<p>as <em>it</em> is</p>" in html
    # What is trusted is put in, and still may not act: the policy allows one script, by its hash.
    assert len(page.all("script")) == 2
    assert html.count("<script>alert(1)") == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    tags = [json.loads(str(a["data-tags"])) for a in page.all("tr") if "data-tags" in a]
    assert tags == [["fabricated", "odd", HOSTILE], ["fabricated"], ["fabricated"]]
    with pytest.raises(MechprobeError, match="no model 'bos-3' in it; did you mean"):
        report.tag("bos-3", "x")
    with pytest.raises(MechprobeError, match="'Empty' has no columns"):
        report.add_table([], "Empty")
    broken = Figure()
    broken.subplots().set_title("$\\nonsense{$")
    with pytest.raises(MechprobeError, match="'Broken' cannot be drawn"):
        report.add_figure(broken, "Broken")


def test_probes_and_terms_lead_to_their_pages(
    info: RunInfo,
    model_result: Make,
    test_probes: dict[str, Probe],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = Page(render(info, [model_result("m")]))
    links = [a["href"] for a in page.all("a")]
    names = {a["id"] for _, a in page.tags if a.get("id")}
    assert {"#probe-test-heat", "#probe-test-lines", "#label-evidence"} <= set(links)
    assert {str(link)[1:] for link in links if str(link).startswith("#")} <= names
    assert "https://arxiv.org/abs/2407.11542" in links
    assert not any("readthedocs" in str(link) for link in links)

    class Links:
        def get_all(self, name: str) -> list[str]:
            return ["Source, https://x.org", "Documentation, https://x.readthedocs.io/"]

    monkeypatch.setattr(glossary, "metadata", lambda package: Links())
    links = [a["href"] for a in Page(render(info, [model_result("m")])).all("a")]
    assert "https://x.readthedocs.io" in links
    monkeypatch.undo()
    assert glossary.documentation("no-such-package") == ""
