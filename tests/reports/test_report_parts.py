"""Figures and wording on their own."""

import base64
import io
import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image as Raster

from mechprobe.probes.results import Metric
from mechprobe.reports.figures import SHARP, WIDEST, to_data_uri
from mechprobe.reports.formatting import (
    anchors,
    first_sentence,
    linked,
    number,
    percent,
    portable,
    quantity,
    setting,
    sort_key,
    span,
)


def decoded(uri: str) -> Raster.Image:
    return Raster.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/webp;base64,"))))


def test_figure_keeps_common_colours_and_is_closed() -> None:
    figure = Figure(figsize=(3, 2))
    figure.subplots().set(facecolor="#0072B2")
    image = to_data_uri(figure)
    picture = decoded(image.uri)
    # Two dots a pixel of the page, exactly or but for rounding.
    assert all(
        abs(dots - SHARP * size) <= 1
        for dots, size in zip(picture.size, (image.width, image.height), strict=True)
    )
    colours = {c for _, c in picture.convert("RGB").getcolors(1 << 20)}
    assert {(255, 255, 255), (0, 0x72, 0xB2)} <= colours
    assert figure.axes == []


def test_figure_with_very_many_colours_is_bounded() -> None:
    figure = Figure(figsize=(40, 4))
    noise = np.random.default_rng(0).random((40, 400, 3))
    figure.subplots().imshow(noise, aspect="auto")
    image = to_data_uri(figure)
    assert image.width <= WIDEST + 20
    assert len(image.uri) < 400_000


def test_broken_figure_is_closed_and_raises() -> None:
    figure = Figure()
    figure.subplots().set_title("$\\nonsense{$")
    with pytest.raises(ValueError, match="nonsense"):
        to_data_uri(figure)
    assert figure.axes == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (0.0, "0"),
        (-3.0, "−3"),
        (0.9996, "1.000"),
        (-0.01234, "−0.0123"),
        (1234.5, "1234"),
        (32, "32"),
        (2.5e-7, "2.5 × 10⁻⁷"),
        (1e9, "1 × 10⁹"),
    ],
)
def test_number(value: float | int | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("share", "decimals", "text"),
    [
        (1.0, 1, "100 %"),
        (0.0, 1, "0 %"),
        (0.99999, 1, ">99.9 %"),
        (0.999, 0, ">99 %"),
        (1e-9, 1, "<0.1 %"),
        (0.8768, 1, "87.7 %"),
        (math.nan, 1, "–"),
        (None, 1, "–"),
    ],
)
def test_percent(share: float | None, decimals: int, text: str) -> None:
    assert percent(share, decimals).replace("\u00a0", " ") == text


def test_quantity_and_span() -> None:
    def of(value: float | None, low: float | None, high: float | None) -> Metric:
        return Metric(value=value, unit="nats", low=low, high=high, description="")

    assert quantity(of(0.5, 0, 1)) == "0.500\u00a0nats"
    assert quantity(of(None, 0, 1)) == "–"
    spans = [span(of(0, *ends)) for ends in ((0, 1), (0, None), (None, -1), (None, None))]
    assert spans == ["0 to 1", "≥ 0", "≤ −1", "any"]


def test_wording() -> None:
    assert sort_key(None) == sort_key(math.nan) == ""
    assert sort_key(3) == "3.0"
    assert first_sentence(" Slope 0.97 of 1. The rest.") == "Slope 0.97 of 1."
    assert first_sentence("") == ""
    assert setting([1, "a"]) == '[1, "a"]'
    assert setting("x" * 1000).endswith("… (1000 characters)")
    assert anchors(["a+b", "a b", "λ", ""]) == ["model-a-b", "model-a-b-2", "model-x", "model-x-2"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "mechprobe demo --out /home/ada/runs/demo --seed 0",
            "mechprobe demo --out …/demo --seed 0",
        ),
        ("--out='/home/ada b/x y' --seed=1", "--out='…/x y' --seed=1"),
        ("--out=/home/ada/x", "--out=…/x"),
        ("~/runs/x, ~ada/y/z and /tmp/z.pt", "…/x, …/z and …/z.pt"),
        ("file:///home/ada/x", "…/x"),
        (r"C:\Users\ada\x.pt", "…/x.pt"),
        ("runs/demo, a/b, 1/2, m / d and |y|/d", "runs/demo, a/b, 1/2, m / d and |y|/d"),
        ("https://arxiv.org/abs/2407.11542", "https://arxiv.org/abs/2407.11542"),
    ],
)
def test_paths_tell_nothing_of_the_machine(text: str, told: str) -> None:
    assert portable(text) == told
    assert "ada" not in setting({"path": text})
    assert portable(told) == told


def test_papers_are_links_and_the_rest_is_text() -> None:
    link = '<a href="https://arxiv.org/abs/2407.11542">arXiv:2407.11542</a>'
    assert linked("<b> arXiv:2407.11542, section 4") == f"&lt;b&gt; {link}, section 4"
    assert linked('arXiv:1"onclick="x') == "arXiv:1&#34;onclick=&#34;x"
