"""Colours of marks: style rules made from them, with text that can be read on each."""

from collections.abc import Iterable, Mapping

from mechprobe.probes.axes import Item, Kind

NEUTRAL = "#5f6770"  # of kinds that no reading here knows
DARK, LIGHT = "#111111", "#ffffff"  # text on a colour


def colour_class(colour: str) -> str:
    """Class of marks of a colour.

    >>> colour_class("#0072B2")
    'c-0072b2'
    """
    return f"c-{colour[1:].lower()}"


def colour_rules(colours: Mapping[str, str]) -> str:
    """Style rules that give classes of marks their colours, with text that can be read on them.

    Args:
        colours: by class.
    """
    rules = (f".{c} {{ --fill: {colour}; --ink: {ink(colour)}; }}" for c, colour in colours.items())
    return "".join(f"\n{rule}" for rule in rules)


def kind_rules(kinds: Iterable[Kind | Item]) -> str:
    """The same for the classes of some kinds' chips."""
    return colour_rules({colour_class(k.colour): k.colour for k in kinds})


def ink(colour: str) -> str:
    """Dark or light, whichever stands out more against a colour (WCAG's contrast)."""
    ground = _luminance(colour) + 0.05
    dark, light = ground / (_luminance(DARK) + 0.05), (_luminance(LIGHT) + 0.05) / ground
    return DARK if dark >= light else LIGHT


def _luminance(colour: str) -> float:
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
