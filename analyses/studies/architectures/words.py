"""The answer in words: for every variation, how many models differ from their base."""

from collections import Counter

from mechprobe.analyses.studies.architectures.rows import BASE, Axis, Comparison

TITLES: dict[Axis, str] = {"mechanism": "counting", "attention": "attention"}


def answers(comparison: Comparison) -> list[str]:
    """What is usual for each base, then a line for each variation; for attention only those where
    a model differs, and after the first block's attention those with several blocks."""
    lines = []
    for base in comparison.bases:
        lines.append(f"{base}: the base is {_usual(comparison, base, 'mechanism')} in counting,")
        lines[-1] += f" {_usual(comparison, base, 'attention')} in attention."
    lines += [_line(comparison, name, "mechanism") for name in comparison.variations]
    for name in comparison.variations:
        if any(comparison.differing(b, name, "attention") for b in comparison.bases):
            lines.append(_line(comparison, name, "attention"))
    return lines + [line for name in comparison.variations if (line := _first(comparison, name))]


def kinds_text(found: Counter[str]) -> str:
    """Labels with their numbers, the most common first: "relation-based 2, mixed 1"."""
    return ", ".join(f"{name} {number}" for name, number in found.most_common())


def fraction(comparison: Comparison, base: str, variation: str) -> str:
    """Of how many solved models the mechanism differs: "1/3"; a dash where it cannot be said."""
    differing = comparison.differing(base, variation)
    solved = comparison.kinds(base, variation, "mechanism").total()
    return "–" if differing is None or not solved else f"{differing.total()}/{solved}"


def _usual(comparison: Comparison, base: str, axis: Axis) -> str:
    found = comparison.kinds(base, BASE, axis)
    usual = comparison.usual(base, axis)
    if usual is None:
        return f"of no usual kind ({kinds_text(found) or 'no model is solved'})"
    return f"{usual} ({found[usual]} of {found.total()})"


def _line(comparison: Comparison, variation: str, axis: Axis) -> str:
    parts, different, solved, missing = [], 0, 0, 0
    for base in comparison.bases:
        differing = comparison.differing(base, variation, axis)
        n = comparison.kinds(base, variation, axis).total()
        missing += comparison.seeds - n
        if differing is None or not n:
            parts.append(f"{base} cannot be said")
            continue
        different, solved = different + differing.total(), solved + n
        kinds = f": {kinds_text(differing)}" if differing else ""
        parts.append(f"{base} {differing.total()} of {n}{kinds}")
    other = "differs among seeds" if variation == BASE else "differs from the base's"
    left_out = f" Unsolved or missing: {missing}." if missing else ""
    share = f"{different} of {solved} models ({'; '.join(parts)})"
    return f"{variation}: {TITLES[axis]} {other} in {share}.{left_out}"


def _first(comparison: Comparison, variation: str) -> str:
    parts = []
    for base in comparison.bases:
        group = [r for r in comparison.group(base, variation) if r.solved]
        known = [r.first_kappa for r in group if r.first_kappa is not None]
        if known:
            shown = " to ".join(sorted({f"{k:z.2f}" for k in (min(known), max(known))}, key=float))
            parts.append(f"{base} {shown}")
    if not parts:
        return ""
    where = "after the first block's attention, where the label does not look"
    return f"{variation}: kappa {where}: {'; '.join(parts)}."
