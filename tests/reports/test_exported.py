"""Figures of a run as files: which, where, and that they are the same each time."""

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

import mechprobe
from mechprobe.analyses.commands.figures import figures
from mechprobe.models import MechprobeError, construct
from mechprobe.probes.results import RunInfo
from mechprobe.probes.runs import save_result, save_run

CHOSEN = ["mutual-coherence", "count-transport", "linear-decoders"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    save_run(folder, RunInfo(title="run", command="", seed=0, versions={}))
    for name in ("one", "two"):
        model = construct("bos", T=4, L=3, seed=len(name))
        save_result(folder, mechprobe.study(model, name=name, probes=CHOSEN))
    return folder


def test_every_figure_has_its_data_beside_it(run: Path, tmp_path: Path) -> None:
    files = mechprobe.write_figures(run, tmp_path)
    assert [file.relative_to(tmp_path).as_posix() for file in files] == [
        f"{model}/{probe}.pdf"
        for model in ("one", "two")
        for probe in sorted(CHOSEN, key=list(mechprobe.all_probes()).index)
    ]
    for file in files:
        assert file.read_bytes().startswith(b"%PDF")
        table = pd.read_csv(file.with_suffix(".csv"))
        assert table.columns[0] == "array"
        assert len(table)
    kept = mechprobe.load_run(run).model("one").probe("mutual-coherence")
    told = pd.read_csv(tmp_path / "one" / "mutual-coherence.csv")
    assert told.value[told.array == "cosines"].tolist() == kept.arrays["cosines"].ravel().tolist()


@pytest.mark.parametrize("form", ["pdf", "svg", "png"])
def test_the_same_figure_is_the_same_file(form: str, run: Path, tmp_path: Path) -> None:
    chosen = {"format": form, "models": ["one"], "probes": ["mutual-coherence"]}
    first, second = (
        mechprobe.write_figures(run, tmp_path / name, **chosen)[0].read_bytes()  # type: ignore[arg-type]
        for name in "ab"
    )
    assert first == second


def test_what_is_unknown_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(MechprobeError, match="model 'three' is unknown"):
        mechprobe.write_figures(run, tmp_path, models=["three"])
    with pytest.raises(MechprobeError, match="did you mean 'readout'"):
        mechprobe.write_figures(run, tmp_path, probes=["readouts"])
    with pytest.raises(MechprobeError, match="none of a figure"):
        mechprobe.write_figures(run, tmp_path, width=0.1)
    with pytest.raises(MechprobeError, match="no run here"):
        mechprobe.write_figures(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_writes_into_the_run(run: Path) -> None:
    asked = [str(run), "--format", "svg", "--model", "two", "--probe", "mutual-coherence"]
    done = CliRunner().invoke(figures, asked, catch_exceptions=False)
    assert done.exit_code == 0
    assert "1 figures" not in done.output
    assert (run / "figures" / "two" / "mutual-coherence.svg").is_file()
    none = CliRunner().invoke(figures, [str(run), "--probe", "order-parameters"])
    assert none.output == "no figures: none of these probes draws one\n"
