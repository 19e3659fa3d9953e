"""The page of public names says what the code says, and every name says what it is."""

import inspect
import re
from pathlib import Path

import pytest

import mechprobe
from docs import make_api

ROOT = Path(__file__).parents[2]
PUBLIC = {module: make_api.public(module) for module in ("mechprobe", *mechprobe.PACKAGES)}
THINGS = [(module, name) for module, things in PUBLIC.items() for name in things]


def test_the_page_is_as_the_code() -> None:
    """A name or signature that changes is seen in the page's changes."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert page == make_api.page(), (
        "what is public has changed: run `python docs/make_api.py`, look at what changed in"
        " docs/api.md, and tell users of it in CHANGELOG.md"
    )


@pytest.mark.parametrize(("module", "name"), THINGS, ids=lambda word: word)
def test_every_public_name_says_what_it_is(module: str, name: str) -> None:
    """A docstring of its own; a plain value is shown as it is."""
    thing = PUBLIC[module][name]
    if inspect.isclass(thing) or inspect.isroutine(thing) or inspect.ismodule(thing):
        text = thing.__doc__ or ""
        assert text.strip(), f"{module}.{name} has no docstring"
        assert not text.startswith(f"{name}("), f"{module}.{name} has dataclass's docstring only"
    else:
        assert len(repr(thing)) < 100


def test_the_readme_uses_public_names_alone() -> None:
    """What a newcomer copies goes on working."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    assert set(re.findall(r"\bmechprobe\.([A-Za-z]\w*)", code)) <= set(mechprobe.__all__)
    for module, names in re.findall(r"^from (mechprobe[\w.]*) import (.*)$", code, re.MULTILINE):
        assert module in PUBLIC, f"{module} is not in mechprobe.PACKAGES"
        assert set(names.split(", ")) <= {*mechprobe.__all__, *PUBLIC[module]}


def test_a_declaration_shows_a_changed_signature() -> None:
    """Of functions, and of a class's methods, fields and properties."""

    class Kept:
        """A thing."""

        size: int = 3

        @property
        def area(self) -> float:
            """Square."""
            return self.size**2.0

        def grow(self, by: int, *, fast: bool = False) -> None:
            """Grow."""

        def _hidden(self) -> None: ...

    def cut(kept: Kept, at: int = 1) -> "Kept":
        """Cut it.

        Args:
            at: where.
        """
        return kept

    assert make_api.declaration("Kept", Kept).splitlines() == [
        "class Kept",
        '    """A thing."""',
        "    size: int = 3",
        "    area: float",
        "    def grow(self, by: int, *, fast: bool=False) -> None",
    ]
    assert make_api.declaration("cut", cut).splitlines() == [
        "def cut(kept: Kept, at: int=1) -> 'Kept'",
        '    """Cut it.',
        "",
        "    Args:",
        "        at: where.",
        '    """',
    ]
