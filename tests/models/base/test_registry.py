"""The one registry: names, where entries come from, broken packages, isolation for tests."""

import importlib
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mechprobe.models import MechprobeError
from mechprobe.models.base.registry import HYPHENS, Registry, modules_in, refuse_lacking

# A package's modules reach the registries of these tests by this name.
HERE: dict[str, Registry[int]] = {}
PREAMBLE = "import sys\nHERE = sys.modules['registry_under_test'].HERE\n"


@pytest.fixture(autouse=True)
def _reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "registry_under_test", sys.modules[__name__])
    HERE.clear()


Install = Callable[[str, str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a distribution on the path: its module, and an entry point of a group."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(module: str, group: str, body: str) -> None:
        (tmp_path / f"{module}.py").write_text(PREAMBLE + body)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{module} = {module}\n")
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, module, raising=False)

    return put


def made(kind: str = "thing", group: str = "tests.things") -> Registry[int]:
    """A registry with two entries."""
    registry: Registry[int] = Registry(kind, group, [])
    registry.add("first", 1, "tests.here")
    registry.add("second-one", 2, "tests.there")
    HERE[kind] = registry
    return registry


def test_it_is_a_mapping_in_the_order_of_registration() -> None:
    registry = made()
    assert dict(registry) == {"first": 1, "second-one": 2}
    assert registry["first"] == 1
    assert len(registry) == 2
    assert "third" not in registry
    assert registry != made()
    with pytest.raises(KeyError):
        registry["third"]


def test_a_name_taken_twice_names_both_sources() -> None:
    registry = made()
    with pytest.raises(MechprobeError) as caught:
        registry.add("first", 3, "mechprobe.elsewhere")
    assert re.fullmatch(
        r"thing 'first' is registered twice, by tests \(tests\.here\) and by mechprobe \S+"
        r" \(mechprobe\.elsewhere\); choose another name",
        str(caught.value),
    )
    assert registry["first"] == 1


@pytest.mark.parametrize("name", ["", "Upper", "two words", "a_b", "a-", "-a", "x\n", "\x1b[2J"])
def test_names_have_a_form(name: str) -> None:
    registry = made()
    with pytest.raises(MechprobeError, match="has to be lower-case words with hyphens"):
        registry.add(name, 3, "tests.here")
    anything: Registry[int] = Registry("thing", "tests.things", [], form=None)
    anything.add(name, 3, "tests.here")
    assert anything.find(name) == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("frist", "did you mean 'first'?"),
        ("elephant", "choose from first, second-one"),
        (7, "thing 7 is unknown"),
        (None, "thing None is unknown"),
        (["first"], "is unknown"),
    ],
)
def test_unknown_names_are_one_line_with_the_nearest_spelling(name: object, said: str) -> None:
    with pytest.raises(MechprobeError) as caught:
        made().find(name, "config.json")
    assert str(caught.value).startswith("config.json: thing ")
    assert said in str(caught.value)


def test_long_lists_are_cut() -> None:
    registry: Registry[int] = Registry("thing", "tests.things", [])
    for number in range(40):
        registry.add("a" * (number + 1), number, "tests.here")
    with pytest.raises(MechprobeError, match="and 10 more"):
        registry.find("z")


def test_an_installed_package_is_found_when_a_name_is_asked_for(install: Install) -> None:
    registry = made()
    install("brings_third", "tests.things", "HERE['thing'].add('third', 3, __name__)\n")
    assert "brings_third" not in sys.modules
    assert registry["third"] == 3
    found = registry.registered()["third"]
    assert (found.module, found.is_ours) == ("brings_third", False)
    assert registry.problems() == ()


def test_a_broken_package_is_one_line_and_leaves_nothing_anywhere(install: Install) -> None:
    registry, other = made(), made("other", "tests.others")
    body = "HERE['thing'].add('half', 3, __name__)\nHERE['other'].add('half', 3, __name__)\n"
    install("breaks", "tests.things", body + "raise RuntimeError('two\\nlines')\n")
    install("works", "tests.things", "HERE['thing'].add('whole', 4, __name__)\n")
    assert registry.problems() == ("package breaks: RuntimeError: two lines; left out",)
    assert list(registry) == ["first", "second-one", "whole"]
    assert list(other) == ["first", "second-one"]


def test_a_package_that_takes_a_name_of_ours_is_left_out(install: Install) -> None:
    registry = made()
    install("takes_first", "tests.things", "HERE['thing'].add('first', 3, __name__)\n")
    (problem,) = registry.problems()
    assert "'first' is registered twice, by tests (tests.here) and by takes_first" in problem
    assert registry["first"] == 1


def test_what_is_registered_in_isolation_is_gone_afterwards(install: Install) -> None:
    registry = made()
    assert registry.problems() == ()
    install("late", "tests.things", "raise RuntimeError('late')\n")
    with registry.isolated() as alone:
        assert alone is registry
        registry.add("third", 3, "tests.here")
        assert len(registry) == 3
        assert len(registry.problems()) == 1  # packages are looked for anew
    assert list(registry) == ["first", "second-one"]
    assert registry.problems() == ()


