"""Faults of outside data in one line: the field, what stands there, what is wanted."""

import pytest
from pydantic import BaseModel

from mechprobe.models import MechprobeError
from mechprobe.models.base.validation import known_version, validated


class Shape(BaseModel):
    """Something to check."""

    width: int
    name: str = ""


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"width": "x"}, "here: width: Input should be a valid integer"),
        ({"width": 1.5}, "1.5 stands there"),
        ({"width": None}, "null stands there"),
        ({"width": [1]}, "a list stands there"),
        ({"width": 3, "name": {}}, "name: Input should be a valid string, an object stands there"),
        ({}, "width: Field required"),
        ({"width": "x" * 5000}, "'xxx"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_fault_names_the_field_and_what_stands_there(data: object, said: str) -> None:
    with pytest.raises(MechprobeError) as caught:
        validated(Shape, data, "here")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("version", [0, -1, 4, 10**5000, "3", 3.0, True, None, [3]], ids=type)
def test_versions_that_are_not_known_are_refused(version: object) -> None:
    with pytest.raises(ValueError, match="version"):
        known_version(version, 3)
    assert [known_version(found, 3) for found in (1, 2, 3)] == [1, 2, 3]
