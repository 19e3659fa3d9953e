"""The page's tables: cells of text, made from the study's numbers."""

from collections import Counter
from statistics import fmean, stdev

from mechprobe.analyses.studies.attention_phase_transition.contents import (
    Comparison,
    PhaseTransition,
)
from mechprobe.analyses.studies.attention_phase_transition.curves import stayers
from mechprobe.analyses.studies.attention_phase_transition.results import (
    BRANCHES,
    Branch,
    Minima,
    Number,
)
from mechprobe.analyses.studies.attention_phase_transition.runs import scaling_rows, scaling_theory
from mechprobe.reports.formatting import number
from mechprobe.reports.parts import Table

THOUSAND = 1e3
SHOWN = {"overlap": 1.0, "loss": THOUSAND, "test error": THOUSAND}


def agreement(study: PhaseTransition) -> Table:
    """Each demanded comparison with its verdict."""
    rows = []
    for c in demanded(study):
        scale = SHOWN[c.observable]
        theory = None if c.theory is None else c.theory.value
        rows.append(
            [
                c.source,
                c.branch,
                number(round(c.alpha, 4)),
                _observable(c),
                _scaled(c.mean, scale),
                _two_errors(c, scale),
                _scaled(theory, scale),
                "–" if theory is None else f"{deviation(c):+.1f}".replace("-", "−"),
                "–" if c.z is None else f"{c.z:+.1f}".replace("-", "−"),
                f"{c.runs if c.stayed is None else c.stayed} of {c.runs}",
                {True: "yes", False: "NO", None: "no theory"}[c.passed],
            ]
        )
    head = ["Runs", "Start", "α", "Observable", "Mean", "2 s.e.", "Theory", "Deviation, %", "z",
            "Averaged", "Within 2 s.e. + 2 %"]  # fmt: skip
    caption = (
        f"Experiments against theory for α ≥ {study.passes_from:g}"
        " (losses and test errors in thousandths)"
    )
    return Table(caption, head, rows, folded=True)


def _two_errors(c: Comparison, scale: float) -> str:
    if c.error is None:
        return "not published" if c.source == "published" else "not known: one run"
    return _scaled(2 * c.error, scale)


def demanded(study: PhaseTransition) -> list[Comparison]:
    """Comparisons in the range where theory has to hold."""
    return [c for c in study.comparisons if c.alpha >= study.passes_from]


def deviation(c: Comparison) -> float:
    """Of the mean from theory, in per cent of it; NaN without a theory."""
    return float("nan") if c.theory is None else 100 * (c.mean / c.theory.value - 1)


def verdicts(study: PhaseTransition) -> Table:
    """How many comparisons hold, for each kind of runs, start and observable."""
    rows = []
    for source in ("ours", "published"):
        for branch in BRANCHES:
            for observable in SHOWN:
                chosen = [
                    c
                    for c in demanded(study)
                    if (c.source, c.branch, c.observable) == (source, branch, observable)
                ]
                if not chosen:
                    continue
                passed = sum(c.passed is True for c in chosen)
                worst = max(chosen, key=_excess)
                rows.append(
                    [
                        source, branch, _observable(chosen[0]), f"{passed} of {len(chosen)}",
                        mean_deviation(chosen), _worst(worst),
                    ]
                )  # fmt: skip
    head = ["Runs", "Start", "Observable", "Within 2 s.e. + 2 %", "Mean deviation",
            "Largest for what is allowed"]  # fmt: skip
    return Table(f"Agreement for α ≥ {study.passes_from:g}, counted", head, rows)


def mean_deviation(chosen: list[Comparison]) -> str:
    """Mean over the values of alpha, in per cent, with its standard error."""
    off = [deviation(c) for c in chosen if c.theory is not None]
    if len(off) < 2:
        return "–"
    return f"{fmean(off):+.1f} ± {stdev(off) / len(off) ** 0.5:.1f} %".replace("-", "−")


def _excess(c: Comparison) -> float:
    if c.theory is None or not c.allowed:
        return 0.0
    return abs(c.mean - c.theory.value) / c.allowed


def _worst(c: Comparison) -> str:
    if c.theory is None:
        return "–"
    allowed = 100 * (c.allowed or 0) / abs(c.theory.value)
    return f"{deviation(c):+.1f} % at α = {c.alpha:.3g} (allowed ±{allowed:.1f} %)".replace(
        "-", "−"
    )


