"""The README is true: its examples run, its probe is short, its links and picture are there."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import mechprobe
from mechprobe.analyses.commands.main import main
from mechprobe.probes.registry import PROBES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_first_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Loading, labelling and caching as the README shows them."""
    exec(compile(BLOCKS[0], "README.md", "exec"), {"__name__": "__main__"})
    assert "relation-based 1" in capsys.readouterr().out


def test_output_is_as_the_commands_print_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first commands, and what the README says that they print."""
    shown = re.search(r"```\n([^`]*)```\n\nprints\n\n```text\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    monkeypatch.chdir(tmp_path)
    printed = ""
    for line in shown[1].splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == "mechprobe"
        printed += CliRunner().invoke(main, words[1:]).stdout
    assert printed == shown[2]


def test_tables_and_figures_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(BLOCKS[1], "README.md", "exec"), names)
    assert "inventory-based" in capsys.readouterr().out
    assert [bool(axes.get_title()) for axes in names["figure"].axes[:2]] == [True, True]


def test_foreign_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """A TransformerLens model is wrapped, labelled and probed; untrained, it does not count."""
    exec(compile(BLOCKS[2], "README.md", "exec"), {"__name__": "__main__"})
    verdict, words = capsys.readouterr().out.splitlines()
    assert verdict.endswith("attention, counting unsolved")
    assert words.startswith("The scores' variance is")


def test_students_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Both minima are trained and told apart."""
    exec(compile(BLOCKS[3], "README.md", "exec"), {"__name__": "__main__"})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["semantic", "positional"]


def test_probe_example_is_short_and_works() -> None:
    """At most 25 lines of code, a registered probe with figure and words that passes the kit."""
    code = [line for line in BLOCKS[4].splitlines() if line.strip()]
    assert len(code) <= 25
    with PROBES.isolated():
        exec(compile(BLOCKS[4], "README.md", "exec"), {"__name__": "__main__"})
        result = mechprobe.study(mechprobe.construct("dot", T=8, L=6), name="m")
        mine = next(r for r in result.probes if r.probe == "neuron-sparsity")
        assert mine.value("silent") == 0
        assert "0% of the neurons" in mine.words


def test_commands_and_links_exist() -> None:
    """Every `mechprobe X` or `mechprobe X Y` in the README is a command, every link a file."""
    context = click.Context(main)
    for verb, rest in re.findall(r"(?:^|`)mechprobe (\w+) ?([\w-]*)", README, re.MULTILINE):
        command = main.get_command(context, verb)
        assert command is not None, verb
        if isinstance(command, click.Group) and rest:
            assert rest in command.list_commands(context), rest
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link


def test_modules_exist() -> None:
    """Every `python -m X` in the README is a module."""
    for module in re.findall(r"python -m (mechprobe[\w.]*)", README):
        assert find_spec(module) is not None, module
