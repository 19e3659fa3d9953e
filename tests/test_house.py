"""The house rules: which way imports run, and who may know whom."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import mechprobe
from mechprobe.models.hooked import family as families
from mechprobe.probes.reading import READINGS

SOURCE = Path(mechprobe.__file__).parent
LAYERS = ("models", "probes", "reports", "analyses")  # each may import those before it
FAMILIES = tuple(families.FAMILIES)
TASKS = tuple(READINGS)


@cache
def modules() -> dict[str, Path]:
    """Every module of ours and its file."""
    found = {}
    for layer in LAYERS:
        for file in sorted((SOURCE / layer).rglob("*.py")):
            name = ".".join(("mechprobe", *file.relative_to(SOURCE).with_suffix("").parts))
            found[name.removesuffix(".__init__")] = file
    return found


@cache
def tree(name: str) -> ast.Module:
    """A module's syntax."""
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


def imported(name: str) -> Iterator[str]:
    """Modules of ours that a module imports anywhere: in functions and for type checkers too."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mechprobe"):
            base = str(node.module)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in modules() else base
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("mechprobe"))


@cache
def graph() -> dict[str, set[str]]:
    """Who imports whom."""
    return {name: {i for i in imported(name) if i in modules()} - {name} for name in modules()}


def circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Groups of two and more modules that reach each other (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(edges[node]):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            group: set[str] = set()
            while node not in group:
                group.add(stack.pop())
            if len(group) > 1:
                found.append(group)

    for node in edges:
        if node not in index:
            visit(node)
    return found


def test_imports_run_downward() -> None:
    """analyses -> reports -> probes -> models."""
    rank = {layer: i for i, layer in enumerate(LAYERS)}
    upward = [
        f"{name} -> {other}"
        for name, others in graph().items()
        for other in others
        if rank[other.split(".")[1]] > rank[name.split(".")[1]]
    ]
    assert not upward


def test_there_are_no_circles() -> None:
    """Not even in imports that are put off into a function or made for type checkers only."""
    assert not circles(graph())


def test_circles_are_found() -> None:
    """What the test above rests on."""
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]
    assert not circles({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_nothing_outside_a_family_imports_its_hooked_file() -> None:
    """Families are found by the registry."""
    wrong = [
        f"{name} -> {other}"
        for name, others in graph().items()
        for other in others
        if other.startswith("mechprobe.models.families.")
        and other.split(".")[4:5] == ["hooked"]
        and not name.startswith(other.removesuffix("hooked"))
    ]
    assert not wrong


def test_nothing_but_a_study_knows_a_study() -> None:
    """Studies are found by their registry, and know nothing of one another."""
    studies = "mechprobe.analyses.studies."

    def room(module: str) -> str:
        return ".".join(module.split(".")[:4])

    wrong = [
        f"{name} -> {other}"
        for name, others in graph().items()
        for other in others
        if other.startswith(studies) and room(name) != room(other)
    ]
    assert not wrong


def test_no_comparison_with_the_name_of_a_family_or_task() -> None:
    """Who wants to know what a model is asks its family, its task or its task's reading."""

    def home(module: str) -> bool:
        parts = set(module.split("."))
        return bool(parts & {*FAMILIES, "teacher"})

    wrong = [
        f"{name}:{node.lineno} {word}"
        for name in modules()
        if not home(name)
        for node in ast.walk(tree(name))
        if isinstance(node, (ast.Compare, ast.match_case))
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and (word := part.value) in (*FAMILIES, *TASKS)
    ]
    assert not wrong


def test_no_module_looks_like_a_test() -> None:
    """Tools collect files by that name."""
    assert not [name for name in modules() if name.split(".")[-1].startswith("test")]


def test_tests_mirror_the_folders() -> None:
    """A newcomer finds a folder's tests where the folder is."""
    tests = Path(__file__).parent
    folders = {
        file.parent.relative_to(tests) for layer in LAYERS for file in (tests / layer).rglob("*.py")
    }
    assert not [folder for folder in sorted(folders) if not (SOURCE / folder).is_dir()]


WRITING = (
    "mkdir", "mkdtemp", "mkstemp", "rename", "rmdir", "rmtree", "touch", "unlink", "write_bytes",
    "write_text",
)  # fmt: skip
WRITERS = tuple(
    f"mechprobe.models.base.{name}" for name in ("files", "folders", "locks", "workplaces")
)
# Make damaged files on purpose, and temporary folders of their own.
HOSTILE = ("mechprobe.analyses.bench.hostile.", "mechprobe.analyses.bench.fuzz.")


def writes(name: str) -> Iterator[str]:
    """Where a module changes the disk by itself."""
    for node in ast.walk(tree(name)):
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        modes = [*node.args, *(k.value for k in node.keywords)] if called == "open" else []
        opened = any(
            isinstance(mode, ast.Constant) and isinstance(mode.value, str) and mode.value in MODES
            for mode in modes
        )
        if (isinstance(node.func, ast.Attribute) and called in WRITING) or opened:
            yield f"{name}:{node.lineno} {called}"


MODES = {kind + more for kind in "wax" for more in ("", "b", "t", "+", "b+")}


def test_one_place_writes() -> None:
    """Figures, pages, tables, states and logs alike: what is written is whole, or is not there."""
    wrong = [
        line
        for name in modules()
        if name not in WRITERS and not name.startswith(HOSTILE)
        for line in writes(name)
    ]
    assert not wrong
    assert any(line for name in WRITERS for line in writes(name))
