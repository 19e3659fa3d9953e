"""What a reader did beyond reading: sentences that reach whoever asked for the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


def tell(sentence: str) -> None:
    """Say what was taken, dropped or changed; nobody need listen."""
    heard = _heard.get()
    if heard is not None and sentence not in heard:
        heard.append(sentence)


@contextmanager
def listening() -> Iterator[list[str]]:
    """What is told while the block runs, each sentence once."""
    heard: list[str] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)
