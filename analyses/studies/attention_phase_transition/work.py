"""The attention phase transition: theory, experiments and published runs on one page."""

import dataclasses
from collections.abc import Sequence
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from mechprobe.analyses.common.console import tell
from mechprobe.analyses.common.resume import finish
from mechprobe.analyses.studies.attention_phase_transition.comparison import compare, line, settle
from mechprobe.analyses.studies.attention_phase_transition.contents import PhaseTransition
from mechprobe.analyses.studies.attention_phase_transition.page import write_page
from mechprobe.analyses.studies.attention_phase_transition.plan import (
    FULL,
    MIXINGS,
    OMEGA,
    QUICK,
    RATE,
    Job,
    Jobs,
    Plan,
    jobs,
)
from mechprobe.analyses.studies.attention_phase_transition.published import RUNS, D, published
from mechprobe.analyses.studies.attention_phase_transition.results import (
    Minima,
    Number,
    Paths,
    TheoryPair,
)
from mechprobe.models.base.files import write_text
from mechprobe.reports.formatting import counted

PACKAGES = ("mechprobe", "torch", "numpy", "scipy", "numba", "matplotlib")
TITLE = "Positional or semantic: the phase transition of an attention layer"
VERSION = 1  # of what the jobs compute
PASSES_FROM = 1.0  # alpha from which experiments have to meet theory
PAGE, STUDY = "attention.html", "study.json"


def study(folder: Path, plan: Plan, seed: int, command: str) -> PhaseTransition:
    """Do what is missing and put everything together.

    Args:
        folder: of the study; finished pieces in it are kept.
        plan: sizes.
        seed: of everything random.
        command: that makes this study again.

    Raises:
        MechprobeError: the folder holds something else or cannot be written.
    """
    wanted = jobs(plan, seed)
    found = finish(folder, wanted.all(), "attention phase transition", VERSION)
    return _assemble(wanted, found, plan, seed, command)


def _assemble(
    wanted: Jobs, found: dict[Job, Any], plan: Plan, seed: int, command: str
) -> PhaseTransition:
    curve = [found[job] for job in wanted.curve]
    plane = [found[job] for job in wanted.plane]
    minima = _merged([found[job] for job in wanted.minima])
    table = published()
    return PhaseTransition(
        title=TITLE,
        command=command,
        seed=seed,
        versions={name: installed(name) for name in PACKAGES},
        settings=_settings(plan),
        omega=OMEGA,
        mixings={name: [list(row) for row in A] for name, A in MIXINGS.items()},
        curve=curve,
        others=[found[job] for job in wanted.others],
        plane=plane,
        plane_lines=[line(_row(plane, omega)) for omega in plan.plane_omegas],
        lines=[found[job] for job in wanted.lines],
        here=line(curve) if wanted.here is None else found[wanted.here],
        minima=minima,
        other_minima=_merged([found[job] for job in wanted.other_minima]),
        scaling=_merged([found[job] for job in wanted.scaling]),
        scaling_theory=found[wanted.scaling_theory],
        paths=settle(_joined([found[job] for job in wanted.paths]), curve),
        stopped=[found[job] for job in wanted.stopped],
        published=table,
        published_runs=RUNS,
        passes_from=PASSES_FROM,
        quick=plan.quick,
        comparisons=compare(curve, minima, table, RUNS),
    )


def _row(plane: Sequence[TheoryPair], omega: float) -> list[TheoryPair]:
    return sorted((pair for pair in plane if pair.omega == omega), key=lambda pair: pair.alpha)


def _merged(blocks: Sequence[Minima]) -> list[Minima]:
    """Blocks of one setting as one."""
    together: dict[tuple[str, float, float, int], list[Minima]] = {}
    for block in blocks:
        key = block.mixing, block.omega, block.alpha, block.d
        together.setdefault(key, []).append(block)
    return [
        same[0].model_copy(update={"minima": [m for block in same for m in block.minima]})
        for same in together.values()
    ]


