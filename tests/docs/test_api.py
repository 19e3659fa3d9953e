"""The page of public names says what the code says, and every name says what it is."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

import mechprobe
from docs import make_api

ROOT = Path(__file__).parents[2]
PUBLIC = {module: make_api.public(module) for module in ("mechprobe", *mechprobe.PACKAGES)}
IMPORTABLE = set(PUBLIC) | {
    f"{module}.{name}" for module in PUBLIC for name in import_module(module).__all__
}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Names that examples use and that may change, with the reason.
COUNTING = "mechprobe.models.families.counting"
PRIVATE = {
    **dict.fromkeys(
        [f"{COUNTING}.constructions.assemble.{name}" for name in ("Code", "assemble", "reading")]
        + [f"{COUNTING}.constructions.designs.{name}" for name in ("basis", "private_reading")],
        "pieces of our own constructions; a construction may get its weights in any way",
    ),
    **dict.fromkeys(
        [
            f"{COUNTING}.symmetries.{name}"
            for name in ("random_symmetry", "random_invertible", "residual_gl")
        ],
        "transformations for tests of probes; `check_probe` is the public way to run them",
    ),
    "mechprobe.analyses.commands.inspect.inspecting.inspect_path": (
        "the example shows what `mechprobe inspect --json` prints"
    ),
}
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
        assert len(make_api.declaration(name, thing)) < 100


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_use_public_names_alone(page: Path) -> None:
    """What a reader copies goes on working."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("mechprobe"):
                names = {f"{node.module}.{name.name}" for name in node.names}
            elif isinstance(node, ast.Import):
                names = {name.name for name in node.names if name.name.startswith("mechprobe.")}
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "mechprobe":
                names = {ast.unparse(node)}
            else:
                continue
            assert names - PRIVATE.keys() <= IMPORTABLE


def test_private_names_on_pages_are_there_and_private() -> None:
    """The list of exceptions holds no more than it must."""
    code = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for name in PRIVATE:
        module, _, last = name.rpartition(".")
        assert f"from {module} import" in code
        assert last in code
        assert name not in IMPORTABLE


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
        "def cut(kept: Kept, at: int=1) -> Kept",
        '    """Cut it.',
        "",
        "    Args:",
        "        at: where.",
        '    """',
    ]
