"""The comparison of architectures, really small, through its command; and its parts."""

import csv
import pickle
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from selenium.webdriver import Chrome

from mechprobe import models
from mechprobe.analyses.common import runs
from mechprobe.analyses.studies.architectures import plan as varied
from mechprobe.analyses.studies.architectures import work as command
from mechprobe.analyses.studies.architectures.figure import COLOURS, KAPPA, MARKS, draw
from mechprobe.analyses.studies.architectures.plan import (
    BASES,
    FULL,
    QUICK,
    VARIATIONS,
    Budget,
    Job,
    train_job,
)
from mechprobe.analyses.studies.architectures.rows import Comparison, Row, row, to_csv
from mechprobe.analyses.studies.architectures.tables import HEAD, lines, markdown
from mechprobe.analyses.studies.architectures.words import answers, fraction
from mechprobe.models import MechprobeError
from mechprobe.models.families.transformer import Plan
from mechprobe.models.families.transformer import train as real_train
from mechprobe.probes.runs import load_run
from tests.accessible import violations
from tests.analyses.shell import mechprobe

TINY = Budget(
    T=5, L=4, d=8, p=8, steps=10, plan=Plan(epochs=2, batch=16, lr=1e-2),
    bases=("bos+sftm",), variations=("base", "2 blocks of 2 heads", "positions"),
)  # fmt: skip
NAMES = [f"bos_sftm_{name}_3" for name in ("2-blocks-of-2-heads", "base", "positions")]
MADE = ("architectures.csv", "architectures.md", "architectures.png", "report.html")


def one_by_one(work, jobs, *_):
    """In place of `run_all`: processes take longer to start than these jobs to run."""
    return [(job, work(pickle.loads(pickle.dumps(job)))) for job in jobs]


