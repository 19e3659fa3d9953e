"""What each part of the page says: a lead, and sentences with measured numbers."""

from collections import Counter
from statistics import fmean, stdev

from mechprobe.analyses.studies.attention_phase_transition.contents import PhaseTransition
from mechprobe.analyses.studies.attention_phase_transition.curves import stayers
from mechprobe.analyses.studies.attention_phase_transition.planes import relative_gain
from mechprobe.analyses.studies.attention_phase_transition.results import BRANCHES, Minima, Number
from mechprobe.analyses.studies.attention_phase_transition.runs import (
    scaling_rows,
    scaling_theory,
    shares,
)
from mechprobe.analyses.studies.attention_phase_transition.tables import (
    demanded,
    deviation,
    ends,
    with_error,
)
from mechprobe.reports.formatting import number, percent


def transition(study: PhaseTransition) -> list[str]:
    """(a)."""
    crossing, better = study.here.alpha_c, study.here.alpha_l
    read = "" if study.here.searched else " (read off the curve, its error is not known)"
    says = [
        "Lines are theory (d → ∞; bands are its quadrature error, mostly thinner than the line;"
        " dashed where a small perturbation grows, so that the branch is no minimum). Filled marks"
        " are our minima, open diamonds the published runs; bars are standard errors.",
    ]
    if crossing is None:
        says.append("The losses of the branches were not found to cross here.")
    else:
        says.append(
            f"The two losses cross at α_c = {with_error(crossing)}{read}: with fewer data the"
            " positional minimum is the global one, with more the semantic."
        )
    if better is None:
        says.append("Attention was not found to come to beat the linear baseline.")
    else:
        says.append(
            f"From α_l = {with_error(better)}{read} on attention generalises better than the best"
            " linear (positional) layer, whose test error is"
            f" {number(study.curve[0].linear)} in theory and {_linear(study)} where it was fitted"
            " to our data."
        )
    return [*says, *_fits(study)]


def _linear(study: PhaseTransition) -> str:
    """Test error of the linear baseline on the largest data sets."""
    most = max(study.minima, key=lambda block: block.alpha)
    errors = [m.linear_error for m in most.minima if m.start == "semantic"]
    error = stdev(errors) / len(errors) ** 0.5 if len(errors) > 1 else None
    return with_error(Number(value=fmean(errors), error=error))


def _fits(study: PhaseTransition) -> list[str]:
    overlaps = [c for c in demanded(study) if c.source == "ours" and c.observable == "overlap"]
    known = [c for c in overlaps if c.theory is not None]
    if not known:
        return []
    worst = max(known, key=lambda c: abs(deviation(c)))
    return [
        f"For α ≥ {study.passes_from:g} our overlaps are within"
        f" {abs(deviation(worst)):.1f} % of theory; the largest deviation is"
        f" that of the {worst.branch} start at α = {worst.alpha:.3g}."
    ]


def plane(study: PhaseTransition) -> list[str]:
    """(b)."""
    both = [pair for pair in study.plane if pair.gap() is not None]
    semantic = sum((pair.gap() or 0) < 0 for pair in both)
    better = sum(relative_gain(pair) < 0 for pair in study.plane)
    noted = sum(bool(pair.notes) for pair in study.plane)
    searched = any(x.searched for x in (study.here, *study.lines))
    marked = "; white marks are transitions searched on their own" if searched else ""
    found = [x for x in study.plane_lines if x.alpha_c is not None]
    says = [
        "Left: orange where the positional branch has the lower training loss, purple where the"
        " semantic one has; hatched where one of them was not found. Right:"
        " purple where the global minimum generalises better than the linear baseline. Full line"
        f" α_c, dashed line α_l{marked}.",
        f"Of {len(study.plane)} settings {len(both)} have both branches, and in {semantic} of those"
        f" the semantic one is the global minimum; attention beats the baseline in {better}.",
    ]
    if found:
        low, high = found[0], found[-1]
        says.append(
            f"α_c goes from {_value(low.alpha_c)} at ω = {low.omega:g} to {_value(high.alpha_c)} at"
            f" ω = {high.omega:g}: the more positional the target, the more data the semantic"
            " mechanism needs."
        )
    if noted:
        says.append(
            f"In {noted} settings the equations of a branch were not solved to the stated tolerance"
            " (where a branch is about to vanish); they are treated as missing."
        )
    return says


def scaling(study: PhaseTransition) -> list[str]:
    """(d)."""
    says = [
        "Left: the means approach theory as d grows. Right: runs scatter less and less, like 1/√d"
        " where the dashed line is met."
    ]
    for branch in BRANCHES:
        name = "θ" if branch == "semantic" else "m"
        rows = scaling_rows(study, branch)
        if rows:
            constants = [spread * d**0.5 for d, _, _, spread in rows]
            says.append(
                f"Spread of {name} times √d: {min(constants):.2f} to {max(constants):.2f}"
                f" ({branch} start). At d = {rows[-1][0]:.0f} its mean is off by"
                f" {_signed(rows[-1][1], rows[-1][2], scaling_theory(study, branch))} %."
            )
    rows, theory = scaling_rows(study, "semantic", "test_error"), study.scaling_theory.semantic
    if rows and theory is not None:
        weights = [(1 / error / d) ** 2 for d, _, error, _ in rows]
        slope = sum(w * off * d for w, (d, off, _, _) in zip(weights, rows, strict=True))
        slope /= sum(weights)
        percent_off = 100 * slope / 1000 / theory.test_error.value
        says.append(
            "The semantic test error lies above theory by a correction of order 1/d: fitted"
            f" {percent_off:.1f} % at d = 1000, which uses up all of the 2 % that (c) allows."
            if percent_off > 2
            else f"The semantic test error's correction of order 1/d: fitted {percent_off:.1f} % at"
            " d = 1000."
        )
    away = _away(study.scaling)
    says.append(f"Minima that left their start's branch, not averaged: {away or 'none'}.")
    return says


