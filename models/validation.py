"""Outside data against a schema, faults in one line."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from models.errors import MechprobeError

Schema = TypeVar("Schema", bound=BaseModel)


def validated(schema: type[Schema], data: object, where: str) -> Schema:
    """Outside data as a checked object.

    Args:
        schema: what it has to be.
        data: as it was read.
        where: what the message starts with.

    Raises:
        MechprobeError: with every fault in one line.
    """
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'config'}: {e['msg']}" for e in error.errors()
        )
        raise MechprobeError(f"{where}: {faults}") from None
