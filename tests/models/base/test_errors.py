"""Messages are one line, printable and short, whatever hostile files hold."""

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from mechprobe.models import MechprobeError
from mechprobe.models.base.errors import short
from mechprobe.models.base.validation import validated


class Odd(BaseModel):
    """A schema for these tests."""

    model_config = ConfigDict(extra="forbid")
    even: int = 0

    @field_validator("even")
    @classmethod
    def _is_even(cls, even: int) -> int:
        if even % 2:
            raise ValueError(f"{even} is odd")
        return even


def test_a_message_is_one_printable_line() -> None:
    said = str(MechprobeError("a\nb\tc\u00a0\x1b[2J\x9b0m\u202e\udc80 \u00fc\u4e2d\u2211"))
    assert said == "a b c \ufffd[2J\ufffd0m\ufffd\ufffd \u00fc\u4e2d\u2211"
    assert said.isprintable()


def test_texts_are_cut() -> None:
    assert short("x" * 100) == "x" * 100
    assert short("x" * 101) == "x" * 97 + "..."
    assert short(None) == "None"


def test_faults_are_few_short_and_in_our_words() -> None:
    with pytest.raises(MechprobeError) as caught:
        validated(Odd, {"even": 3}, "here")
    assert str(caught.value) == "here: even: 3 is odd"
    with pytest.raises(MechprobeError) as caught:
        validated(Odd, {f"{i}{'x' * 9999}": 0 for i in range(40)}, "here")
    assert str(caught.value).endswith("; and 35 more")
    assert len(str(caught.value)) < 1000
    with pytest.raises(MechprobeError, match=r"^here: Input should be"):
        validated(Odd, [], "here")
