"""The figure of one result, for a page, a paper or axes that somebody else has."""

from typing import TYPE_CHECKING

from mechprobe.models import MechprobeError
from mechprobe.models.base.errors import short
from mechprobe.models.base.registry import guarded
from mechprobe.probes.registry import PROBES, Probe
from mechprobe.probes.results import VIEWS, ProbeResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NARROWEST, WIDEST = 1.5, 30.0  # inches


def drawn(result: ProbeResult, probe: Probe) -> "Figure":
    """A probe's figure of a copy of a result, as the probe draws it.

    Raises:
        MechprobeError: the probe has no figure, or gave something else.
        Exception: whatever a probe of others raises.
    """
    from matplotlib.figure import Figure

    if probe.draw is None:
        raise MechprobeError(f"the probe {result.probe!r} has no figure")
    figure: object = probe.draw(result.model_copy(deep=True))
    if not isinstance(figure, Figure):
        raise MechprobeError(f"it gave a {type(figure).__name__}, no matplotlib Figure")
    return figure


def figure_of(
    result: ProbeResult,
    axes: "Axes | None" = None,
    width: float | None = None,
    panel: int = 0,
) -> "Figure":
    """A result's figure.

    Args:
        result: of a probe that is installed here.
        axes: matplotlib axes to draw one panel into; a new figure where left out.
        width: of a panel, in inches, panels below each other; as reports have it where left out.
            Without effect on given axes.
        panel: which one goes into the axes, from 0.

    Raises:
        MechprobeError: the probe is not installed, or has no figure or no such panel; the width is
            none that can be drawn; or axes were given and the probe draws on a sheet of its own.
    """
    from matplotlib.axes import Axes

    from mechprobe.probes.canvas import Canvas, painted, wrapped_titles

    if axes is not None and not isinstance(axes, Axes):
        raise MechprobeError(f"ax: {short(repr(axes))} are no matplotlib Axes")
    if width is not None and not NARROWEST <= width <= WIDEST:
        raise MechprobeError(
            f"width {width} is none of a figure; give {NARROWEST} to {WIDEST} inches"
        )
    name = result.probe
    if name not in PROBES:
        raise MechprobeError(
            f"the probe {name!r} is not installed here; it came from {result.provenance.package}"
        )
    asked = Canvas(width if axes is None else None, axes, panel)
    probe = PROBES[name]
    with guarded(f"the figure of {name!r}", probe.measure.__module__), painted(asked):
        figure = drawn(result, probe)
    if axes is not None:
        if not asked.taken:
            raise MechprobeError(
                f"the probe {name!r} draws on a sheet of its own; leave ax out, or let it draw on"
                " `mechprobe.probes.drawing.blank()`"
            )
        found = axes.get_figure(root=True)
        assert found is not None
        return found
    if width is not None:
        if asked.taken:
            wrapped_titles(figure, width)
        else:
            figure.set_size_inches(width, width * figure.get_figheight() / figure.get_figwidth())
    return figure


VIEWS.add("figure", figure_of, __name__)