def run(folder: Path) -> Result:
    """The command on the tiny budget."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "QUICK", TINY)
        patch.setattr(command, "run_all", one_by_one)
        patch.setattr(runs, "run_all", one_by_one)
        return mechprobe("study", "architectures", "--quick", "--out", folder, "--seed", 3)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("architectures") / "run"
    assert run(folder).exit_code == 0
    return folder


def rows_in(folder: Path) -> list[dict[str, str]]:
    with (folder / "architectures.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def made(base: str, variation: str, *kinds: str, **other) -> list[Row]:
    """Rows by hand, a seed for each mechanism."""
    usual = dict.fromkeys(Row.__dataclass_fields__, None) | {
        "attention": "semantic", "attention_agreement": 1.0, "accuracy": 0.95, "kappa": 0.5,
    }  # fmt: skip
    named = {"base": base, "variation": variation}
    return [
        Row(**(usual | named | {"name": f"m{i}", "seed": i, "mechanism": kind} | other))
        for i, kind in enumerate(kinds)
    ]


@pytest.fixture
def by_hand() -> Comparison:
    relation, inventory = "relation-based", "inventory-based"
    rows = [
        *made("dot", "base", relation, relation, "mixed"),
        *made(
            "dot",
            "2 blocks",
            relation,
            inventory,
            inventory,
            attention="mixed",
            kappa=9.0,
            first_kappa=0.5,
        ),
        *made("bos", "base", relation, inventory),
        *made("bos", "2 blocks", relation, "unsolved", accuracy=0.3),
    ]
    return Comparison(rows, ("dot", "bos"), ("base", "2 blocks"), 3, ["T=5", "short"])


def test_the_folder_is_a_run_with_rows_table_and_picture(finished: Path) -> None:
    info, results = load_run(finished)
    assert [one.name for one in results] == NAMES
    assert info.command.startswith("mechprobe study architectures --out")
    assert info.command.endswith("--seeds 1 --quick --seed 3")
    assert {probe.probe for probe in results[0].probes} == set(command.PROBES)
    assert {probe.probe for probe in results[1].probes} == set(command.PROBES) - {"count-by-block"}
    assert info.notes[-1].startswith(("positions: ", "2 blocks of 2 heads: "))  # the answer
    assert sorted(p.name for p in (finished / "models").iterdir()) == NAMES  # no state is left
    assert all((finished / name).stat().st_size > 0 for name in MADE)
    assert (finished / "architectures.png").read_bytes().startswith(b"\x89PNG")
    text = (finished / "architectures.md").read_text(encoding="utf-8")
    assert text.count("\n| bos+sftm |") == 3


def test_rows_are_what_probes_found(finished: Path) -> None:
    """Each model is the variation its row names, and the numbers are its own."""
    _, results = load_run(finished)
    stored = {one.name: one for one in results}
    rows = rows_in(finished)
    assert {r["name"] for r in rows} == set(stored)
    for r in rows:
        one = stored[r["name"]]
        probes = {probe.probe: probe for probe in one.probes}
        assert float(r["accuracy"]) == one.label.accuracy
        assert r["mechanism"] == one.label.mechanism
        share = probes["attention-sources"].metrics["positional_share"].value
        assert float(r["positional"]) == share
        writer = probes["count-path"].metrics["writer_share"].value
        assert r["writer_share"] == ("" if writer is None else str(writer))
        config = models.load(finished / "models" / r["name"]).config
        assert {name: getattr(config, name) for name in VARIATIONS[r["variation"]]} == dict(
            VARIATIONS[r["variation"]]
        )
        assert config.bos


def test_a_second_run_keeps_everything_and_says_the_same(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "write_report", lambda run: run / "report.html")
    files = [*(finished / "models").glob("*/*"), *(finished / "results").iterdir()]
    before = {file: file.stat().st_mtime_ns for file in files}
    written = {name: (finished / name).read_bytes() for name in MADE[:2]}
    run(finished)
    assert {file: file.stat().st_mtime_ns for file in files} == before
    assert {name: (finished / name).read_bytes() for name in written} == written


def test_a_stopped_training_goes_on_and_gives_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: Path
) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    def stopped(*given, **named):
        return real_train(*given, **named, progress=stop)

    job = Job(tmp_path, "bos+sftm", "2 blocks of 2 heads", 3, TINY)
    with monkeypatch.context() as patch:
        patch.setattr(varied, "train", stopped)
        with pytest.raises(KeyboardInterrupt):
            train_job(job)
    (left,) = (tmp_path / "models").iterdir()
    assert left.name.startswith(f".{job.name}-")
    assert train_job(job) is None
    again = models.load(job.checkpoint).fingerprint()
    assert again == models.load(finished / "models" / job.name).fingerprint()
    assert [p.name for p in (tmp_path / "models").iterdir()] == [job.name]


def test_a_diverged_model_is_a_line_and_the_others_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: Path
) -> None:
    def diverging(config, *given, **named):
        if config.positions:
            raise MechprobeError("training diverged in epoch 0")
        return real_train(config, *given, **named)

    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    shutil.rmtree(folder / "models" / "bos_sftm_positions_3")
    monkeypatch.setattr(varied, "train", diverging)
    monkeypatch.setattr(command, "write_report", lambda run: run / "report.html")
    printed = run(folder)
    said = "mechprobe: problem: bos_sftm_positions_3: training diverged in epoch 0\n"
    assert printed.stderr.endswith(said)
    assert printed.stderr.count("problem:") == 1
    assert {r["name"] for r in rows_in(folder)} == set(NAMES[:2])
    assert [one.name for one in load_run(folder)[1]] == NAMES[:2]
    assert "Unsolved or missing: " in printed.stdout


def test_nothing_to_compare_is_an_error(tmp_path, monkeypatch) -> None:
    def diverging(*_, **__):
        raise MechprobeError("training diverged in epoch 0")

    monkeypatch.setattr(varied, "train", diverging)
    left = run(tmp_path / "run")
    assert left.exit_code == 2
    assert "there is no model to compare" in left.stderr


def test_the_answer_counts_what_differs(by_hand: Comparison) -> None:
    said = answers(by_hand)
    assert said == [
        "dot: the base is relation-based (2 of 3) in counting, semantic (3 of 3) in attention.",
        "bos: the base is of no usual kind (relation-based 1, inventory-based 1) in counting,"
        " semantic (2 of 2) in attention.",
        "base: counting differs among seeds in 1 of 3 models"
        " (dot 1 of 3: mixed 1; bos cannot be said). Unsolved or missing: 1.",
        "2 blocks: counting differs from the base's in 2 of 3 models"
        " (dot 2 of 3: inventory-based 2; bos cannot be said). Unsolved or missing: 2.",
        "2 blocks: attention differs from the base's in 3 of 4 models"
        " (dot 3 of 3: mixed 3; bos 0 of 1). Unsolved or missing: 2.",
        "2 blocks: kappa after the first block's attention, where the label does not look:"
        " dot 0.50.",
    ]
    assert fraction(by_hand, "dot", "2 blocks") == "2/3"
    assert fraction(by_hand, "bos", "2 blocks") == "–"


def test_the_table_has_a_line_for_every_kind(by_hand: Comparison) -> None:
    found = lines(by_hand)
    assert [line[:2] for line in found] == [
        [base, variation] for base in by_hand.bases for variation in by_hand.variations
    ]
    cells = dict(zip(HEAD, found[1], strict=True))
    assert cells["counting"] == "inventory-based 2, relation-based 1"
    assert cells["differs"] == "2/3"
    assert (cells["kappa"], cells["first kappa"]) == ("9.00", "0.50")
    assert cells["written by"] == cells["counters"] == "–"
    text = markdown(by_hand)
    assert text.startswith("T=5; short.\n\n| base |")
    assert all(f"- {line}" in text for line in answers(by_hand))


def test_several_seeds_are_summed_up() -> None:
    paths = [
        {"writer_block": 1.0, "writer_head": 0.0, "writer_share": 0.5, "kappa": 0.1},
        {"writer_block": 0.0, "writer_head": 1.0, "writer_share": 0.3, "kappa": 0.94},
    ]
    rows = [made("dot", "base", "mixed", **path)[0] for path in paths]
    cells = dict(zip(HEAD, lines(Comparison(rows, ("dot",), ("base",), 2))[0], strict=True))
    assert cells["written by"] == "b1.h0 1, b0.h1 1: 0.40"
    assert cells["kappa"] == "0.10 to 0.94"


def test_the_picture_marks_every_model(by_hand: Comparison) -> None:
    figure = draw(by_hand)
    accuracy, _, kappa, _ = figure.axes
    assert accuracy.get_title() == "dot"
    assert [t.get_text() for t in kappa.get_yticklabels()] == ["base", "2 blocks"]
    kinds = {colour: kind for kind, colour in COLOURS.items()}
    marked = [line for line in kappa.lines if line.get_marker() in MARKS.values()]
    assert len(marked) == 6
    for line in marked:
        assert MARKS[kinds[line.get_color()]] == line.get_marker()
    assert max(float(line.get_xdata()[0]) for line in marked) == KAPPA[1]  # 9 is beyond
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    met = {one.mechanism for one in by_hand.rows}
    assert len(met) == 4
    assert texts[:4] == [kind for kind in MARKS if kind in met]
    assert "9.00" in [text.get_text() for text in kappa.texts]
    assert "2/3" in [text.get_text() for text in kappa.texts]


def test_a_row_without_a_probe_has_gaps(finished: Path) -> None:
    _, results = load_run(finished)
    bare = row(results[0].model_copy(update={"probes": []}))
    assert bare.writer_share is None
    assert bare.positional is None
    assert bare.accuracy == results[0].label.accuracy
    (values,) = csv.DictReader(to_csv([bare]).splitlines())
    assert values["writer_share"] == ""


@pytest.mark.parametrize("base", BASES)
def test_a_variation_changes_what_it_says(base: str) -> None:
    plain = Job(Path(), base, "base", 0, FULL).config
    for name, changes in VARIATIONS.items():
        config = Job(Path(), base, name, 0, FULL).config
        different = {f for f, v in config.model_dump().items() if v != getattr(plain, f)}
        assert different - {"d_head"} == set(changes)
    assert (FULL.bases, FULL.variations) == (QUICK.bases, QUICK.variations)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--seeds", "0"), "'--seeds': 0 is not in the range 1<=x<=1000."),
        (("--seed", "-1"), "'--seed': -1 is not in the range 0<=x<=2147483647."),
    ],
)
def test_bad_numbers_are_one_line(arguments, says, tmp_path) -> None:
    left = mechprobe("study", "architectures", "--out", tmp_path / "x", *arguments)
    assert left.exit_code == 2
    assert left.stderr.startswith(f"mechprobe: Invalid value for {says}")
    assert left.stderr.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_folder_with_other_things_is_refused(tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    left = mechprobe("study", "architectures", "--out", tmp_path)
    assert left.exit_code == 2
    assert "holds other files" in left.stderr


def test_the_report_is_accessible(browser: Chrome, finished: Path) -> None:
    assert violations(browser, finished / "report.html") == []