def numbers(study: PhaseTransition) -> Table:
    """Order parameters and test errors at some alphas: theory, ours, published."""
    alphas = sorted({c.alpha for c in study.comparisons})
    chosen = [
        a for a in alphas if any(abs(a - wanted) < 0.01 for wanted in (0.673, 1.005, 1.254, 2))
    ]
    rows = []
    for alpha in chosen or alphas[-2:]:
        for branch in BRANCHES:
            for observable in SHOWN:
                found = {
                    c.source: c
                    for c in study.comparisons
                    if (c.alpha, c.branch, c.observable) == (alpha, branch, observable)
                }
                if not found:
                    continue
                any_one = next(iter(found.values()))
                theory = None if any_one.theory is None else any_one.theory
                rows.append(
                    [
                        number(round(alpha, 4)), branch, _observable(any_one),
                        with_error(theory, SHOWN[observable]),
                        *[_measured(found.get(source)) for source in ("ours", "published")],
                    ]
                )  # fmt: skip
    head = ["α", "Branch", "Observable", "Theory", "Ours", "Published"]
    caption = "Theory ± quadrature error, means ± standard error (losses and test errors in 10⁻³)"
    return Table(caption, head, rows, folded=True)


def endings(study: PhaseTransition) -> Table:
    """Where minima ended, and how many stayed on the branch of their start, alpha by alpha."""
    alphas = sorted({block.alpha for block in study.minima})
    rows = []
    for alpha in alphas:
        blocks = [block for block in study.minima if block.alpha == alpha]
        cells = []
        for branch in BRANCHES:
            stayed = sum(len(stayers(block, branch)) for block in blocks)
            counts = ends(blocks, branch)
            words = ", ".join(f"{n} {end}" for end, n in sorted(counts.items()))
            cells.append(f"{stayed} of {counts.total()} ({words})")
        rows.append([number(round(alpha, 4)), *cells])
    head = ["α", "Semantic start: stayed", "Positional start: stayed"]
    return Table("Where minima ended; only those that stayed are averaged", head, rows, folded=True)


def finite_size(study: PhaseTransition) -> Table:
    """Deviations from theory in per cent, and how many runs they are of, for every d."""
    columns: list[dict[float, str]] = []
    for branch in BRANCHES:
        for name in ("own", "loss", "test_error"):
            theory = scaling_theory(study, branch, name)
            rows = scaling_rows(study, branch, name)
            columns.append(
                {
                    d: f"{100 * off / theory:+.1f} ± {100 * error / theory:.1f}".replace("-", "−")
                    for d, off, error, _ in rows
                    if theory
                }
            )
    lines = []
    for d in sorted({block.d for block in study.scaling}):
        blocks = [block for block in study.scaling if block.d == d]
        stayed = [sum(len(stayers(b, branch)) for b in blocks) for branch in BRANCHES]
        total = ends(blocks, "semantic").total()
        cells = [column.get(float(d), "–") for column in columns]
        lines.append([f"{d}", f"{stayed[0]} of {total}", *cells[:3],
                      f"{stayed[1]} of {total}", *cells[3:]])  # fmt: skip
    head = ["d", "Semantic: averaged", "θ", "loss", "test error",
            "Positional: averaged", "m", "loss", "test error"]  # fmt: skip
    caption = f"Deviation from theory, % ± standard error (α = {study.scaling_theory.alpha:g})"
    return Table(caption, head, lines)


def ends(blocks: list[Minima], branch: Branch) -> Counter[str]:
    """Where the minima of one start ended."""
    return Counter(m.end for block in blocks for m in block.minima if m.start == branch)


def with_error(value: Number | None, scale: float = 1.0) -> str:
    """A value and its error, to the error's digits; the value alone where that is not known."""
    if value is None:
        return "–"
    if not value.error:
        return number(scale * value.value)
    error = scale * value.error
    digits = max(1, min(6, 1 - int(f"{error:e}".split("e")[1])))
    return f"{scale * value.value:.{digits}f} ± {error:.{digits}f}".replace("-", "−")


def _measured(c: Comparison | None) -> str:
    if c is None:
        return "–"
    scale = SHOWN[c.observable]
    if c.error is None:
        return _scaled(c.mean, scale)
    return with_error(Number(value=c.mean, error=c.error), scale)


def _scaled(value: float | None, scale: float) -> str:
    return "–" if value is None else f"{scale * value:.4f}"


def _observable(c: Comparison) -> str:
    if c.observable == "overlap":
        return "θ" if c.branch == "semantic" else "m"
    return c.observable
