"""Packages from elsewhere, really installed: probes and a task, seen by command and report."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mechprobe
from mechprobe import models

ROOT = Path(mechprobe.__file__).parents[1]
COMMAND = "from mechprobe.analyses.commands.main import main; main()"

PROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "4.5.6"

[project.entry-points."mechprobe.{group}"]
{module} = "{module}"

[tool.setuptools]
py-modules = ["{module}"]
"""

MODULE = '''
"""How large the logits are."""

from matplotlib.figure import Figure

from mechprobe.probes import CountContext, Measurement, MetricSpec, ProbeResult, probe


@probe(
    "logit-size",
    metrics={"size": MetricSpec("root mean square logit", "logit", 0)},
    version="2",
    invariances=("residual_gl", "qk_gauge"),
)
def logit_size(context: CountContext) -> Measurement:
    """Size of the logits on the model's own sequences."""
    logits = context.task.scored(context.logits, 1)
    return Measurement({"size": logits.square().mean().sqrt()}, {"first": logits[0]})


@logit_size.figure
def draw(result: ProbeResult) -> Figure:
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot(result.arrays["first"])
    return figure


@logit_size.words
def say(result: ProbeResult) -> str:
    return f"Logits measure {result.value('size'):.3f} quietly & surely."
'''

BROKEN = """
from mechprobe.probes import MetricSpec, probe

probe("half-made", metrics={"x": MetricSpec("x")})(lambda context: None)
raise RuntimeError("not today,\\nnor tomorrow")
"""


LABELLED = """
from mechprobe import models, probes
from parity_task import Parity, asked

found = probes.label(asked("dot"))
print(found.verdict)
again = probes.label(models.construct("lin", T=6, L=5), Parity(6, 5))
print(again.verdict)
probes.check_probe(probes.find_probe("parity-accuracy"))
"""


def install(
    folder: Path, site: Path, name: str, module: str, text: str, group: str = "probes"
) -> None:
    """Write a package and install it with pip, without any network."""
    folder.mkdir()
    project = PROJECT.format(name=name, module=module, group=group)
    (folder / "pyproject.toml").write_text(project)
    (folder / f"{module}.py").write_text(text)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(site), str(folder)]
    subprocess.run(pip, check=True, capture_output=True, text=True)


def run(site: Path, *arguments: str | Path, first: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a process that finds the packages in `site`; `first` runs before it."""
    path = os.pathsep.join((str(site), str(ROOT)))
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{first}\n{COMMAND}", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=site.parent,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on the path with a good package installed."""
    root = tmp_path_factory.mktemp("plugin")
    install(root / "good", root / "site", "logit-probes", "logit_probes", MODULE)
    return root / "site"


def test_an_installed_probe_conforms_and_is_listed(site: Path) -> None:
    check = "from mechprobe import probes; probes.check_probe(probes.find_probe('logit-size'))"
    done = run(site, "probes", first=check)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-1].split(maxsplit=2) == [  # others' probes come after ours
        "logit-size",
        "measure",
        "Size of the logits on the model's own sequences.  [logit-probes 4.5.6]",
    ]
    assert lines[0].endswith("[mechprobe 0.1.0]")


