"""The documentation runs, its links lead somewhere, and it names what there is."""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from mechprobe.analyses.bench.methods.registry import METHODS
from mechprobe.analyses.studies import STUDIES
from mechprobe.models import CONSTRUCTIONS, construct
from mechprobe.models.checkpoints import FORMATS
from mechprobe.models.hooked import FAMILIES
from mechprobe.models.tasks import TASKS
from mechprobe.probes import MetricSpec, effects
from mechprobe.probes.counting import context, dynamics, transport
from mechprobe.probes.counting.causal import remove_shared
from mechprobe.probes.counting.label import attention, bootstrap, margin, range, rule
from mechprobe.probes.invariances import INVARIANCES
from mechprobe.probes.reading import READINGS
from mechprobe.probes.registry import PROBES
from mechprobe.probes.teacher import order

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(DOCS)))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language, blank lines in front so that line numbers are right."""
    text = page.read_text(encoding="utf-8")
    return [
        "\n" * text[: found.start(2)].count("\n") + found[2]
        for found in FENCE.finditer(text)
        if found[1] == language
    ]


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def span(spec: MetricSpec) -> str:
    """A metric's range in the words of the pages."""
    if spec.low is None:
        return "any" if spec.high is None else f"at most {spec.high:g}"
    return f"at least {spec.low:g}" if spec.high is None else f"{spec.low:g} to {spec.high:g}"


@pytest.fixture
def _own_registrations_only():
    """What an example registers is gone when it ends."""
    rooms = (PROBES, READINGS, FORMATS, TASKS, CONSTRUCTIONS, FAMILIES, STUDIES, METHODS)
    with ExitStack() as stack:
        for registry in rooms:
            stack.enter_context(registry.isolated())
        yield


def test_there_are_pages_with_examples():
    with_examples = {page.name for page in PAGES if blocks(page, "python")}
    assert {"index.md", "hooked_model.md", "constructions.md", "extending.md"} <= with_examples


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if blocks(page, "python")],
    ids=lambda p: str(p.relative_to(DOCS)),
)
@pytest.mark.usefixtures("_own_registrations_only")
def test_examples_run(page, monkeypatch, tmp_path):
    """All python blocks of a page, one after the other, in one namespace."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "documentation"}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), namespace)


@EVERY_PAGE
def test_links_between_pages_resolve(page):
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_probe_has_a_page_and_every_page_a_probe():
    own = {name for name, probe in PROBES.items() if probe.package.startswith("mechprobe")}
    assert {page.stem for page in (DOCS / "probes").glob("*.md")} == own


@pytest.mark.parametrize(("room", "registry"), [("tasks", READINGS), ("formats", FORMATS)])
def test_pages_of_a_room_are_named_after_what_is_there(room, registry):
    assert {page.stem for page in (DOCS / room).glob("*.md")} <= set(registry)


def test_every_task_with_labels_has_a_page():
    own = {name for name, found in READINGS.registered().items() if found.is_ours}
    assert {page.stem for page in (DOCS / "tasks").glob("*.md")} == own


def test_every_study_is_named_on_a_page():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for name, found in STUDIES.registered().items():
        if found.is_ours:
            assert f"mechprobe study {name}" in text or f"mechprobe {name}" in text, name


@pytest.mark.parametrize("page", sorted((DOCS / "probes").glob("*.md")), ids=lambda p: p.stem)
def test_a_probes_page_names_its_metrics_with_unit_and_range(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    probe = PROBES[page.stem]
    assert lines[0] == f"# {probe.name}"
    for name, spec in probe.specs.items():
        row = f"| `{name}` | {spec.unit} | {span(spec)} |"
        assert any(line.startswith(row) for line in lines), row
    for other in re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|", "\n".join(lines), re.MULTILINE):
        assert other in probe.specs


def test_every_construction_has_its_row():
    text = (DOCS / "constructions.md").read_text(encoding="utf-8")
    T, L = 16, 10
    for name, known in CONSTRUCTIONS.items():
        if known.plant is not None:
            continue
        row = re.search(rf"^\| `{re.escape(name)}` \|(.*)\|$", text, re.MULTILINE)
        assert row is not None, name
        cells = [cell.strip() for cell in row[1].split("|")]
        config = construct(name, T=T, L=L).config
        assert cells[0] == config.architecture
        assert cells[1] in {
            f"{config.d}",
            f"T{f'+{config.d - T}' if config.d > T else ''}",
            *(["below T", "below T, +1", "ceil(log2(T+1))+2"] if config.d < T else []),
        }
        assert cells[2] in {str(config.p), "T", "2T", "T+1", "groups"}
        assert cells[3].split(",")[0] == known.counting
        assert cells[4] == known.attention


def test_every_planted_model_has_its_row():
    text = (DOCS / "constructions.md").read_text(encoding="utf-8")
    for name, known in CONSTRUCTIONS.items():
        if known.plant is None:
            continue
        row = re.search(rf"^\| `{re.escape(name)}` \|(.*)\|$", text, re.MULTILINE)
        assert row is not None, name
        cells = [cell.strip() for cell in row[1].split("|")]
        assert cells[0] == " or ".join((known.counting, *known.plant.also))
        assert cells[1] == ("held out" if known.held_out else "tuned on")


def test_every_symmetry_is_named():
    text = (DOCS / "constructions.md").read_text(encoding="utf-8")
    for name in INVARIANCES:
        assert f"| `{name}` |" in text


def test_the_thresholds_are_those_of_the_rule():
    text = (DOCS / "mechanisms.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `([A-Z_]+)` \| ([\d.]+) \|", text, re.MULTILINE)
    stated = {name: float(value) for name, value in found}
    others = {
        "LEAST_SLOPE": transport.LEAST_SLOPE,
        "CUT": transport.CUT,
        "ABOVE_CHANCE": dynamics.ABOVE_CHANCE,
        "REPLICATES": bootstrap.REPLICATES,
        "CLUSTERED": bootstrap.CLUSTERED,
        "LOUD": remove_shared.LOUD,
        "PLACES": context.PLACES,
        "KEPT": attention.KEPT,
        "FAR": margin.FAR,
        "NEAR": range.NEAR,
        "CAUTIOUS": range.CAUTIOUS,
        "FEW": rule.FEW,
    }
    assert stated == others | {
        name: value
        for name, value in {**vars(effects), **vars(rule)}.items()
        if name.isupper() and isinstance(value, float)
    }
    assert order.REPLICATES == bootstrap.REPLICATES


PLACES = ("models/", "probes/", "reports/", "analyses/", "tests/", "docs/", "src/")


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *PAGES], ids=lambda p: str(p.relative_to(ROOT))
)
def test_paths_in_the_text_exist(page):
    """What stands in backticks and looks like a path of this repository is one; of a path with
    a placeholder, such as `docs/tasks/NAME.md`, the folders before it are there."""
    for path in re.findall(r"`([^`\s]+)`", FENCE.sub("", page.read_text(encoding="utf-8"))):
        if path.startswith(PLACES):
            fixed = re.split("<|NAME|FORMAT", path)[0]
            place = ROOT / (path if fixed == path else fixed.rpartition("/")[0])
            assert place.exists(), path


@pytest.mark.parametrize("name", ["dot", "lin", "bos+sftm"])
def test_every_hook_is_in_the_table(name):
    text = (DOCS / "hooked_model.md").read_text(encoding="utf-8")
    for hook in construct(name, T=8, L=6).hook_dict:
        assert f"| `{hook}`" in text, hook
