"""One small model through every method, a method from outside, and what a run leaves behind."""

import json
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import torch

from mechprobe.analyses.bench.methods import page, run
from mechprobe.analyses.bench.methods.answers import KINDS, read_truth
from mechprobe.analyses.bench.methods.export import export
from mechprobe.analyses.bench.methods.labellers import das
from mechprobe.analyses.bench.methods.labellers.das import aligner
from mechprobe.analyses.bench.methods.needle import Needle, Search
from mechprobe.analyses.bench.methods.population import (
    Entry,
    Planted,
    disguised,
    name_of,
    population,
)
from mechprobe.analyses.bench.methods.registry import METHODS, ask, method
from mechprobe.analyses.bench.populations import Member
from mechprobe.analyses.common import resume
from mechprobe.models import CONSTRUCTIONS, MechprobeError, construct, load, read_meta
from mechprobe.models.base import registry
from mechprobe.models.tasks.histogram import HistogramTask
from mechprobe.probes.counting.kinds import COUNTING
from mechprobe.probes.draws import generator
from tests.analyses.shell import mechprobe

ROOT = Path(__file__).parents[4]
OURS = (
    "activation-patching",
    "attention-patterns",
    "attribution-patching",
    "das",
    "linear-probes",
    "mechprobe-rule",
    "sparse-probing",
)
# What every method says of a look-up behind relational attention: all but one see it.
LOOKUP = construct("dot-lookup", T=5, L=4)
SHARED = construct("bos+sftm", T=5, L=4)


@pytest.fixture
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of `run_all`: processes take longer to start than these jobs to run."""

    def one_by_one(
        work: Callable[[Any], Any], jobs: Sequence[Any], *_: object
    ) -> Iterator[tuple[Any, Any]]:
        return ((job, work(job)) for job in jobs)

    monkeypatch.setattr(resume, "run_all", one_by_one)


def test_the_bench_knows_every_kind_of_a_label() -> None:
    assert set(COUNTING.kinds) <= set(KINDS)


@pytest.mark.parametrize("name", OURS)
def test_one_model_through_every_method(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers are finite, the same when asked again, and leave the model alone."""
    monkeypatch.setattr(das, "SEEDS", (0,))  # it is as slow as all others together
    monkeypatch.setattr(das, "PAIRS", 100)
    before = SHARED.fingerprint()
    first = ask(name, SHARED, SHARED.task(), seed=1)
    assert first.why is None
    assert first.kind in KINDS
    assert first.seconds is not None
    assert ask(name, SHARED, SHARED.task(), seed=1).scores == first.scores
    assert SHARED.fingerprint() == before
    assert all(weight.grad is None for weight in SHARED.parameters())


@pytest.mark.parametrize(
    "name", ["activation-patching", "attribution-patching", "mechprobe-rule", "sparse-probing"]
)
def test_methods_that_intervene_or_read_neurons_tell_the_two_apart(name: str) -> None:
    assert ask(name, SHARED, SHARED.task()).kind == "relation-based"
    assert ask(name, LOOKUP, LOOKUP.task()).kind == "inventory-based"


def test_attention_patterns_are_misled_by_attention_that_is_not_read() -> None:
    assert ask("attention-patterns", LOOKUP, LOOKUP.task()).kind == "relation-based"


def test_a_known_direction_carries_foreign_counts_and_a_tilt_does_not() -> None:
    """The row about DAS: W_in works, what is orthogonal to it does nothing."""
    model = construct("dot", T=6, L=5)
    found = aligner(model, model.task(), generator(0, "test"))
    crossed, counts = found.test.crossed, found.test.source.counts
    line = torch.nn.functional.normalize(model.W_in[0].detach(), dim=0)
    assert found.accuracy(line, crossed, counts[crossed]) == 1.0
    aside = torch.linalg.svd(line)[0][:, 1:2]
    assert found.accuracy(aside, crossed, counts[crossed]) < 0.1


def test_the_row_about_das() -> None:
    found = Search(setting=0, seeds=1, rates=(1e-2,)).run()
    assert found.known == 1.0
    assert (found.fits, found.hits) == (1, 0)
    assert found.best < 0.3
    assert found.nearest > found.chance  # training leads away from the direction
    losses = [loss for _, _, loss in found.tilted]
    assert max(losses) > 2 * found.loss_nothing > 2 * found.loss_known  # over a barrier


# -- methods from outside ----------------------------------------------------


