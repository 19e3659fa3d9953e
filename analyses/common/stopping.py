"""Ctrl-C and the signals that ask a command to end: one line at any moment, and nothing half-done.

Light on purpose: it is imported before anything else, so that Ctrl-C finds it already in place.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from mechprobe.models.base.errors import Ended

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
PATIENCE = 10.0  # seconds to unwind in; workers take up to three
GOES_ON = "the same command goes on where it was"


class _State:
    """What is known of the command that this process runs."""

    met: int | None = None  # the signal that ended it
    since = 0.0  # when, as time.monotonic tells it
    over = False  # whether it has said all it had to say
    keeps = False  # whether it keeps its work as it goes


_STATE = _State()


def goes_on() -> None:
    """From now on the running command keeps what it has done: run again, it goes on there."""
    _STATE.keeps = True


def asked() -> bool:
    """Whether a signal has asked the running command to end."""
    return _STATE.met is not None


def last_words() -> tuple[str, int]:
    """What to say of a command that was stopped, and its exit code: 130 for Ctrl-C."""
    _STATE.over = True
    number = signal.SIGINT if _STATE.met is None else _STATE.met
    return _words(number), _code(number)


def _words(number: int) -> str:
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    return f"stopped{by}" + (f"; {GOES_ON}" if _STATE.keeps else "")


def _code(number: int) -> int:
    return 128 + number  # as shells have it


@contextmanager
def listening(to_the_end: bool) -> Iterator[None]:
    """Within it, signals end the command as `Ended`, which unwinds it.

    Args:
        to_the_end: whether the process is there for this command alone; a signal on its last
            steps, when the command is over, ends it without a word then.
    """
    _STATE.met, _STATE.over, _STATE.keeps = None, False, False
    before = _take(_on_signal)
    hook = sys.unraisablehook
    sys.unraisablehook = lambda found: _unraisable(found, hook)
    try:
        yield
    finally:
        _STATE.over = True
        if not to_the_end:
            sys.unraisablehook = hook
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def starting() -> Iterator[None]:
    """While the command's own modules are imported, a signal ends the process with a line."""
    before = _take(lambda number, _: _leave(number))
    # The package held them back (mechprobe/__init__.py); one that came is told now.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _take(handler: Any) -> dict[int, Any]:
    """Handle the signals that nobody handles; one that is ignored (nohup) stays ignored.

    Returns:
        What was there before.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    nobody = (signal.SIG_DFL, signal.default_int_handler)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: found for number, found in before.items() if found in nobody}
    for number in before:
        signal.signal(number, handler)
    return before


def _on_signal(number: int, frame: FrameType | None) -> None:
    # Importing, there is nothing to unwind, and imported code may swallow what is raised in it.
    if _STATE.over or _importing(frame):
        _leave(number)
    # One more while the first is at work changes nothing, unless that takes very long.
    if _STATE.met is not None:
        if time.monotonic() - _STATE.since < PATIENCE:
            return
        _leave(number)
    _STATE.met, _STATE.since = number, time.monotonic()
    raise Ended(_code(number))


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _leave(number: int) -> NoReturn:
    if not _STATE.over:
        with suppress(Exception):
            sys.stdout.flush()  # what was printed before
        with suppress(OSError):
            os.write(2, f"mechprobe: {_words(number)}\n".encode())
    os._exit(_code(number))


def _unraisable(found: "sys.UnraisableHookArgs", otherwise: Any) -> None:
    """What is raised while an object is thrown away reaches nobody, a signal's `Ended` neither."""
    if isinstance(found.exc_value, Ended) and _STATE.met is not None:
        _leave(_STATE.met)
    # A stop leaves objects half-made (numba's, while it compiles), which may complain as they go.
    if _STATE.met is None:
        otherwise(found)
