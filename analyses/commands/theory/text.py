"""The theory's results as text for the terminal."""

from collections.abc import Sequence

from mechprobe.analyses.commands.theory.diagram import Cell, Diagram
from mechprobe.analyses.commands.theory.options import Convention
from mechprobe.analyses.commands.theory.points import Object, Row, as_object
from mechprobe.models.theory import Quantity, TheoryParameters, Transitions

_HEAD = ("q", "m", "V", "theta", "mse", "gen_error", "train_loss", "linear_mse")
_STABLE = {
    True: "stable",
    False: "unstable",
    None: "stability undecided: the point sets disagree, take more points",
}
_COLUMNS = ("m", "theta", "gen_error", "train_loss")


def point_text(found: Object) -> str:
    """A point's object (points.py, general.py), a line a quantity."""
    names = ("alpha", "omega", "sigma", "lam", "A", "L", "rank", "teacher_rank")
    lines = [" ".join(f"{name}={found[name]}" for name in names if name in found)]
    lines.append(f"{found['branch']} branch, {found['convention']} convention")
    for name in _HEAD:
        quantity = found.get(name)
        if isinstance(quantity, dict):
            lines.append(f"  {name:11s} {_number(quantity['value'], quantity['error'])}")
    if "stable" in found:
        grown, stable = found["multipliers"], found["stable"]
        assert isinstance(grown, dict)
        assert stable is None or isinstance(stable, bool)
        words = ", ".join(f"{name} {value:.3f}" for name, value in grown.items())
        lines.append(f"  {_STABLE[stable]} (multipliers: {words})")
    lines.append(f"  2 x {found['points']} points, self-consistent to {found['residual']:.1e}")
    return "\n".join(lines)


def curve_text(rows: Sequence[Row], convention: Convention, baseline: Quantity) -> str:
    """A table, a row for each point."""
    title = "".join(f"{name:>24s}" for name in _COLUMNS)
    lines = [f"{'alpha':>8s} {'branch':10s}{title}  "]
    for row in rows:
        start = f"{row.parameters.alpha:8.4g} {row.branch:10s}"
        if row.point is None:
            lines.append(f"{start}{row.status:>24s}")
            continue
        found = as_object(row.point, convention)
        cells = ""
        for name in _COLUMNS:
            quantity = found[name]
            assert isinstance(quantity, dict)
            cells += f"{_number(quantity['value'], quantity['error']):>24s}"
        lines.append(
            f"{start}{cells}" + ("" if row.point.stable else f"  {_STABLE[row.point.stable]}")
        )
    lines.append(f"linear baseline: gen_error {_number(baseline.value / 2, baseline.error / 2)}")
    lines.append(f"{convention} convention")
    return "\n".join(lines)


def transitions_text(found: Transitions) -> str:
    """Transitions and the range of each branch."""
    low, high = found.span
    lines = [
        f"{_setting(found.parameters)} omega={found.parameters.omega:g}",
        f"  alpha_c {_or_none(found.alpha_c)}  (training losses of the branches cross)",
        f"  alpha_l {_or_none(found.alpha_l)}  (the minimum beats the linear baseline)",
    ]
    for branch in found.appears:
        start, end = found.appears[branch], found.vanishes[branch]
        if f"no {branch} branch was found" in found.notes:
            continue
        begins = f"below {low:g}" if start is None else _or_none(start)
        ends = f"above {high:g}" if end is None else _or_none(end)
        lines.append(f"  {branch} branch: appears {begins}, vanishes {ends}")
    lines.append(f"  linear baseline: mse {found.linear_mse:.6g}")
    return "\n".join(lines + [f"  note: {note}" for note in found.notes])


def diagram_text(found: Diagram) -> str:
    """A map of the plane, a character a cell, and both lines."""
    alphas = found.alphas
    lines = [
        _setting(found.parameters),
        f"alpha {alphas[0]:g} to {alphas[-1]:g} in {len(alphas)} columns. Global minimum:"
        " S semantic, P positional, U uninformed; small where its mse is above the linear"
        " baseline's; ? a branch was not solved",
        f"{'omega':>8s} {'map':{max(3, len(alphas))}s} {'alpha_c':>8s} {'alpha_l':>8s}",
    ]
    for omega, cells, line in zip(found.omegas, found.cells, found.lines, strict=True):
        drawn = "".join(_letter(cell) for cell in cells)
        ends = " ".join(
            f"{'-':>8s}" if alpha is None else f"{alpha:8.4g}"
            for alpha in (line.alpha_c, line.alpha_l)
        )
        lines.append(f"{omega:8.4g} {drawn:{max(3, len(alphas))}s} {ends}")
    lines.append("alpha_c, alpha_l: interpolated between cells")
    return "\n".join(lines)


def _letter(cell: Cell) -> str:
    least = cell.minimum
    if least is None:
        return "?"
    excess = cell.excess(least.branch)
    beats = excess is not None and excess.value <= 0
    return least.branch[0].upper() if beats else least.branch[0]


def _setting(p: TheoryParameters) -> str:
    return f"sigma={p.sigma:g} lam={p.lam:g} A={[list(weights) for weights in p.A]}"


def _or_none(quantity: Quantity | None) -> str:
    return "none" if quantity is None else _number(quantity.value, quantity.error)


def _number(value: object, error: object) -> str:
    """A number or a matrix with its error."""
    if isinstance(value, list) and isinstance(error, list):
        parts = [_number(v, e) for v, e in zip(value, error, strict=True)]
        return f"[{', '.join(parts)}]"
    return f"{value:.6g} +- {error:.1g}"
