"""Outside data against a schema, faults in one line."""

import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mechprobe.models.base.errors import MechprobeError, short

Schema = TypeVar("Schema", bound=BaseModel)
MOST = 5  # faults listed per message
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
        return schema.model_validate(data)
    except ValidationError as error:
        raise MechprobeError(f"{where}: {faults_in(error)}") from None


def faults_in(error: ValidationError) -> str:
    """What pydantic found, in our words, bounded in length."""
    found = error.errors(include_url=False, include_input=False)
    more = [f"and {len(found) - MOST} more"] if len(found) > MOST else []
    return "; ".join([*(_fault_text(fault) for fault in found[:MOST]), *more])


def _fault_text(fault: ErrorDetails) -> str:
    place = short(".".join(s for s in map(str, fault["loc"]) if not INNER.fullmatch(s)))
    # Neither how pydantic announces a validator's own words nor the name of a class is wanted.
    words = short(re.sub(r"^Value error, | or instance of \w+$", "", fault["msg"]))
    return f"{place}: {words}" if place else words
