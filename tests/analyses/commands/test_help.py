"""Help pages: every command's, whole, with examples that are commands, without anything heavy."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mechprobe.analyses.commands.main import main
from tests.analyses.commands.test_light import AT_WORK, loaded_by
from tests.analyses.shell import mechprobe

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "Makefile", *sorted((ROOT / "docs").rglob("*.md"))]


# Commands keep the help option of the first context that they meet.
CONTEXT = click.Context(main, info_name="mechprobe", **main.context_settings)


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Words of every command, groups before what they hold."""
    context = click.Context(group, parent=CONTEXT)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*words, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))


COMMANDS = [(), *commands(main)]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_page_is_whole_and_ends_with_examples(words: tuple[str, ...]) -> None:
    """Nothing is cut short, and `-h` is `--help`."""
    page = mechprobe(*words, "-h")
    assert page.exit_code == 0, page.stderr
    assert page.stdout == mechprobe(*words, "--help").stdout
    usage, _, rest = page.stdout.partition("\n")
    assert usage.startswith(" ".join(["Usage: mechprobe", *words]))
    assert "-h, --help" in rest
    cut = [line for line in rest.splitlines() if line.endswith("...")]
    # An ellipsis is the usage's, of arguments that may be several, or of a list of seeds.
    assert not cut, cut
    *_, examples = re.split(r"\n  Examples?:\n", page.stdout)
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    assert lines
    for line in lines:
        assert len(line) < 76
        parses(line.split())


def parses(words: list[str]) -> None:
    """Whether a command line is one, as far as can be told without running it."""
    assert words[0] == "mechprobe"
    rest = words[1:]
    command: click.Command = main
    while isinstance(command, click.Group) and rest:
        found = command.get_command(CONTEXT, rest[0])
        assert found is not None, words
        command, rest = found, rest[1:]
    if "--help" in rest or (isinstance(command, click.Group) and not rest):
        return
    command.make_context(command.name, rest, parent=CONTEXT)


@pytest.mark.parametrize("columns", [60, 80, 118])
def test_a_page_is_as_wide_as_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    study = main.get_command(CONTEXT, "study")
    assert study is not None
    page = study.get_help(click.Context(study, info_name="study", parent=CONTEXT))
    widest = max(map(len, page.splitlines()))
    assert columns - 15 < widest <= columns


def test_help_and_bad_usage_need_nothing_heavy() -> None:
    """All pages of the command, made in one process, import neither torch nor numpy."""
    lines, modules = loaded_by("bench", "--help")
    assert lines[0].startswith("Usage: mechprobe bench")
    assert not modules.intersection((*AT_WORK, "torch", "numpy"))
    script = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sys.modules))\n"
        "from mechprobe.analyses.commands.main import main\n"
        f"pages = {[[*words, '--help'] for words in COMMANDS]!r}\n"
        "for words in (*pages, ['--version'], ['nonsense'], ['label'], ['train', '--d', 'x']):\n"
        "    try: main(words)\n"
        "    except SystemExit: pass\n"
    )
    lines, modules = loaded_by(script=script)
    assert sum(line.startswith("Usage: ") for line in lines) >= len(COMMANDS)
    assert not modules.intersection((*AT_WORK, "torch", "numpy"))


def test_pages_name_commands_that_are_there() -> None:
    """Studies and benches are run by the command, in the docs and in the Makefile."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert "python -m mechprobe." not in text
    named = set(re.findall(r"mechprobe\)? (bench|study|sweep|theory) ([a-z][a-z-]+)", text))
    assert ("bench", "fuzz") in named
    known = set(COMMANDS)
    # A word may follow the group as prose does: `mechprobe study` lists them.
    unknown = {words for words in named if words not in known}
    assert not unknown, unknown