def _joined(blocks: Sequence[Paths]) -> list[Paths]:
    """Paths of one alpha and scale as one block."""
    together: dict[tuple[float, float], list[Paths]] = {}
    for block in blocks:
        together.setdefault((block.scale, block.alpha), []).append(block)
    return [
        same[0].model_copy(update={"paths": [path for block in same for path in block.paths]})
        for same in together.values()
    ]


def _settings(plan: Plan) -> dict[str, str]:
    return {
        "Model": "L = 2, rank one, σ = 0.5, λ = 0.01",
        "Experiments": f"d = {plan.d}, {counted(plan.seeds, 'data set')} a value of α, both starts"
        " on each; L-BFGS to |gradient| ≤ 1e-7 √d; test errors on 4000 fresh sequences",
        "Ends of minima": "semantic or positional after the larger cosine of Q, with Q* or with"
        " ones; mixed where the smaller one is more than half of it, neither where both are below"
        " 4 / √d; a minimum has left its branch where its start's own cosine is not the larger",
        "Theory": f"2 sets of 2^{plan.log2_points} scrambled Sobol points (plane:"
        f" 2^{plan.plane_points})",
        "Scaling": ", ".join(f"{counted(n, 'data set')} at d = {d}" for d, n in plan.scaling)
        + f", α = {plan.scaling_alpha:g}",
        "Second A": f"{counted(plan.other_seeds, 'data set')}, d = {plan.d}",
        "Dynamics": f"{counted(plan.paths_data, 'data set')} with"
        f" {counted(plan.paths_starts, 'start')} each, d ="
        f" {plan.paths_d}, {plan.paths_steps} steps of gradient descent at rate 1",
        "Descent as published": f"{counted(plan.stopped_data, 'data set')} a value of α,"
        f" d = {plan.d}, {plan.stopped_steps} steps at rate {RATE:g}",
        "Published runs": f"tables of the code of arXiv:2402.03902: d = {D}, {RUNS} runs a point,"
        " 5000 steps of gradient descent at rate 0.15",
    }


def summary(result: PhaseTransition) -> str:
    """Transitions and the demanded agreement, as text for a terminal."""
    here = result.here
    names = (("alpha_c", here.alpha_c), ("alpha_l", here.alpha_l))
    lines = [
        f"{name}: not found" if value is None else f"{name}: {_known(value)}"
        for name, value in names
    ]
    for source in ("ours", "published"):
        chosen = [
            c
            for c in result.comparisons
            if c.source == source and c.alpha >= result.passes_from and c.passed is not None
        ]
        lines.append(
            f"{source}: {sum(c.passed is True for c in chosen)} of {len(chosen)} within two"
            " standard errors and 2 % of theory"
        )
        lines += [
            f"  outside: {c.observable}, {c.branch} start, alpha={c.alpha:.4g}: {c.mean:.5g}"
            f" against {c.theory.value:.5g} (allowed +- {c.allowed:.2g})"
            for c in chosen
            if not c.passed and c.theory is not None and c.allowed is not None
        ]
    return "\n".join(lines)


def _known(value: Number) -> str:
    """A transition as text for a terminal."""
    if value.error is None:
        return f"{value.value:.4f} (read off the curve, error not known)"
    return f"{value.value:.4f} +- {value.error:.4f}"


def run(out: Path, quick: bool, seeds: int | None, seed: int, command: str) -> int:
    """Do the study, write its page, print a summary.

    Args:
        out: folder of the study.
        quick: small and few.
        seeds: data sets at each alpha of part (a), in place of the plan's.
        seed: of everything random.
        command: that makes this study again.

    Returns:
        The exit code.

    Raises:
        MechprobeError: the folder holds something else or cannot be written.
    """
    plan = QUICK if quick else FULL
    if seeds is not None:
        plan = dataclasses.replace(plan, seeds=seeds)
    result = study(out, plan, seed, command)
    write_text(out / STUDY, result.model_dump_json() + "\n")
    page = write_page(result, out / PAGE)
    tell(summary(result))
    tell(f"page: {page}")
    return 0
