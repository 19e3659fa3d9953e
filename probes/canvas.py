"""Where a probe's figure goes: onto a sheet of its own, or into axes that somebody else has.

`drawing.blank` asks here. What is in force holds for one `with` alone, in this thread alone.
"""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from mechprobe.models import MechprobeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE = 11.0  # characters of a title for an inch of a panel with a scale beside it
COLUMNS = 2  # of a legend in a narrow figure
LOWEST = 0.7  # height of a panel, of its width
# Sizes in points that are legible in a column of a paper.
SMALL: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
}


class Shown(Figure):
    """A figure that notebooks show by themselves, without pyplot."""

    def _repr_png_(self) -> bytes:
        drawn = BytesIO()
        self.savefig(drawn, format="png", dpi=144, facecolor="white")
        return drawn.getvalue()


@dataclass
class Canvas:
    """What is asked of a figure.

    Args:
        width: of each panel, in inches, panels below each other; None for the figure's own.
        axes: those that one panel goes into.
        panel: which, from 0.
    """

    width: float | None = None
    axes: "Axes | None" = None
    panel: int = 0
    taken: bool = field(default=False, init=False)

    def legend_columns(self, wanted: int) -> int:
        """Columns of a legend that there is room for."""
        return wanted if self.width is None else min(wanted, COLUMNS)

    def spread(self, columns: int, width: float, height: float) -> "tuple[Figure, list[Axes]]":
        """A figure and axes for its panels.

        Args:
            columns: panels.
            width, height: of a panel where nothing else is asked, in inches.

        Raises:
            MechprobeError: there is no such panel.
        """
        self.taken = True
        if self.width is None:
            figure, shape = Shown(figsize=(width * columns, height)), (1, columns)
        else:
            tall = self.width * min(max(height / width, LOWEST), 1.0)
            figure, shape = Shown(figsize=(self.width, tall * columns)), (columns, 1)
        figure.set_layout_engine("constrained", w_pad=0.08, wspace=0.06)
        panels = [figure.add_subplot(*shape, i + 1) for i in range(columns)]
        if self.axes is None:
            return figure, panels
        if not 0 <= self.panel < columns:
            raise MechprobeError(f"panel {self.panel}: the figure has panels 0 to {columns - 1}")
        panels[self.panel] = self.axes
        return figure, panels


_CANVAS: ContextVar[Canvas | None] = ContextVar("canvas", default=None)


def canvas() -> Canvas:
    """The one in force, or an empty one."""
    return _CANVAS.get() or Canvas()


@contextmanager
def painted(asked: Canvas) -> Iterator[None]:
    """Within it figures are made as asked."""
    token = _CANVAS.set(asked)
    try:
        with rc_context(SMALL if asked.width is not None else {}):
            yield
    finally:
        _CANVAS.reset(token)


def wrapped_titles(figure: Figure, width: float) -> None:
    """Break titles of narrow panels into lines.

    Args:
        figure: with panels below each other.
        width: of a panel, in inches.
    """
    for axes in figure.axes:
        lines = textwrap.wrap(axes.get_title(), max(12, int(WIDE * width)))
        axes.title.set_text("\n".join(lines))  # `set_title` would take the usual size again
