"""Paths that cannot be used, long and odd names, no memory, no cache: a line each, exit code 2."""

import errno
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from mechprobe.analyses.commands.main import main
from mechprobe.models import MechprobeError, construct, load
from mechprobe.models.base import compiled
from mechprobe.models.base.errors import LONGEST, begins_with, out_of_memory
from mechprobe.models.base.notices import notices
from mechprobe.probes.results import Metric


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, words)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.stderr


VERBS = [
    ("label", "PATH"),
    ("inspect", "PATH"),
    ("report", "PATH"),
    ("dynamics", "PATH"),
    ("sweep", "status", "PATH"),
    ("sweep", "extract", "PATH", "m", "--out", "o"),
    ("construct", "dot", "--T", "4", "--L", "4", "--out", "PATH"),
]


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
@pytest.mark.parametrize("path", ["a" * 5000, "loop", "file/x", "a\x1b[2J\u202eb"], ids=len)
def test_a_path_that_cannot_be_used_is_a_line(
    words: tuple[str, ...], path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    Path("file").write_text("x")
    code, said = run(*(path if word == "PATH" else word for word in words))
    if words[0] == "construct" and path.startswith("a\x1b"):
        assert code == 0  # an odd name is a name
        return
    assert code == 2
    assert said.count("\n") == 1
    assert said.strip().isprintable()
    assert len(said) < 1000


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_what_may_not_be_entered_is_not_missing(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, *args: object, **options: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(MechprobeError, match=rf"cannot be read \({os.strerror(number)}\)$"):
        load(tmp_path)


def test_messages_are_bounded_and_keep_both_ends() -> None:
    text = str(MechprobeError(f"{'a' * 9000}: no such folder; {'b ' * 9000}choose another"))
    assert len(text) <= LONGEST
    assert text.startswith("aaa")
    assert text.endswith("choose another")
    assert str(MechprobeError(text)) == text  # as when it comes from another process
    assert begins_with(text, "a" * 9000)
    assert not begins_with(text, "b")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError("Unable to allocate 3.5 GiB for an array"), r"\(3.5 GiB asked for at once\)"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"
                         " allocate 67645734912 bytes. Error code 12"),
            r"\(63.0 GiB asked for at once\)",
        ),
        (MemoryError(), "^out of memory; use"),
    ],
)  # fmt: skip
def test_no_memory_is_a_line(error: BaseException, says: str) -> None:
    assert re.search(says, out_of_memory(error) or "")
    assert out_of_memory(RuntimeError("shapes do not fit")) is None


@pytest.mark.parametrize(("T", "L"), [(50_000, 10), (16, 10_000)])
def test_a_costly_construction_is_refused_before_it_begins(T: int, L: int) -> None:
    with pytest.raises(MechprobeError, match=r"would take about .* operations and .* GiB"):
        construct("dot", T=T, L=L)


def test_a_full_disk_costs_the_cache_only(monkeypatch: pytest.MonkeyPatch) -> None:
    @compiled.compiled(nogil=True)
    def twice(x: float) -> float:
        return 2 * x

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(twice._cache.cache, "save_overload", full)  # type: ignore[attr-defined]
    monkeypatch.setattr(twice._cache.cache, "load_overload", full)  # type: ignore[attr-defined]
    assert twice(2.0) == 4.0
    assert any("compiled code cannot be kept" in line for line in notices())


def test_an_infinite_metric_is_one_that_is_not_defined() -> None:
    stored = '{"value": 1e999, "unit": "1", "low": null, "high": null, "description": ""}'
    assert Metric.model_validate_json(stored).value is None
