"""Packages whose names load when they are first asked for (PEP 562).

What such a package offers is written once, as imports that type checkers, editors and this module
read:

    if TYPE_CHECKING:
        from mechprobe.models.checkpoints import load as load
    else:
        __getattr__, __dir__, __all__ = lazy(__name__)
"""

import ast
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def lazy(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """What stands in a package for the imports that it defers.

    Args:
        package: its `__name__`; its file has one block of `if TYPE_CHECKING` with nothing but
            `from MODULE import NAME as NAME`, or `from MODULE import NAME` and `OTHER = NAME`.

    Returns:
        Its `__getattr__`, `__dir__` and `__all__`.
    """
    sources = deferred(package)

    def attribute(name: str) -> Any:
        if name not in sources:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, original = sources[name]
        if module == package:
            return import_module(f"{package}.{original}")
        with importing():
            value = getattr(import_module(module), original)
        setattr(sys.modules[package], name, value)  # from now on it is found without us
        return value

    def names() -> list[str]:
        return sorted(vars(sys.modules[package]).keys() | sources.keys())

    return attribute, names, sorted(sources)


@contextmanager
def importing() -> Iterator[None]:
    """Import without looking for garbage meanwhile: modules leave little, and among torch's many
    objects each look takes long, a sixth of the whole start."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def deferred(package: str) -> dict[str, tuple[str, str]]:
    """What a package defers: by name, the module it is from and its name there."""
    spec = find_spec(package)
    assert spec is not None
    # Loaders read from zip files too.
    source = spec.loader.get_source(package)  # type: ignore[union-attr]
    block = next(node for node in ast.parse(source).body if _is_deferring(node))
    found, public = {}, {}
    for node in block.body:
        if isinstance(node, ast.ImportFrom):
            for name in node.names:
                found[name.name] = (str(node.module), name.name)
                if name.asname is not None:
                    public[name.asname] = found[name.name]
        elif isinstance(node, ast.Assign):
            public[ast.unparse(node.targets[0])] = found[ast.unparse(node.value)]
    return public


def _is_deferring(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
