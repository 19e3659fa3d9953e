"""Figures as small inline images: a report with hundreds of them has to stay mailable."""

import base64
import io
import sys
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from PIL import Image as Raster

DPI = 96  # CSS pixels an inch
WIDEST = 1200  # CSS pixels; a larger figure is drawn at fewer dots per inch
SHARP = 2.0  # dots a CSS pixel: sharp on today's screens and on paper
BUDGET = 18_000  # bytes, a third more as base64; most figures need less
# Exact and blended colours of the palettes; the first that fits the budget is taken.
PALETTES = ((72, 24), (48, 16), (24, 8))


@dataclass(frozen=True)
class Form:
    """How the figures of a report are drawn.

    Args:
        budget: bytes of a figure above which colours are merged.
        sharpness: dots a CSS pixel.
        most: bytes of all figures of one model, those that say most first; from the first that
            does not fit on there are no more. None for no bound.
    """

    budget: int = BUDGET
    sharpness: float = SHARP
    most: int | None = None


FULL = Form()
COMPACT = Form(budget=5_000, sharpness=1.0, most=18_000)


@dataclass(frozen=True)
class Image:
    """A picture ready for `<img>`.

    Args:
        uri: data URI of a WebP without loss, which takes a quarter less than a PNG.
        width, height: in CSS pixels, so that the page keeps its place while it loads.
    """

    uri: str
    width: int
    height: int

    @property
    def size(self) -> int:
        """Bytes of the picture itself."""
        return len(self.uri) * 3 // 4


def to_data_uri(figure: Figure, budget: int = BUDGET, sharpness: float = SHARP) -> Image:
    """Draw a figure on white with Agg and close it.

    Args:
        figure: any matplotlib figure; it is empty afterwards.
        budget: bytes above which colours are merged; rich maps need more than the usual.
        sharpness: dots a CSS pixel.

    Raises:
        Exception: whatever the figure's artists raise while they are drawn.
    """
    dpi = sharpness * min(DPI, WIDEST / max(figure.get_size_inches()))
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
    encoded = base64.b64encode(_small(rgb, budget)).decode("ascii")
    width, height = (max(1, round(pixels / sharpness)) for pixels in rgb.size)
    return Image(f"data:image/webp;base64,{encoded}", width, height)


def _small(picture: Raster.Image, budget: int) -> bytes:
    data = b""
    for exact, blended in PALETTES:
        buffer = io.BytesIO()
        # Greater efforts take up to a hundred times as long and save a hundredth.
        _reduce(picture, exact, blended).convert("RGB").save(
            buffer, format="WEBP", lossless=True, quality=50, method=2
        )
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