def test_rooms_are_modules_packages_and_patterns() -> None:
    base = "mechprobe.models.base"
    assert list(modules_in(f"{base}.registry")) == [f"{base}.registry"]
    assert f"{base}.files" in list(modules_in(f"{base}.*"))
    families = list(modules_in("mechprobe.models.families.*.hooked"))
    assert families == [
        f"mechprobe.models.families.{name}.hooked"
        for name in ("counting", "foreign", "solvable", "transformer")
    ]
    # A family without formats is passed over.
    formats = list(modules_in("mechprobe.models.families.*.formats.*"))
    assert not any(".solvable." in name for name in formats)
    readers = (
        ("counting", "published"),
        ("foreign", "transformer_lens"),
        ("transformer", "published"),
    )
    for family, reader in readers:
        assert f"mechprobe.models.families.{family}.formats.{reader}" in formats
    assert list(modules_in(f"{base}.missing")) == []
    assert list(modules_in("mechprobe.models.missing.*")) == []


def test_rooms_are_loaded_when_first_looked_into(install: Install) -> None:
    install("a_room", "tests.nothing", "HERE['thing'].add('from-a-room', 5, __name__)\n")
    registry: Registry[int] = Registry("thing", "tests.things", ["a_room"])
    HERE["thing"] = registry
    assert "a_room" not in sys.modules
    assert registry["from-a-room"] == 5


@pytest.mark.parametrize("name", ["a", "a1-b2", "label-free"])
def test_hyphenated_words(name: str) -> None:
    assert HYPHENS.fullmatch(name)


def test_the_order_is_that_of_the_modules_whatever_came_first() -> None:
    registry: Registry[int] = Registry("thing", "tests.things", [])
    for name, module in (
        ("outside", "elsewhere"),
        ("later", "mechprobe.b"),
        ("sooner", "mechprobe.a"),
        ("second", "mechprobe.a"),
    ):
        registry.add(name, 0, module)
    assert list(registry) == ["sooner", "second", "later", "outside"]


def test_a_name_of_ours_stays_ours_whoever_comes_first(install: Install) -> None:
    """Others may register before ours were ever looked for."""
    registry: Registry[int] = Registry("thing", "tests.things", ["our_room"])
    HERE["thing"] = registry
    body = "HERE['thing'].add('ours', 1, 'mechprobe.room')\n"
    install("our_room", "tests.nothing", body)
    with pytest.raises(MechprobeError, match=r"by mechprobe .* and by elsewhere"):
        registry.add("ours", 2, "elsewhere")
    assert dict(registry) == {"ours": 1}


def test_a_room_that_fails_is_told_each_time(install: Install) -> None:
    registry: Registry[int] = Registry("thing", "tests.things", ["our_room"])
    HERE["thing"] = registry
    install("our_room", "tests.nothing", "raise RuntimeError('broken')\n")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="broken"):
            list(registry)


def test_a_cell_of_a_notebook_may_be_run_again() -> None:
    registry = made()
    registry.add("mine", 3, "__main__")
    registry.add("mine", 4, "__main__")
    assert registry["mine"] == 4
    with pytest.raises(MechprobeError, match="registered twice"):
        registry.add("first", 5, "__main__")


def test_an_unknown_name_says_what_could_not_be_loaded(install: Install) -> None:
    registry = made()
    install("breaks", "tests.things", "raise RuntimeError('no')\n")
    with pytest.raises(MechprobeError, match="; package breaks: RuntimeError: no; left out"):
        registry.find("third")


def test_what_lacks_a_part_is_refused() -> None:
    class Half:
        present = 1

    refuse_lacking("thing 'half'", Half, ("present",))
    with pytest.raises(MechprobeError, match=r"^thing 'half': Half lacks absent, gone$"):
        refuse_lacking("thing 'half'", Half, ("gone", "present", "absent"))


@pytest.mark.parametrize("ending", ["raise RuntimeError('bad')", "raise SystemExit(3)"])
def test_what_a_broken_package_met_on_its_way_stays(ending: str, install: Install) -> None:
    """Ours, loaded because it asked for them, and another package that it imported."""
    registry: Registry[int] = Registry("thing", "tests.things", ["our_room"])
    HERE["thing"] = registry
    install("our_room", "tests.nothing", "HERE['thing'].add('ours', 1, 'mechprobe.room')\n")
    install("good", "tests.things", "HERE['thing'].add('good', 2, __name__)\n")
    half = "import good\nHERE['thing'].add('half', 3, __name__)\nlist(HERE['thing'])\n"
    install("a_bad_one", "tests.things", half + ending + "\n")
    (problem,) = registry.problems()
    assert problem.startswith("package a_bad_one: ")
    assert dict(registry) == {"ours": 1, "good": 2}


def test_isolation_first_keeps_what_is_installed(install: Install) -> None:
    registry = made()
    install("installed", "tests.things", "HERE['thing'].add('third', 3, __name__)\n")
    with registry.isolated():
        assert "third" in registry
    assert "third" in registry


def test_every_thread_sees_the_whole(install: Install) -> None:
    registry: Registry[int] = Registry("thing", "tests.things", ["slow_room"])
    HERE["thing"] = registry
    body = "import time; time.sleep(0.2)\nHERE['thing'].add('ours', 1, 'mechprobe.room')\n"
    install("slow_room", "tests.nothing", body)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: len(registry), range(4))) == [1, 1, 1, 1]
