"""Write docs/api.md: every public name with its signature and what its docstring says.

    python docs/make_api.py

Public are the names of `mechprobe` and of the packages in `mechprobe.PACKAGES`.
"""

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent, indent
from types import ModuleType

import mechprobe

MOST = 100  # letters of a value that is shown; of a longer one the type is
PAGE = Path(__file__).with_name("api.md")
BEGIN = """# Public names

What is listed here is what you can rely on: the names of `mechprobe`, and those of the packages
for work with one family, the theory, sweeps or extensions. Everything else may change without
notice. This page is made by `python docs/make_api.py`, and a test compares it with the code: where
a name or a signature changes, the change shows here and belongs in CHANGELOG.md.
"""


def page() -> str:
    """The page as it should be."""
    modules = ("mechprobe", *mechprobe.PACKAGES)
    return "\n".join([BEGIN, *(section(module, public(module)) for module in modules)])


def public(module: str) -> dict[str, object]:
    """Names of one package with what they are, but for those that `mechprobe` itself has."""
    package = import_module(module)
    names = set(package.__all__) - (set() if package is mechprobe else set(mechprobe.__all__))
    return {name: getattr(package, name) for name in sorted(names)}


def section(module: str, things: dict[str, object]) -> str:
    """One package: what it is for, and its names in alphabetical order."""
    entries = [entry(name, thing) for name, thing in things.items()]
    return "\n".join([f"## {module}\n", f"{summary(import_module(module))}\n", *entries])


def entry(name: str, thing: object) -> str:
    """One name: a heading and the declaration."""
    return f"### {name}\n\n```py\n{declaration(name, thing)}\n```\n"


def declaration(name: str, thing: object) -> str:
    """A function or class as its source declares it; a package or a value in one line."""
    if isinstance(thing, ModuleType):
        return f"import {thing.__name__}  # {summary(thing)}"
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        value = f"{name} = {thing!r}"
        told = " object at 0x" not in value and len(value) < MOST
        return value if told else f"{name}: {type(thing).__name__}"
    node = Unquoted().visit(ast.parse(dedent(inspect.getsource(thing))).body[0])
    if isinstance(node, ast.ClassDef):
        return "\n".join(of_class(node))
    assert isinstance(node, ast.FunctionDef)
    return "\n".join(of_function(node, name))


class Unquoted(ast.NodeTransformer):
    """Types as one reads them: those in quotes are of modules that load when they are needed."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """An argument's."""
        node.annotation = unquoted(node.annotation)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        """A field's."""
        node.annotation = unquoted(node.annotation) or node.annotation
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """What a function gives."""
        self.generic_visit(node)
        node.returns = unquoted(node.returns)
        return node


def unquoted(annotation: ast.expr | None) -> ast.expr | None:
    """An annotation; one that is all in quotes without them."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


def of_function(node: ast.FunctionDef, name: str) -> Iterator[str]:
    """Signature and docstring."""
    yield signature(node, name)
    yield from docstring(node)


def signature(node: ast.FunctionDef, name: str) -> str:
    """As it is written; a property is a name with a type."""
    returns = ast.unparse(node.returns) if node.returns else "None"
    if any(ast.unparse(d) in ("property", "cached_property") for d in node.decorator_list):
        return f"{name}: {returns}"
    return f"def {name}({ast.unparse(node.args)}) -> {returns}"


def of_class(node: ast.ClassDef) -> Iterator[str]:
    """Bases, docstring, public fields, properties and methods."""
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    yield f"class {node.name}({bases})" if bases else f"class {node.name}"
    yield from docstring(node)
    for child in node.body:
        if isinstance(child, ast.AnnAssign) and is_public(ast.unparse(child.target)):
            yield f"    {ast.unparse(child)}"
        elif isinstance(child, ast.FunctionDef) and is_public(child.name):
            yield f"    {signature(child, child.name)}"


def is_public(name: str) -> bool:
    """Names without an underscore, and how a thing is made and called."""
    return not name.startswith("_") or name in ("__init__", "__call__")


def docstring(node: ast.FunctionDef | ast.ClassDef) -> Iterator[str]:
    """Indented, in its quotes; nothing where there is none."""
    if text := ast.get_docstring(node):
        yield indent(f'"""{text}' + "\n" * ("\n" in text) + '"""', "    ")


def summary(module: ModuleType) -> str:
    """First line of a docstring."""
    return (module.__doc__ or "").split("\n")[0]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
