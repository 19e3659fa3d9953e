"""The modes that torch and numpy start in, whatever the caller's are.

Numbers must not depend on who asks for them.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Any

import numpy as np
import torch

DTYPE = torch.float32  # torch's default type as it starts
# What numpy does about such results as it starts; whoever raises makes others leave numbers out.
ERRORS: dict[str, Any] = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


@contextmanager
def settled() -> Iterator[None]:
    """Within, gradients can be taken, tensors are ordinary ones, and new ones are float32 and lie
    on the CPU where their maker says nothing else.

    The caller may be in `torch.inference_mode`, `torch.no_grad`, `torch.autocast`, have another
    default type or device, or make numpy raise; all is as it was afterwards. The default type is
    the whole process's, so other threads see float32 meanwhile. Also a decorator: `@settled()`.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(np.errstate(**ERRORS))
        stack.enter_context(_DEFAULT.kept())
        if torch.is_autocast_enabled("cpu"):
            stack.enter_context(torch.autocast("cpu", enabled=False))
        # The context makes every call a little slower, so it is entered only where it is needed.
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield


class _DefaultType:
    """torch's default type, set by the first who needs it and given back by the last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._before = DTYPE

    @contextmanager
    def kept(self) -> Iterator[None]:
        """While this lasts in any thread, the default type is float32."""
        with self._lock:
            if self._users == 0:
                self._before = torch.get_default_dtype()
                self._set(DTYPE)
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._set(self._before)

    def _set(self, dtype: torch.dtype) -> None:
        if torch.get_default_dtype() != dtype:
            torch.set_default_dtype(dtype)


_DEFAULT = _DefaultType()