def test_a_method_of_an_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """It joins by its entry point, and is asked like ours."""
    module = types.ModuleType("outside_method")
    code = (
        "from mechprobe.analyses.bench.methods.registry import method\n"
        "@method('always-relation', source='nowhere')\n"
        "def always(model, task, seed):\n"
        "    'It always says the same.'\n"
        "    return {'relation-based': 1}\n"
    )
    exec(compile(code, "outside_method.py", "exec"), module.__dict__)
    point = EntryPoint("always", "outside_method", "mechprobe.methods")

    def load_it(self: EntryPoint) -> object:
        sys.modules["outside_method"] = module
        return method("always-relation", source="nowhere")(module.always)

    with METHODS.isolated():
        METHODS._known.pop("always-relation")  # the compiled code registered it already
        monkeypatch.setattr(EntryPoint, "load", load_it)
        monkeypatch.setattr(
            registry, "entry_points", lambda group: [point] if group == point.group else []
        )
        assert METHODS.registered()["always-relation"].source == "outside_method"
        assert METHODS["always-relation"].summary == "It always says the same."
        assert ask("always-relation", LOOKUP, LOOKUP.task()).kind == "relation-based"
    sys.modules.pop("outside_method")


@pytest.mark.parametrize(
    ("gives", "says"),
    [
        ({"relation": 1.0}, "kind 'relation' is unknown; did you mean 'relation-based'?"),
        ({"mixed": float("nan")}, "the score of 'mixed' is nan; a finite number is wanted"),
        ({"mixed": "high"}, "the score of 'mixed' is 'high'; a finite number is wanted"),
        (0.5, "gives 0.5; scores by kind are wanted, or None"),
    ],
)
def test_a_bad_answer_is_an_abstention_that_says_why(gives: Any, says: str) -> None:
    with METHODS.isolated():
        method("bad", source="a test")(lambda model, task, seed: gives)
        answer = ask("bad", LOOKUP, LOOKUP.task())
    assert answer.scores == {}
    assert says in (answer.why or "")


def test_a_method_may_abstain_and_may_fail() -> None:
    def fails(model: object, task: HistogramTask, seed: int) -> None:
        raise ZeroDivisionError("oh")

    with METHODS.isolated():
        method("silent", source="a test")(lambda model, task, seed: None)
        method("failing", source="a test")(fails)
        assert ask("silent", LOOKUP, LOOKUP.task()).scores == {}
        assert "ZeroDivisionError: oh" in (ask("failing", LOOKUP, LOOKUP.task()).why or "")


# -- the population, a run, the files ----------------------------------------------------


def test_halves_of_the_population() -> None:
    """Both halves have models of every part that somebody was tuned on; what nobody was tuned on is
    in the second; no model is in both."""
    members = population(quick=True)
    tuned = [entry for entry in members if entry.tuned and entry.part != "compiled"]
    assert {e.part for e in tuned if e.half == "tune"} == {
        e.part for e in tuned if e.half == "test"
    }
    assert {entry.half for entry in members if not entry.tuned} == {"test"}
    assert len({entry.name for entry in members}) == len(members)
    held_out = {name for name, one in CONSTRUCTIONS.items() if one.held_out}
    assert held_out <= {e.member.name for e in members if not e.tuned}


ENTRIES = [
    Entry("pure", Member("pure", "dot", 4, 4, 0), True, "tune"),
    Entry("pure", Member("pure", "dot-lookup", 4, 4, 0), True, "tune"),
    Entry("pure", Member("pure", "dot", 5, 4, 1), True, "test"),
    Entry("planted", Planted("dot-lookup", 5, 4, 1), False, "test"),
]
CHEAP = {name: METHODS[name] for name in ("attention-patterns", "attribution-patching")}
NEEDLE = Needle(
    setting=0, known=1, best=0, fits=1, hits=0, nearest=80, chance=70, half_width=3, ratio=9,
    loss_known=0.5, loss_fit=5, loss_nothing=5, tilted=[(0, 1, 0.5)],
)  # fmt: skip


