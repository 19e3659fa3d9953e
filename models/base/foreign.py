"""Code of others, run so that it cannot take the rest along.

Whatever it raises is one line, `sys.exit` included; what it prints goes to standard error, so that
`--json` stays JSON; what the whole process shares is put back when it ends.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, NamedTuple

from mechprobe.models.base.errors import MechprobeError, one_line


class _Shared(NamedTuple):
    """One thing that the process shares: what a message calls it, as it was, and how it is set."""

    name: str
    value: Any
    read: Callable[[], Any]
    write: Callable[[Any], object]


@contextmanager
def foreign(who: str) -> Iterator[None]:
    """Run code of others.

    Args:
        who: what the message starts with, such as "probe sparsity".

    Raises:
        MechprobeError: in place of any exception that is none, or where the code ends well and has
            changed the working folder, torch's default type, gradient mode or number of threads,
            or what numpy does about overflow. All of it is put back, and torch's global random
            numbers as well.
    """
    before, random = [_Shared(name, read(), read, write) for name, read, write in _all()], _random()
    try:
        with one_line(who), redirect_stdout(sys.stderr):
            yield
    finally:
        changed = [shared for shared in before if _differs(shared)]
        for shared in changed:
            shared.write(shared.value)
        if random is not None:
            sys.modules["torch"].set_rng_state(random)
    if changed:
        names = ", ".join(shared.name for shared in changed)
        raise MechprobeError(
            f"{who}: it changes {names}; it must leave that alone (that was put back, and its"
            " result is left out)"
        )


def _all() -> Iterator[tuple[str, Callable[[], Any], Callable[[Any], object]]]:
    yield "the working folder", _folder, _go_to
    # Neither is imported for this: the command's help waits for neither.
    if (torch := sys.modules.get("torch")) is not None and hasattr(torch, "set_default_dtype"):
        yield "torch's default type", torch.get_default_dtype, torch.set_default_dtype
        yield "torch's gradient mode", torch.is_grad_enabled, torch.set_grad_enabled
        yield "torch's number of threads", torch.get_num_threads, torch.set_num_threads
    if (numpy := sys.modules.get("numpy")) is not None and hasattr(numpy, "seterr"):
        yield "numpy's error handling", numpy.geterr, lambda modes: numpy.seterr(**modes)


def _differs(shared: _Shared) -> bool:
    return bool(shared.read() != shared.value)


def _random() -> Any:
    torch = sys.modules.get("torch")
    return torch.get_rng_state() if torch is not None and hasattr(torch, "get_rng_state") else None


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # removed under us
        return None


def _go_to(folder: str | None) -> None:
    if folder is not None:
        os.chdir(folder)