def _signed(off: float, error: float, theory: float | None) -> str:
    """A deviation from theory in per cent, with its standard error."""
    scale = 100 / (theory or float("nan"))
    return f"{scale * off:+.1f} ± {scale * error:.1f}".replace("-", "−")


def _away(blocks: list[Minima]) -> str:
    words = []
    for d in sorted({block.d for block in blocks}):
        for branch in BRANCHES:
            here = [block for block in blocks if block.d == d]
            total = ends(here, branch).total()
            gone = total - sum(len(stayers(block, branch)) for block in here)
            if gone:
                words.append(f"{gone} of {total} at d = {d} ({branch} start)")
    return ", ".join(words)


def mixings(study: PhaseTransition) -> list[str]:
    """(e)."""
    second = list(study.mixings)[1]
    says = [
        "Crosses are single runs that ended elsewhere than they started. The first A favours the"
        " diagonal. The second, "
        + str(study.mixings[second])
        + ", pulls the target's diagonal down, while positions alone can only raise the student's"
        " (s(2m²) ≥ 1/2): little or nothing is left for a positional minimum."
    ]
    for omega in sorted({pair.omega for pair in study.others}):
        pairs = [pair for pair in study.others if pair.omega == omega]
        there = [pair.alpha for pair in pairs if pair.positional is not None]
        blocks = [block for block in study.other_minima if block.omega == omega]
        counts = ends(blocks, "positional")
        where = (
            f"at {len(there)} of {len(pairs)} values of α (m at most"
            f" {max(p.positional.m.value for p in pairs if p.positional):.3f})"
            if there
            else "nowhere"
        )
        says.append(
            f"ω = {omega:g}: theory has a positional branch {where}; runs from the positional start"
            f" ended {_listed(counts)}.{_kept(blocks) if not there else ''}"
        )
    return says


def _kept(blocks: list[Minima]) -> str:
    """Runs that stay positional where theory has no such branch."""
    words = []
    for block in blocks:
        stayed = [minimum.m for minimum in stayers(block, "positional")]
        if stayed:
            total = ends([block], "positional").total()
            words.append(
                f"m = {fmean(stayed):.3f} in {len(stayed)} of {total} at α = {block.alpha:g}"
            )
    if not words:
        return ""
    return (
        f" Those that stayed have {', '.join(words)}: as with the metastable semantic branch, real"
        " minimisers keep an overlap that replica-symmetric theory has lose."
    )


def dynamics(study: PhaseTransition) -> list[str]:
    """(f)."""
    d = study.paths[0].d
    says = [
        f"Gradient descent at d = {d} from random starts, carried on with L-BFGS to the minimum"
        " ahead. Stars are the theory's branches (green semantic, blue positional), the cross is"
        " Q = 0. A run counts as semantic or positional where it ended within 0.15 of that star.",
    ]
    for scale in sorted({block.scale for block in study.paths}):
        blocks = sorted(
            (block for block in study.paths if block.scale == scale), key=lambda b: b.alpha
        )
        first, last = blocks[0], blocks[-1]
        says.append(
            f"Starts of size {scale:g}: {_shares(shares(first))} at α = {first.alpha:g};"
            f" {_shares(shares(last))} at α = {last.alpha:g}."
        )
    lost = sum(not path.converged for block in study.paths for path in block.paths)
    total = sum(len(block.paths) for block in study.paths)
    says.append(
        f"{lost} of {total} runs were not at a minimum in the end."
        if lost
        else f"All {total} runs came to a minimum."
    )
    return [*says, *_elsewhere(study)]


def _elsewhere(study: PhaseTransition) -> list[str]:
    """How much worse the minima are that belong to neither branch."""
    lowest = {round(pair.alpha, 9): pair.lowest() for pair in study.curve}
    excess = [
        100 * (path.final_loss / point.loss.value - 1)
        for block in study.paths
        for point in [lowest[round(block.alpha, 9)]]
        for path in block.paths
        if path.end == "neither" and point is not None
    ]
    if not excess:
        return []
    return [
        f"The {len(excess)} runs that ended at neither sit in other local minima, whose training"
        f" loss lies {fmean(excess):.0f} % above that of the lower branch on average: large random"
        " starts keep weights that fit noise."
    ]


def _shares(found: dict[str, float]) -> str:
    kinds = ("positional", "semantic", "neither")
    return ", ".join(f"{percent(found.get(kind, 0.0), 0)} {kind}" for kind in kinds)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {end}" for end, n in counts.most_common()) or "nowhere"


def _value(found: object) -> str:
    value = getattr(found, "value", None)
    return "–" if value is None else f"{value:.3f}"
