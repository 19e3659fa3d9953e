"""The page's tables: cells of text, made from the study's numbers."""

from collections import Counter
from collections.abc import Sequence

from mechprobe.analyses.studies.positional_semantic.contents import (
    RESTRICTED,
    Demand,
    Model,
    PositionalSemantic,
    Spread,
    Start,
)
from mechprobe.reports.formatting import MISSING, number, percent
from mechprobe.reports.parts import Table

NAMES: dict[Start, str] = {"only_pos": "only_pos", "only_sem": "only_sem", "both": "free"}
KEPT = ("everything", "positional", "semantic", "neither", "chance")


def demands(study: PositionalSemantic) -> Table:
    """What was asked, found, and whether it holds."""
    rows = [[demand.name, demand.found, verdict(demand)] for demand in study.demands]
    return Table("What the study is to show", ["Demand", "Found", "Met"], rows)


def verdict(demand: Demand) -> str:
    """Yes, NO, or not demanded."""
    if demand.met is None:
        return "not demanded in the quick budget"
    return "yes" if demand.met else "NO"


def budget(study: PositionalSemantic) -> Table:
    """Training beside the published one."""
    rows = [[setting.name, setting.here, setting.published] for setting in study.budget]
    return Table("Training", ["Setting", "Here", "Published"], rows)


def accuracies(study: PositionalSemantic) -> Table:
    """Held-out accuracy by start and stage."""
    head = ["Model", "Stage", "Runs", "Accuracy", "sd", "Least", "Published", "sd", "Runs"]
    rows = []
    for start, freed, models in stages(study):
        known = study.published.get(start) if not freed else None
        found = Spread.of([model.accuracy for model in models])
        least = min(model.accuracy for model in models)
        theirs = [MISSING] * 3 if known is None else _spread(known.accuracy)
        rows.append(
            [
                NAMES[start], stage_name(start, freed), str(found.runs), *_spread(found)[:2],
                percent(least, 2), *theirs,
            ]
        )  # fmt: skip
    return Table("Accuracy on sequences held out", head, rows)


def sources(study: PositionalSemantic) -> Table:
    """Shares and amplitudes, means over seeds."""
    head = [
        "Model", "Stage", "Positional", "of that key alone", "Semantic", "of that key alone",
        "Cross", "Like m", "Like θ", "cos, positions", "cos, tokens",
    ]  # fmt: skip
    rows = [
        [NAMES[start], stage_name(start, freed), *_sources(models)]
        for start, freed, models in stages(study)
    ]
    return Table("Shares of the scores’ variance and amplitudes, means over seeds", head, rows)


def kept(study: PositionalSemantic) -> Table:
    """Accuracy with one source kept, means over seeds."""
    head = ["Model", "Stage", "Untouched", "Positional", "Semantic", "Neither", "Constant answer"]
    rows = [
        [NAMES[start], stage_name(start, freed)]
        + [percent(mean([getattr(model.kept, name) for model in models])) for name in KEPT]
        for start, freed, models in stages(study)
    ]
    return Table("Accuracy with one source of attention kept, means over seeds", head, rows)


def distances(study: PositionalSemantic) -> Table:
    """How far weights moved, beside the published."""
    head = ["Model", "Way", "Runs", "Distance", "sd", "Published", "sd", "Runs"]
    rows = []
    for start, freed, models in stages(study):
        known = study.published.get(start)
        way = "after unfreezing" if freed else "from initialisation"
        found = Spread.of([model.moved for model in models])
        theirs = None if known is None else (known.freed if freed else known.from_start)
        cells = [MISSING] * 3 if theirs is None else _moved(theirs)
        rows.append([NAMES[start], way, str(found.runs), *_moved(found)[:2], *cells])
    return Table("Distance moved: sum over tensors of Euclidean norms", head, rows)


def labels(study: PositionalSemantic) -> Table:
    """Attention labels by start and stage."""
    head = ["Model", "Stage", "Attention labels", "All right", "Least agreement", "Verdicts"]
    rows = []
    for start, freed, models in stages(study):
        right = "–" if start not in RESTRICTED else "yes" if all(m.right for m in models) else "NO"
        rows.append(
            [
                NAMES[start], stage_name(start, freed), counted([m.attention for m in models]),
                right, percent(min(m.agreement for m in models), 0),
                counted([m.verdict for m in models]),
            ]
        )  # fmt: skip
    return Table("Labels", head, rows)


def free(study: PositionalSemantic) -> Table:
    """Every free model against the ranges."""
    low, high = study.ranges.positional, study.ranges.semantic
    head = [
        "Seed", "Ends", "Agreement", "Accuracy", f"Positional ({low[0]} to {low[1]} %)",
        f"Semantic ({high[0]} to {high[1]} %)", "Cross", "Within",
    ]  # fmt: skip
    rows = [
        [
            str(m.seed), m.attention, percent(m.agreement, 0), percent(m.accuracy, 2),
            percent(m.shares.positional), percent(m.shares.semantic), percent(m.shares.cross),
            "yes" if study.ranges.hold(m.shares) else "no",
        ]
        for m in study.stage("both")
    ]  # fmt: skip
    return Table("Free models, one by one", head, rows)


def everything(study: PositionalSemantic) -> Table:
    """One row a model."""
    head = [
        "Model", "Accuracy", "Attention", "Agreement", "Positional", "Semantic", "Cross", "Like m",
        "Like θ", "Positional alone", "Semantic alone", "Neither", "Distance", "Verdict",
    ]  # fmt: skip
    rows = [
        [
            m.name, percent(m.accuracy, 2), m.attention, percent(m.agreement, 0),
            percent(m.shares.positional), percent(m.shares.semantic), percent(m.shares.cross),
            number(m.m_like), number(m.theta_like), percent(m.kept.positional),
            percent(m.kept.semantic), percent(m.kept.neither), number(m.moved), m.verdict,
        ]
        for m in study.models
    ]  # fmt: skip
    return Table("Every model", head, rows, folded=True)


def stages(study: PositionalSemantic) -> list[tuple[Start, bool, list[Model]]]:
    """Start, whether freed, and the models; those there are."""
    starts: tuple[Start, ...] = ("only_pos", "only_sem", "both")
    every = [
        (start, freed, study.stage(start, freed)) for start in starts for freed in (False, True)
    ]
    return [(start, freed, models) for start, freed, models in every if models]


def stage_name(start: Start, freed: bool) -> str:
    """Before or after unfreezing."""
    return "from scratch" if start == "both" else "after unfreezing" if freed else "before"


def mean(values: Sequence[float | None]) -> float | None:
    """Of those that are there."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def counted(words: Sequence[str]) -> str:
    """How often each occurs, commonest first: "4 semantic, 1 mixed"."""
    return ", ".join(f"{n} {word}" for word, n in Counter(words).most_common())


def _sources(models: Sequence[Model]) -> list[str]:
    names = ("positional", "key_position", "semantic", "key_token", "cross")
    plain = ("m_like", "theta_like", "position_identity", "token_identity")
    return [percent(mean([getattr(m.shares, name) for m in models])) for name in names] + [
        number(mean([getattr(m, name) for m in models])) for name in plain
    ]


def _spread(found: Spread) -> list[str]:
    sd = MISSING if found.sd is None else percent(found.sd, 2)
    return [percent(found.mean, 2), sd, str(found.runs)]


def _moved(found: Spread) -> list[str]:
    return [number(found.mean), number(found.sd), str(found.runs)]
