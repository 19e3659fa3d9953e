"""numba's compiler with a cache that may be missing: code is kept where that can be done.

numba refuses to compile where it finds no folder to keep code in (a read-only installation without
a home), and ends in OSError where the disk is full. Here such a function is compiled anew in every
process instead, and the command says so once.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

from mechprobe.models.base.errors import reason_of
from mechprobe.models.base.notices import notice

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[Function], Function]:
    """`numba.njit(cache=True, **options)`, without the cache where there can be none."""

    def compile_it(function: Function) -> Function:
        made = njit(**options)(function)
        try:
            made.enable_caching()
            made._cache = _Forgiving(made._cache)
        except (RuntimeError, OSError) as error:
            _not_kept(error)
        result: Function = made
        return result

    return compile_it


class _Forgiving:
    """numba's cache of one function, whose failures cost the cache only."""

    def __init__(self, cache: Any) -> None:
        self.cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cache, name)

    def load_overload(self, *arguments: Any) -> Any:
        """What was kept; None where nothing was, or it cannot be read."""
        try:
            return self.cache.load_overload(*arguments)
        except Exception as error:  # a damaged file can fail anywhere in numba's reader
            _not_kept(error)
            return None

    def save_overload(self, *arguments: Any) -> None:
        """Keep it, if that can be done."""
        try:
            self.cache.save_overload(*arguments)
        except OSError as error:
            _not_kept(error)


def _not_kept(error: BaseException) -> None:
    why = error.strerror if isinstance(error, OSError) else None
    if "no locator available" in str(error):
        why = "neither its folder nor the home can be written"
    notice(
        f"compiled code cannot be kept ({why or reason_of(error, 120)}), so that every start"
        " compiles anew; set NUMBA_CACHE_DIR to a folder with room"
    )
