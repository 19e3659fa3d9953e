"""Names of models in a run: unique, stable, readable."""

import os
from itertools import permutations
from pathlib import Path

import pytest

from mechprobe.analyses.common.names import names_for, place_of


def named(paths: list[str], taken: dict[str, str] | None = None) -> dict[str, str]:
    """Names of paths below a folder that is not there."""
    root = Path("/nowhere")
    kept = {name: str(root / path) for name, path in (taken or {}).items()}
    return dict(zip(paths, names_for([root / path for path in paths], kept), strict=True))


@pytest.mark.parametrize(
    "wanted",
    [
        {"a/m": "m"},
        {"a/m": "m", "a/n": "n"},
        {"a/m": "a-m", "b/m": "b-m", "m-1": "m-1"},
        {"a/m": "m", "m-1": "m-1", "m-2": "m-2"},
        {"x/a/m": "x-a-m", "y/a/m": "y-a-m", "n": "n"},
        {"a/M": "a-M", "b/m": "b-m"},  # one file where case does not count
        {"a/e\u0301": "a-e\u0301", "b/\u00e9": "b-\u00e9"},  # one letter, in two spellings
        {"a/seed-0/m": "a-seed-0-m", "b/seed-0/m": "b-seed-0-m", "b/seed-1/m": "seed-1-m"},
    ],
    ids=str,
)
def test_a_name_is_the_shortest_end_of_the_path_that_tells_models_apart(
    wanted: dict[str, str],
) -> None:
    for order in permutations(wanted):
        assert named(list(order)) == wanted


def test_a_model_keeps_its_name_whatever_comes() -> None:
    assert named(["a/m", "b/m"], {"m": "a/m"}) == {"a/m": "m", "b/m": "b-m"}
    assert named(["b/m", "a/m"], {"m": "a/m"}) == {"a/m": "m", "b/m": "b-m"}
    taken = {"m": "a/m", "b-m": "b/m"}
    assert named(["c/m", "a/m", "b/m"], taken) == {"a/m": "m", "b/m": "b-m", "c/m": "c-m"}
    # A name that somebody else has there is not given again.
    assert named(["b/m"], {"m": "a/m"}) == {"b/m": "b-m"}
    assert named(["b/m"], {"m": "a/m", "b-m": "c/m"}) == {"b/m": "nowhere-b-m"}


def test_where_ends_of_paths_do_not_tell_a_digest_does() -> None:
    """Joined, they may be alike; and names that are no text all look alike."""
    found = named(["a/b-c/m", "a-b/c/m", "a/b/c/m"])
    assert len(set(found.values())) == 3
    odd = [os.fsdecode(name) for name in (b"a/\xfe", b"a/\xff")]
    found = named(odd)
    assert len(set(found.values())) == 2
    assert all(name.startswith("\ufffd-") and name.isprintable() for name in found.values())
    assert named(odd[::-1]) == found
    # Nor can the run's own notes tell which of the two it has.
    again = named(odd, {"\ufffd": "a/\ufffd"})
    assert "\ufffd" not in again.values()
    assert named(odd[:1], {"\ufffd": "a/\ufffd"}) == {odd[0]: "\ufffd"}


def test_names_are_short_and_printable() -> None:
    long = "n" * 250
    found = named([f"a/{long}", f"b/{long}", "c/\x1b[2J\n"])
    assert len(set(found.values())) == 3
    assert all(len(name.encode()) <= 100 and name.isprintable() for name in found.values())
    assert found["c/\x1b[2J\n"] == "\ufffd[2J "


def test_paths_to_one_checkpoint_have_one_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "latest").symlink_to("m")
    monkeypatch.chdir(tmp_path / "m")
    paths = [Path(), tmp_path / "m", tmp_path / "latest", Path("../m")]
    assert names_for(paths, {}) == ["m"] * 4
    assert names_for(paths, {"first": place_of(tmp_path / "latest")}) == ["first"] * 4
    assert names_for([Path("/")], {}) == ["model"]
