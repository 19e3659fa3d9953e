"""JSON and TOML as other people write them."""

import json

import pytest
from pydantic import BaseModel, ConfigDict

from mechprobe.models import MechprobeError
from mechprobe.models.base.safe.documents import parse_json, parse_toml, read_json, read_toml
from mechprobe.models.base.validation import validated

MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "b": {"c": 2, "c": 3}}', "the name 'c' stands there twice"),
        ('{"a": 1, "a": 1}', "the name 'a' stands there twice"),
        ('{"a": ' + "9" * 5_000 + "}", "thousands of digits"),
        ('{"a": [' + "9" * 400 + "]}", "a: a whole number has more than 300 digits"),
        ('{"a": 1e999}', "a: a number is not finite"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ("[" * 100_000, "nested deeper than 64 levels"),
        ("[" * 66 + "]" * 66, "nested deeper than 64 levels"),
        ('{"\\ud800": 1}', "surrogates"),
    ],
    ids=lambda value: value[:20],
)
def test_json_that_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "9" * 5_000, "thousands of digits"),
        ("a = -" + "9" * 400, "a: a whole number has more than 300 digits"),
        ("a = " + "[" * 100_000, "nested deeper than 64 levels"),
        ("a = " + "[" * 65 + "]" * 65, "nested deeper than 64 levels"),
        ("a" + ".a" * 65 + " = 1", "nested deeper than 64 levels"),
        ("a = 1\na = 2", "Cannot overwrite"),
        ("a = nan", "a: a number is not finite"),
    ],
    ids=lambda value: value[:20],
)
def test_toml_that_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        parse_toml(text)


def test_measured_numbers_need_not_be_finite():
    found = parse_json('{"a": [NaN, Infinity, 1e999]}', finite=False)["a"]
    assert found[0] != found[0]
    assert found[1:] == [float("inf")] * 2
    with pytest.raises(ValueError, match="twice"):
        parse_json('{"a": NaN, "a": 1}', finite=False)


def test_a_long_list_of_numbers_is_toml():
    rates = [i / 1000 for i in range(1, 1000)]
    assert parse_toml(f"lr = {rates}\nname = 'a.b.c'") == {"lr": rates, "name": "a.b.c"}


def test_a_byte_order_mark_is_skipped(tmp_path):
    (tmp_path / "a.json").write_bytes(MARK + b'{"a": 1}')
    (tmp_path / "a.toml").write_bytes(MARK + b"a = 1\n")
    assert read_json(tmp_path, "a.json") == read_toml(tmp_path / "a.toml") == {"a": 1}


@pytest.mark.parametrize("kind", ["json", "toml"])
@pytest.mark.parametrize("content", [b"\xff\xfe{\x00}\x00", b"{", b"a = [", b"\x00"])
def test_files_are_refused_in_a_line_that_names_them(kind, content, tmp_path):
    file = tmp_path / f"a.{kind}"
    file.write_bytes(content)
    with pytest.raises(MechprobeError) as caught:
        read_json(tmp_path, file.name) if kind == "json" else read_toml(file)
    assert str(caught.value).startswith(f"{file}: not readable {kind.upper()} (")


class Inner(BaseModel):
    """Sizes."""

    model_config = ConfigDict(strict=True, extra="forbid")
    sizes: list[int]
    half: float


class Outer(BaseModel):
    """A union in it: pydantic's places name the alternative too."""

    model_config = ConfigDict(strict=True, extra="forbid")
    n: int
    inner: Inner | int
    ids: dict[str, tuple[int, ...]] = {}


def test_whole_floats_are_integers_where_these_are_wanted():
    given = {"n": 8.0, "inner": {"sizes": [1.0, 2, 3.0], "half": 2.0}}
    found = validated(Outer, given, "here")
    assert json.loads(found.model_dump_json()) == {
        "n": 8, "inner": {"sizes": [1, 2, 3], "half": 2.0}, "ids": {},
    }  # fmt: skip
    assert type(found.n) is int
    assert given["n"] == 8.0
    assert type(given["n"]) is float  # what was given stays


@pytest.mark.parametrize("n", [8.5, True, "8", 1e400, float("nan"), [8.0], None])
def test_other_numbers_are_none(n):
    with pytest.raises(MechprobeError, match="here: n: Input should be a valid integer"):
        validated(Outer, {"n": n, "inner": 1}, "here")


def test_every_fault_that_is_none_of_floats_is_still_told():
    with pytest.raises(MechprobeError) as caught:
        validated(Outer, {"n": 8.0, "inner": 1, "more": 2}, "here")
    assert str(caught.value) == "here: more: Extra inputs are not permitted"
