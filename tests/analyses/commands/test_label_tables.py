"""`mechprobe label --format` and `--out`: labels for spreadsheets, papers and programs."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest

from mechprobe import models
from mechprobe.analyses.commands.label.labelling import Labelled
from tests.analyses.shell import mechprobe


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models and a path without one between them; names with signs that mean something."""
    folder = tmp_path_factory.mktemp("models")
    names = ("dot_1|x", "none & none", "lin")
    for name, built in ((names[0], "dot"), (names[2], "lin")):
        models.save(models.construct(built, T=4, L=4), folder / name)
    return [folder / name for name in names]


def test_csv_is_tidy(paths: list[Path]) -> None:
    """A row a model, numbers as they are, and why one has no label."""
    done = mechprobe("label", *paths, "--format", "csv")
    assert done.exit_code == 2
    frame = pd.read_csv(io.StringIO(done.stdout)).set_index("model")
    assert list(frame.index) == [str(paths[0]), str(paths[2]), str(paths[1])]
    assert list(frame.columns[:5]) == ["architecture", "T", "L", "d", "p"]
    dot, lin, none = (frame.loc[name] for name in frame.index)
    assert (dot.counting, lin.counting) == ("relation-based", "inventory-based")
    assert (dot.architecture, dot["T"], lin.d) == ("dot", 4, 4)
    assert dot.accuracy == lin.accuracy == 1
    assert none.problem == f"{paths[1]}: no such checkpoint folder"
    assert none.drop("problem").isna().all()
    told = json.loads(mechprobe("label", paths[0], "--json").stdout)[0]
    for name, value in told["evidence"].items():
        assert (pd.isna(dot[name]) and value is None) or dot[name] == value


def test_markdown_and_latex_are_what_a_reader_sees(paths: list[Path]) -> None:
    """The columns of the overview; signs of names do not end a cell or start a command."""
    rows = mechprobe("label", *paths, "--format", "md").stdout.splitlines()
    assert rows[0].split("|")[1].strip() == "Model"
    assert {"Mechanism", "Confidence", "Problem"} <= {cell.strip() for cell in rows[0].split("|")}
    assert len({row.replace("\\|", "/").count("|") for row in rows}) == 1
    assert len(rows) == 5
    assert "dot\\_1\\|x" in rows[2]
    assert "relation-based" in rows[2]
    latex = mechprobe("label", *paths, "--format", "latex").stdout
    assert r"dot\_1|x & dot & T=4 L=4 " in latex
    assert r"none \& none" in latex
    assert latex.count(r"\\") == 4
    assert r"\midrule" in latex


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.json", "t.md", "t.tex"])
def test_a_file_says_its_format(name: str, paths: list[Path], tmp_path: Path) -> None:
    """What is printed, written whole; Parquet with the units. What is there stays."""
    out = tmp_path / name
    done = mechprobe("label", *paths, "--out", out)
    assert (done.exit_code, done.stdout) == (2, f"table: {out}\n")
    if name == "t.parquet":
        frame = pd.read_parquet(out)
        assert frame["counting"].tolist()[:2] == ["relation-based", "inventory-based"]
        assert frame["T"].tolist()[:2] == [4, 4]
        assert frame.attrs["units"]["accuracy"] == "1"
    else:
        form = {"tex": "latex"}.get(out.suffix[1:], out.suffix[1:])
        assert out.read_text() == mechprobe("label", *paths, "--format", form).stdout
    before = out.read_bytes()
    again = mechprobe("label", paths[2], "--out", out)
    assert (again.exit_code, out.read_bytes()) == (2, before)
    assert "is there already; choose another --out, or replace it with --force" in again.stderr
    assert mechprobe("label", paths[2], "--out", out, "--force").exit_code == 0
    assert out.read_bytes() != before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--out", "table.xls"], "end its name in one of .csv"),
        (["--out", "t.csv", "--format", "csv"], "the name of --out says the format"),
        (["--json", "--format", "csv"], "leave one out"),
        (["--force"], "--force is of the file of --out"),
        (["--format", "parquet"], "is not one of"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_what_does_not_fit_is_told_before_the_work(
    words: list[str], says: str, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Labelled, "__init__", lambda *_: pytest.fail("a model was labelled"))
    done = mechprobe("label", paths[0], *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
