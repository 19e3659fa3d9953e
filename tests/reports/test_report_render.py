"""The page as text: nothing escapes into it, nothing is fetched, nothing missing breaks it."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mechprobe.models.base.errors import MechprobeError
from mechprobe.probes.registry import Probe
from mechprobe.probes.results import Metric, ModelResult, ProbeResult, RunInfo
from mechprobe.probes.runs import save_result, save_run
from mechprobe.reports import render, write_report

Make = Callable[..., ModelResult]

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}&amp;"


class Page(HTMLParser):
    """Tags with their attributes, and the text of each element kind."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


@pytest.fixture
def hostile_model(
    metric: Callable[..., Metric],
    probe_result: Callable[..., ProbeResult],
    model_result: Callable[..., ModelResult],
) -> ModelResult:
    """A model that carries the hostile string wherever a string may stand."""
    found = probe_result("test-heat", words=HOSTILE)
    found.metrics = {HOSTILE: metric(1.0, HOSTILE, unit=HOSTILE)}
    found.provenance.package = HOSTILE
    found.provenance.version = HOSTILE
    found.provenance.parameters = {HOSTILE: HOSTILE}
    unknown = probe_result("test-heat")
    unknown.probe = HOSTILE
    model = model_result("plain")
    label = model.label.model_copy(
        update={"reasons": [HOSTILE], "evidence": {HOSTILE: metric(2.0, HOSTILE)}}
    )
    return model.model_copy(
        update={
            "name": HOSTILE,
            "path": HOSTILE,
            "family": HOSTILE,
            "architecture": HOSTILE,
            "model_hash": HOSTILE,
            "task": {HOSTILE: HOSTILE},
            "meta": {HOSTILE: {"deep": [HOSTILE]}},
            "label": label,
            "probes": [found, unknown, probe_result("test-broken")],
        }
    )


def test_hostile_strings_stay_text(
    hostile_model: ModelResult, test_probes: dict[str, Probe]
) -> None:
    info = RunInfo(
        title=HOSTILE, command=HOSTILE, seed=0, versions={HOSTILE: HOSTILE}, notes=[HOSTILE]
    )
    html = render(info, [hostile_model])
    page = Page(html)
    assert len(page.all("script")) == 1
    assert [image["alt"] for image in page.all("img")] == [f"test-heat of {HOSTILE}: {HOSTILE}"]
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert "<script>alert" not in html
    assert "49&amp;" not in html
    # Everywhere it was put it can be read, word for word.
    assert page.text.count("<script>alert(1)</script>") >= 20


def test_only_our_script_and_style_may_act(
    info: RunInfo, model_result: Make, test_probes: dict[str, Probe]
) -> None:
    page = Page(render(info, [model_result("one")]))
    policy = next(m["content"] for m in page.all("meta") if "http-equiv" in m) or ""
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == 2
    assert not any("style" in attributes for _, attributes in page.tags)


def test_nothing_is_fetched(
    info: RunInfo, model_result: Make, test_probes: dict[str, Probe]
) -> None:
    html = render(info, [model_result("one"), model_result("two", 1)])
    page = Page(html)
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "action"):
            # A link loads nothing until it is followed; the only ones are to papers.
            known = ("#", "data:", "https://arxiv.org/abs/2")
            assert (attributes.get(name) or "#").startswith(known)
            assert name == "href" or not (attributes.get(name) or "").startswith("https:")
    assert "url(" not in html
    assert "@import" not in html


def test_missing_numbers_are_a_dash(
    info: RunInfo, model_result: Make, test_probes: dict[str, Probe]
) -> None:
    model = model_result("one", index=3)
    model.sizes = {"T": 16}
    html = render(info, [model])
    assert model.label.counters is None
    assert 'data-sort="">–</td>' in html
    assert re.search(r'>gap</th><td class="n">–</td>', html)
    assert re.search(r'>lost</th><td class="n">–</td>', html)
    assert not re.search(r">\s*(nan|None)\s*<", html)


def test_unknown_probe_leaves_a_note(
    info: RunInfo, model_result: Make, test_probes: dict[str, Probe]
) -> None:
    page = Page(render(info, [model_result("one", probes=("not-here", "test-heat"))]))
    note = "No figure: the probe not-here is not installed here (it came from elsewhere 1.2)."
    assert note in page.text
    assert len(page.all("img")) == 1


def test_failed_figure_leaves_a_note(
    info: RunInfo, model_result: Make, test_probes: dict[str, Probe]
) -> None:
    page = Page(render(info, [model_result("one", probes=("test-broken", "test-heat"))]))
    assert "No figure: drawing it failed: ValueError: no such array <script>" in page.text
    assert len(page.all("img")) == 1


def test_a_probe_without_figure_needs_no_note(
    info: RunInfo, model_result: Make, test_probes: dict[str, Probe]
) -> None:
    test_probes["test-heat"].draw = None
    page = Page(render(info, [model_result("one", probes=("test-heat",))]))
    assert "No figure" not in page.text
    assert page.all("img") == []


def test_images_say_what_they_show(
    info: RunInfo, model_result: Make, test_probes: dict[str, Probe]
) -> None:
    page = Page(render(info, [model_result("one")]))
    first = page.all("img")[0]
    assert first["alt"] == "test-heat of one: It is so."
    assert int(first["width"] or 0) > 200
    assert int(first["height"] or 0) > 200


def test_same_names_get_sections_of_their_own(
    info: RunInfo, model_result: Make, test_probes: dict[str, Probe]
) -> None:
    page = Page(render(info, [model_result("a b", probes=()), model_result("a+b", 1, probes=())]))
    names = [a["id"] for _, a in page.tags if a.get("id")]
    assert len(names) == len(set(names))
    links = {href[1:] for a in page.all("a") if (href := a["href"] or "").startswith("#")}
    assert {"model-a-b", "model-a-b-2"} <= links <= set(names)


def test_counts_and_reproduction(
    info: RunInfo, model_result: Make, test_probes: dict[str, Probe]
) -> None:
    text = Page(render(info, [model_result(f"m{i}", i) for i in range(5)])).text
    assert "5 models 2 × relation-based 1 × inventory-based 1 × mixed" in text
    for wanted in (info.command, "numpy", "2.0.0", f"{4:064x}", *info.notes):
        assert wanted in text


def test_every_section_says_the_verdict_and_what_it_means(
    info: RunInfo, model_result: Make, test_probes: dict[str, Probe]
) -> None:
    text = Page(render(info, [model_result(f"m{i}", i, probes=()) for i in (0, 3)])).text
    assert "Verdict: semantic attention, relation-based counting" in text
    assert "Where attention goes depends on which tokens stand there. The count lies along" in text
    assert "Verdict: uninformed attention, counting unsolved" in text


def test_a_large_run_stays_small(
    info: RunInfo, model_result: Make, test_probes: dict[str, Probe]
) -> None:
    html = render(info, [model_result("one", probes=("test-heat", "test-lines") * 6)])
    assert len(html.encode()) < 10_000_000 / 31


def test_write_report(
    tmp_path: Path, info: RunInfo, model_result: Make, test_probes: dict[str, Probe]
) -> None:
    save_run(tmp_path, info)
    with pytest.raises(MechprobeError, match="no results"):
        write_report(tmp_path)
    save_result(tmp_path, model_result("one"))
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert write_report(tmp_path) == path
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "results", "run.json"]
