"""Figures as small inline images: a report with hundreds of them has to stay mailable."""

import base64
import io
import sys
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from PIL import Image as Raster

DPI = 96
WIDEST = 1200  # pixels; a larger figure is drawn at fewer dots per inch
BUDGET = 20_000  # bytes of PNG, a third more as base64; most figures need half of it
# Exact and blended colours of the palettes; the first that fits the budget is taken.
PALETTES = ((72, 24), (48, 16), (24, 8))


@dataclass(frozen=True)
class Image:
    """A picture ready for `<img>`.

    Args:
        uri: data URI of a PNG.
        width, height: in pixels, so that the page keeps its place while it loads.
    """

    uri: str
    width: int
    height: int


def to_data_uri(figure: Figure, budget: int = BUDGET) -> Image:
    """Draw a figure on white with Agg and close it.

    Args:
        figure: any matplotlib figure; it is empty afterwards.
        budget: bytes of PNG above which colours are merged; rich maps need more than the usual.

    Raises:
        Exception: whatever the figure's artists raise while they are drawn.
    """
    dpi = min(DPI, WIDEST / max(figure.get_size_inches()))
    drawn = io.BytesIO()
    try:
        figure.savefig(
            drawn, format="png", dpi=dpi, facecolor="white", bbox_inches="tight", pad_inches=0.06
        )
    finally:
        _close(figure)
    drawn.seek(0)
    with Raster.open(drawn) as picture:
        rgb = picture.convert("RGB")
    data = _small_png(rgb, budget)
    encoded = base64.b64encode(data).decode("ascii")
    return Image(f"data:image/png;base64,{encoded}", rgb.width, rgb.height)


def _small_png(picture: Raster.Image, budget: int) -> bytes:
    data = b""
    for exact, blended in PALETTES:
        buffer = io.BytesIO()
        _reduce(picture, exact, blended).save(buffer, format="PNG", optimize=True)
        data = buffer.getvalue()
        if len(data) <= budget:
            break
    return data


def _reduce(picture: Raster.Image, exact: int, blended: int) -> Raster.Image:
    """Keep the commonest colours as they are and move each other one to its nearest.

    Pillow's own palettes merge the pale cells of a heat map into a neighbouring hue, which
    would change what a reader sees. The blended colours cover the smooth edges of lines and text.
    """
    pixels = np.asarray(picture).astype(np.int64) @ (1 << 16, 1 << 8, 1)
    packed, place, counts = np.unique(pixels.ravel(), return_inverse=True, return_counts=True)
    colours = packed[:, None] >> np.array((16, 8, 0)) & 255
    cover = picture.quantize(blended, method=Raster.Quantize.MAXCOVERAGE).getpalette() or []
    common = colours[np.argsort(-counts, kind="stable")[:exact]]
    palette = np.concatenate([common, np.reshape(cover, (-1, 3))[:blended]]).astype(np.int64)
    nearest = np.square(colours[:, None] - palette).sum(-1).argmin(1)
    reduced = Raster.fromarray(nearest[place].reshape(pixels.shape).astype(np.uint8))
    reduced.putpalette(palette.astype(np.uint8).tobytes())
    return reduced


def _close(figure: Figure) -> None:
    figure.clear()
    # Only where someone has already loaded pyplot can it hold the figure; never load it here.
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(figure)
