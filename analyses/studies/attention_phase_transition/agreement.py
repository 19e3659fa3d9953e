"""What the page says of the agreement between experiments and theory, failures first to last."""

from collections.abc import Sequence
from statistics import fmean, stdev

from mechprobe.analyses.studies.attention_phase_transition.contents import (
    Comparison,
    PhaseTransition,
)
from mechprobe.analyses.studies.attention_phase_transition.curves import select
from mechprobe.analyses.studies.attention_phase_transition.results import BRANCHES
from mechprobe.analyses.studies.attention_phase_transition.tables import (
    demanded,
    deviation,
    mean_deviation,
)


def scores(study: PhaseTransition) -> list[str]:
    """(c)."""
    says = [
        "z is the distance of a mean from theory in standard errors; the grey band is ±2, and left"
        " of the dotted line agreement is not expected. A z outside the band with a small deviation"
        " in per cent is no contradiction: many runs measure more finely than the corrections of"
        " order 1/d, see (d), and than replica symmetry may hold. That is why agreement is asked"
        " for within two standard errors and 2 % of theory. Our minima are at"
        f" d = {study.minima[0].d}.",
    ]
    for source, name in (("ours", "Our minima"), ("published", "The published runs")):
        chosen = [c for c in demanded(study) if c.source == source and c.passed is not None]
        passed = sum(c.passed is True for c in chosen)
        failed = [c for c in chosen if c.passed is False]
        words = "; ".join(_failure(c) + _unknown_error(study, c) for c in failed)
        tail = f": outside {words}." if failed else "."
        says.append(f"{name}: {passed} of {len(chosen)} comparisons hold{tail}")
    says.append(
        f"The published means are of {study.published_runs} runs (so the code that made the tables"
        " says); their training losses come without deviations, so that for these two standard"
        " errors count as nothing, and runs that left their branch cannot be told apart."
    )
    return [*says, *_systematic(study), *_early(study), *_metastable(study)]


def _systematic(study: PhaseTransition) -> list[str]:
    """Mean deviation of each branch's own overlap."""
    words = []
    for source in ("ours", "published"):
        for branch in BRANCHES:
            chosen = [c for c in select(demanded(study), source, branch, "overlap") if c.theory]
            if len(chosen) > 1:
                overlap = "θ" if branch == "semantic" else "m"
                words.append(f"{overlap} {mean_deviation(chosen)} ({source})")
    if not words:
        return []
    return [f"Averaged over α ≥ {study.passes_from:g} the overlaps deviate by: {', '.join(words)}."]


def _early(study: PhaseTransition) -> list[str]:
    """What stopping descent where the published runs stop it changes, measured on pairs."""
    words = []
    for branch in BRANCHES:
        for alpha in sorted({block.alpha for block in study.stopped}):
            runs = [
                run
                for block in study.stopped
                if block.alpha == alpha
                for run in block.runs
                if run.start == branch
            ]
            name = "θ" if branch == "semantic" else "m"
            own = _change([run.own for run in runs])
            error = _change([run.test_error for run in runs])
            words.append(f"{name} {own} and test error {error} at α = {alpha:.3g}")
    if not words:
        return []
    first = study.stopped[0]
    return [
        f"Part of the published deviations is that descent was stopped: after {first.steps} steps"
        f" at rate {first.rate:g}, d = {first.d}, our own runs differ from the minimum of the same"
        f" start on the same data by: {'; '.join(words)}."
    ]


def _change(pairs: Sequence[tuple[float, float]]) -> str:
    """Mean relative change from the minimum to the stopped run, with its standard error."""
    changes = [100 * (stopped / minimum - 1) for stopped, minimum in pairs]
    text = f"{fmean(changes):+.1f}"
    if len(changes) > 1:
        text += f" ± {stdev(changes) / len(changes) ** 0.5:.1f}"
    return f"{text} %".replace("-", "−")


def _metastable(study: PhaseTransition) -> list[str]:
    semantic = [
        c for c in select(study.comparisons, "ours", "semantic", "overlap") if c.alpha < 0.9
    ]
    says = []
    off = [c for c in semantic if c.theory is not None and c.passed is False]
    gone = [c for c in semantic if c.theory is None]
    if off or gone:
        words = [
            "Below α of about 0.9 the semantic branch is only metastable, and real minimisers"
            " depart from the replica-symmetric theory drawn here: they keep a θ that theory has"
            " lose."
        ]
        if off:
            words.append(
                "Measured against theory: "
                + ", ".join(
                    f"θ = {c.mean:.3f} against {c.theory.value:.3f} at α = {c.alpha:.3g}"
                    for c in off
                    if c.theory is not None
                )
                + "."
            )
        if gone:
            words.append(
                "Where theory has no semantic branch at all: "
                + ", ".join(f"θ = {c.mean:.3f} at α = {c.alpha:.3g}" for c in gone)
                + "."
            )
        says.append(" ".join(words))
    says.append(
        "|overlap| is biased upward where the overlap is small: at finite d its mean is above zero"
        " even where theory has zero. Only a branch's own overlap is compared; the other one is"
        " shown in (a) as |overlap|, and lies above the line for that reason."
    )
    return says


def _failure(c: Comparison) -> str:
    name = {"overlap": "θ" if c.branch == "semantic" else "m"}.get(c.observable, c.observable)
    percent_off = f"{deviation(c):+.1f} %".replace("-", "−")
    return f"{name} of the {c.branch} start at α = {c.alpha:.3g} ({percent_off})"


def _unknown_error(study: PhaseTransition, c: Comparison) -> str:
    """For a published mean without a deviation: how far such a mean scatters in our runs."""
    ours = [
        o
        for o in select(study.comparisons, "ours", c.branch, c.observable)
        if o.alpha == c.alpha and o.error is not None
    ]
    if c.error is not None or not ours or not ours[0].error:
        return ""
    return f", where two s.e. of our runs are {200 * ours[0].error / ours[0].mean:.1f} %"
