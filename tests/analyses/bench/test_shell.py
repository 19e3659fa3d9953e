"""Benchmarks run as modules: what is wrong is one line, and exit code 2."""

import argparse

import pytest

from mechprobe.analyses.bench.shell import from_shell, positive
from mechprobe.models import MechprobeError


@pytest.mark.parametrize(
    ("error", "says"),
    [(MechprobeError("a: bad"), "a: bad"), (FileExistsError(17, "File exists", "x"), "x")],
)
def test_what_is_wrong_is_one_line(
    error: Exception, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as caught:
        from_shell(main)
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert said.startswith("error: ")
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", ""])
def test_numbers_of_models_are_at_least_one(text: str) -> None:
    assert positive("3") == 3
    with pytest.raises(argparse.ArgumentTypeError, match="whole number of at least 1"):
        positive(text)