def test_a_study_and_its_report_hold_it(site: Path, tmp_path: Path) -> None:
    models.save(models.construct("dot", T=5, L=4), tmp_path / "dot")
    models.save(models.construct("bos", T=5, L=4), tmp_path / "bos")
    folder = tmp_path / "run"
    done = run(site, "label", tmp_path / "dot", tmp_path / "bos", "--run", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("relation-based") == 2
    for name in ("dot", "bos"):
        stored = json.loads((folder / "results" / f"{name}.json").read_text())
        (mine,) = (p for p in stored["probes"] if p["probe"] == "logit-size")
        assert mine["provenance"]["package"] == "logit-probes 4.5.6"
        assert mine["provenance"]["version"] == "2"
        assert mine["metrics"]["size"]["value"] > 0
        assert not stored["problems"]
    done = run(site, "report", folder)
    assert done.returncode == 0, done.stderr
    html = (folder / "report.html").read_text()
    assert len(re.findall(r"Logits measure [0-9.]+ quietly &amp; surely\.", html)) >= 2
    assert sorted(re.findall(r'<img[^>]*alt="logit-size of (\w+)', html)) == ["bos", "dot"]
    assert "logit-probes 4.5.6" in html
    # Where the package is not installed its words stay, and the figure's place says why.
    done = run(tmp_path / "none", "report", folder)
    assert done.returncode == 0, done.stderr
    html = (folder / "report.html").read_text()
    assert "the probe logit-size is not installed here" in html
    assert "quietly &amp; surely" in html
    assert 'alt="logit-size' not in html


def test_a_broken_package_is_one_line(site: Path, tmp_path: Path) -> None:
    install(tmp_path / "broken", tmp_path / "site", "bad-probes", "bad_probes", BROKEN)
    install(tmp_path / "good", tmp_path / "site", "logit-probes", "logit_probes", MODULE)
    done = run(tmp_path / "site", "probes")
    assert done.returncode == 2
    assert done.stderr == (
        "mechprobe: package bad_probes: RuntimeError: not today, nor tomorrow; left out\n"
    )
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert "logit-size" in names
    assert "readout" in names
    assert "half-made" not in names


def test_an_installed_task_has_labels(tmp_path: Path) -> None:
    text = (Path(__file__).parent / "parity.py").read_text()
    install(tmp_path / "task", tmp_path / "site", "parity-task", "parity_task", text, "tasks")
    done = run(tmp_path / "site", "probes", first=LABELLED)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:2] == ["even-handed, parity told"] * 2
    assert lines[-1].split()[0] == "parity-accuracy"  # the module brought a probe, too
    assert lines[-1].endswith("[parity-task 4.5.6]")


def test_a_broken_task_is_one_line(tmp_path: Path) -> None:
    text = "raise RuntimeError('not today')"
    install(tmp_path / "task", tmp_path / "site", "bad-task", "bad_task", text, "tasks")
    done = run(tmp_path / "site", "probes")
    assert (done.returncode, done.stderr) == (
        2,
        "mechprobe: package bad_task: RuntimeError: not today; left out\n",
    )


@pytest.mark.parametrize("group", ["families", "formats", "tasks"])
def test_a_broken_package_is_one_line_of_a_command_that_goes_on(group: str, tmp_path: Path) -> None:
    text = "raise RuntimeError('not today')"
    install(tmp_path / "broken", tmp_path / "site", "bad-one", "bad_one", text, group)
    models.save(models.construct("dot", T=5, L=4), tmp_path / "dot")
    done = run(tmp_path / "site", "label", tmp_path / "dot")
    assert done.returncode == 0
    assert "relation-based counting" in done.stdout
    assert done.stderr == "mechprobe: package bad_one: RuntimeError: not today; left out\n"


def test_a_reading_that_fails_costs_its_own_models_only(tmp_path: Path) -> None:
    """The command goes on with the other checkpoints, and says in a line whose fault it is."""
    text = (Path(__file__).parent / "parity.py").read_text()
    assert "        even, odd = context.share(0)" in text
    bad = text.replace(
        "        even, odd = context", "        raise KeyError('boom')\n        even, odd = context"
    )
    install(tmp_path / "task", tmp_path / "site", "parity-task", "parity_task", bad, "tasks")
    models.save(models.construct("dot", T=6, L=5), tmp_path / "dot")
    shutil.copytree(tmp_path / "dot", tmp_path / "par")
    config = json.loads((tmp_path / "par" / "config.json").read_text())
    config["asked"] = {"name": "parity", "T": 6, "L": 5}
    (tmp_path / "par" / "config.json").write_text(json.dumps(config))
    done = run(tmp_path / "site", "label", tmp_path / "par", tmp_path / "dot")
    assert done.returncode == 2
    assert "relation-based counting" in done.stdout
    assert done.stderr == (
        f"mechprobe: {tmp_path / 'par'}: task reading 'parity': KeyError: 'boom'\n"
    )
