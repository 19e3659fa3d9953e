"""Outside data against a schema, faults in one line."""

import copy
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mechprobe.models.base.errors import MechprobeError, short

Schema = TypeVar("Schema", bound=BaseModel)
MOST = 5  # faults listed per message
# Faults whose words name what stands there, or where nothing does.
SAYS_IT_ALL = {"value_error", "assertion_error", "missing", "extra_forbidden", "json_invalid"}
# How pydantic names the alternatives of a union, and keys.
INNER = re.compile(r"(literal|dict|tuple|list|function-\w+|nullable)?\[.*\]", re.DOTALL)


def validated(schema: type[Schema], data: object, where: str) -> Schema:
    """Outside data as a checked object.

    Args:
        schema: what it has to be.
        data: as it was read.
        where: what the message starts with.

    Raises:
        MechprobeError: with the first five faults in one line, and how many more there are.
    """
    try:
        return fitted(schema, data)
    except ValidationError as error:
        raise MechprobeError(f"{where}: {faults_in(error)}") from None


def known_version(found: object, newest: int, field: str = "version") -> int:
    """The version that stored data says it is of; every kind of stored data asks here.

    Args:
        found: as it was read.
        newest: the version that this mechprobe writes; it reads all before, from 1 on.
        field: where it stands, for the message.

    Raises:
        ValueError: not a whole number, below 1, or of a newer mechprobe.
    """
    if type(found) is not int or found < 1:
        raise ValueError(f"{field}: {shown(found)} stands there, 1 to {newest} are wanted")
    if found > newest:
        raise ValueError(
            f"schema version {shown(found)} is newer than this mechprobe reads ({newest});"
            " update mechprobe"
        )
    return found


def fitted(schema: type[Schema], data: object) -> Schema:
    """Outside data as a checked object; 8.0 is taken for 8 where a whole number is wanted, for
    writers of JSON that know floats alone.

    Raises:
        ValidationError: pydantic's.
    """
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        floats = [fault for fault in faults if _is_whole(fault)]
        if not floats:
            raise
        data = copy.deepcopy(data)
        for fault in floats:
            _put(data, fault["loc"], int(fault["input"]))
    return schema.model_validate(data)


def _is_whole(fault: ErrorDetails) -> bool:
    given = fault["input"]
    return fault["type"] == "int_type" and isinstance(given, float) and given.is_integer()


def _put(data: Any, place: tuple[int | str, ...], number: int) -> None:
    """Write a number where pydantic says it found another; names of alternatives of a union are
    parts of the place, but not of the data."""
    holder, last = None, None
    for part in place:
        key = next((k for k in (part, str(part)) if _has(data, k)), None)
        if key is not None:
            holder, last, data = data, key, data[key]
    if holder is not None and data == number:
        holder[last] = number


def _has(data: Any, key: int | str) -> bool:
    if isinstance(data, list):
        return isinstance(key, int) and key < len(data)
    return isinstance(data, dict) and key in data


def faults_in(error: ValidationError) -> str:
    """What pydantic found, in our words, bounded in length."""
    found = error.errors(include_url=False)
    more = [f"and {len(found) - MOST} more"] if len(found) > MOST else []
    return "; ".join([*(_fault_text(fault) for fault in found[:MOST]), *more])


def _fault_text(fault: ErrorDetails) -> str:
    place = short(".".join(s for s in map(str, fault["loc"]) if not INNER.fullmatch(s)))
    # Neither how pydantic announces a validator's own words nor the name of a class is wanted.
    words = short(re.sub(r"^Value error, | or instance of \w+$", "", fault["msg"]), 200)
    if fault["type"] not in SAYS_IT_ALL:
        words += f", {shown(fault['input'])} stands there"
    return f"{place}: {words}" if place else words


def shown(value: object) -> str:
    """A value of outside data in a message: numbers and texts as they are, of others the kind."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return short(repr(value), 60)
    if isinstance(value, int) and abs(value) > 10**20:
        return "a very long number"  # Python refuses to write those of 5,000 digits
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else f"a {type(value).__name__}"