@pytest.mark.usefixtures("_in_this_process")
def test_a_run_and_what_it_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two methods on four models: scores, tables, figure; asked once, kept after that; the page of
    the documentation takes what was found."""
    monkeypatch.setattr(run, "METHODS", CHEAP)
    monkeypatch.setattr(run, "needles", lambda quick: [])
    found = run.run(tmp_path / "run", True, 0, ENTRIES)
    found.needles.append(NEEDLE)
    assert [one.method for one in found.answers] == list(CHEAP)
    page.write(tmp_path / "run", found)
    stored = json.loads((tmp_path / "run" / "scores.json").read_text())
    errors = {(row["method"], row["part"]): row["said_error"] for row in stored["rows"]}
    assert errors["attribution-patching", "all"] == 0
    assert errors["attention-patterns", "planted"] == 1
    assert (tmp_path / "run" / "methods.png").stat().st_size > 1000

    def never(*_: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(run, "ask", never)
    assert run.run(tmp_path / "run", True, 0, ENTRIES).answers == found.answers

    monkeypatch.setattr(page, "_draw", lambda bench, file: None)  # seen above
    docs = tmp_path / "docs"
    docs.mkdir()
    text = (ROOT / "docs" / "methods.md").read_text()
    (docs / "methods.md").write_text(text)
    page.refresh(docs, found)
    refreshed = (docs / "methods.md").read_text()
    assert "planted: 1 models, 1 inventory-based" in refreshed
    page.refresh(docs, found)
    assert (docs / "methods.md").read_text() == refreshed
    (docs / "methods.md").write_text(text.replace("<!-- scores -->", ""))
    with pytest.raises(MechprobeError, match="`<!-- scores -->` stands there 0 times"):
        page.refresh(docs, found)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A population of four as a folder."""
    folder = tmp_path_factory.mktemp("exported")
    models = {entry.name: entry for entry in ENTRIES}
    truth = {
        name: run._truth(entry, run.Learn(entry.member).run()) for name, entry in models.items()
    }
    export(folder, models, truth)
    return folder


def test_an_exported_population(exported: Path) -> None:
    truth = read_truth(exported)
    assert {one.kind for one in truth.values()} == {"relation-based", "inventory-based"}
    assert "mechprobe bench score" in (exported / "README.md").read_text()
    for entry in ENTRIES:
        model = load(exported / "models" / entry.name)
        assert model.fingerprint() == disguised(entry.member).fingerprint()
        assert name_of(entry.member) == entry.name
        assert set(read_meta(exported / "models" / entry.name)) == {"origin", "name"}


def answers_in(folder: Path, given: object) -> Path:
    file = folder / "answers.json"
    file.write_text(json.dumps({"method": "mine", "answers": given}))
    return file


def test_answers_made_elsewhere_are_scored(exported: Path, tmp_path: Path) -> None:
    truth = read_truth(exported)
    given = {name: {"scores": {one.kind: 1.0}, "seconds": 0.5} for name, one in truth.items()}
    done = mechprobe("bench", "score", exported, answers_in(tmp_path, given))
    assert done.exit_code == 0
    assert "| mine   | 2      | 0 % (0–66)    | 0 % (0–66)        | 1.000" in done.stdout


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"nobody": None}, "model 'nobody' is unknown"),
        (
            {ENTRIES[0].name: {"scores": {"mixd": 1}}},
            "kind 'mixd' is unknown; did you mean 'mixed'",
        ),
        ({ENTRIES[0].name: {"scores": {"mixed": "x"}}}, "mixed"),
        ({ENTRIES[0].name: {"scores": {"mixed": 1e308}}}, "mixed"),
        ([], "answers"),
    ],
)
def test_bad_answers_are_one_line(exported: Path, tmp_path: Path, given: Any, says: str) -> None:
    done = mechprobe("bench", "score", exported, answers_in(tmp_path, given))
    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["", "a\nb", "a|b", "\x1b[2J"])
def test_a_name_that_would_spoil_a_table_is_refused(
    exported: Path, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "answers.json"
    file.write_text(json.dumps({"method": name, "answers": {}}))
    done = mechprobe("bench", "score", exported, file)
    assert done.exit_code == 2
    assert "method" in done.stderr


def test_probabilities_are_some(exported: Path, tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    given = {ENTRIES[0].name: {"scores": {"mixed": 5.0, "other": -3.0}}}
    file.write_text(json.dumps({"method": "mine", "probabilities": True, "answers": given}))
    done = mechprobe("bench", "score", exported, file)
    assert done.exit_code == 2
    assert "add up to 1" in done.stderr


@pytest.mark.parametrize("change", ["kind", "models"])
def test_a_truth_that_cannot_be_is_refused(exported: Path, tmp_path: Path, change: str) -> None:
    told = json.loads((exported / "truth.json").read_text())
    if change == "kind":
        told["models"][ENTRIES[0].name]["kind"] = "foo"
    else:
        told["models"] = {}
    (tmp_path / "truth.json").write_text(json.dumps(told))
    done = mechprobe("bench", "score", tmp_path, answers_in(tmp_path, {}))
    assert done.exit_code == 2
    assert change in done.stderr


def test_bad_files_are_one_line(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    for folder, file, says in (
        (exported, tmp_path / "broken.json", "is no JSON"),
        (exported, tmp_path / "none.json", "cannot be read"),
        (tmp_path, tmp_path / "broken.json", "holds no truth.json"),
    ):
        done = mechprobe("bench", "score", folder, file)
        assert done.exit_code == 2
        assert says in done.stderr
        assert done.stderr.count("\n") == 1


def test_an_export_leaves_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(MechprobeError, match="holds other files"):
        export(tmp_path, {}, {})
