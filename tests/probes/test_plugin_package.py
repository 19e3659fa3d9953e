"""A third-party probe package, really installed with pip beside mechprobe."""

import os
import subprocess
import sys
from pathlib import Path

import models

ROOT = Path(__file__).parents[2]
PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "0.3"

[project.entry-points."mechprobe.probes"]
mine = "{module}"

[tool.setuptools]
py-modules = ["{module}"]
"""
GOOD = '''
from matplotlib.figure import Figure
from probes import Measurement, MetricSpec, probe

@probe("largest-bias", metrics={"bias": MetricSpec("largest bias of a neuron")})
def largest_bias(context):
    """The largest bias of a hidden neuron."""
    return Measurement(metrics={"bias": context.model.b_in.max()})

@largest_bias.figure
def draw(result):
    figure = Figure(figsize=(2, 2))
    figure.add_subplot(title="bias").bar([0], [result.value("bias")])
    return figure

@largest_bias.words
def say(result):
    return "A sentence that only this package knows."
'''


def install(tmp_path: Path, name: str, source: str) -> Path:
    """Write a package and install it with pip into a folder of the test's own."""
    module = name.replace("-", "_")
    package = tmp_path / f"source-{name}"
    package.mkdir()
    (package / "pyproject.toml").write_text(PROJECT.format(name=name, module=module))
    (package / f"{module}.py").write_text(source)
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    pip += ["--no-build-isolation", "--disable-pip-version-check", "--target", str(site)]
    subprocess.run([*pip, str(package)], check=True, capture_output=True)
    return site


def command(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run mechprobe where the package is installed."""
    path = os.pathsep.join([str(site), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-c", "from analyses.cli import main; main()", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_package_shows_up_everywhere(tmp_path: Path) -> None:
    """In the list, in a run and in the report, with its name and version."""
    site = install(tmp_path, "bias-probe", GOOD)
    listed = command(site, "probes")
    assert listed.returncode == 0, listed.stderr
    assert "largest-bias" in listed.stdout
    assert "[bias-probe 0.3]" in listed.stdout
    models.save(models.construct("dot", T=8, L=6), tmp_path / "dot")
    run = tmp_path / "run"
    labelled = command(site, "label", tmp_path / "dot", "--run", run)
    assert labelled.returncode == 0, labelled.stderr
    assert '"largest-bias"' in (run / "results" / "dot.json").read_text()
    assert command(site, "report", run).returncode == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "A sentence that only this package knows." in page
    assert 'alt="largest-bias of dot: A sentence' in page


def test_a_broken_package_is_left_out(tmp_path: Path) -> None:
    """It is named in one line, exit code 2; every other probe is there."""
    site = install(tmp_path, "sad-probe", "raise RuntimeError('no luck')\n")
    listed = command(site, "probes")
    assert listed.returncode == 2
    assert listed.stderr.strip().count("\n") == 0
    assert "sad_probe" in listed.stderr
    assert "RuntimeError: no luck" in listed.stderr
    assert "count-transport" in listed.stdout
