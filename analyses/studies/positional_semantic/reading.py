"""From results of the probes to what the page shows, and what was asked."""

from collections.abc import Sequence

import torch

from mechprobe.analyses.common.resume import found_in
from mechprobe.analyses.studies.positional_semantic.contents import (
    Demand,
    Kept,
    Model,
    Shares,
    Start,
)
from mechprobe.analyses.studies.positional_semantic.plan import LEAST_ACCURACY, RANGES, Budget
from mechprobe.analyses.studies.positional_semantic.training import Job
from mechprobe.models import MechprobeError, load
from mechprobe.probes import ModelResult
from mechprobe.probes.attention import ATTENTION

SEEN = 0.01  # share of the variance below which a part is noise, and its cosine with anything
PATTERN = "blocks.0.attn.hook_pattern"


def read(job: Job, name: str, freed: bool, result: ModelResult) -> Model:
    """One model's numbers.

    Args:
        job: whose stage it is.
        name: of the checkpoint.
        freed: whether after unfreezing.
        result: of the probes on it.

    Raises:
        MechprobeError: the checkpoint cannot be read, or nothing is known of its attention.
    """
    folder = job.checkpoint(name)
    attention = result.label.axis(ATTENTION.name)
    if attention is None or attention.agreement is None:
        raise MechprobeError(f"{folder}: its label does not say what the attention depends on")
    measured = {probe.probe: probe for probe in result.probes}
    scores, kept = measured["attention-sources"], measured["keep-source"]

    def score(metric: str) -> float | None:
        return scores.metrics[metric].value

    def there(part: str) -> bool:
        return (score(f"{part}_share") or 0.0) >= SEEN

    found = found_in(folder)
    plan = job.budget.then if freed else job.budget.first
    parts = ("positional", "semantic", "cross", "key_position", "key_token")
    return Model(
        name=name,
        start=job.start,
        seed=job.seed,
        freed=freed,
        epochs=plan.epochs,
        accuracy=found["accuracy"],
        moved=found["moved"],
        noise=found["noise"],
        shares=Shares(**{part: score(f"{part}_share") for part in parts}),
        m_like=scores.value("m_like"),
        theta_like=scores.value("theta_like"),
        position_identity=score("position_identity") if there("positional") else None,
        token_identity=score("token_identity") if there("semantic") else None,
        kept=Kept(
            everything=kept.value("accuracy"),
            positional=kept.value("positional"),
            semantic=kept.value("semantic"),
            neither=kept.value("neither"),
            chance=kept.value("chance"),
        ),
        attention=attention.kind,
        agreement=attention.agreement,
        verdict=result.label.verdict,
        patterns=_patterns(job, name),
    )


def demands(models: Sequence[Model], budget: Budget) -> list[Demand]:
    """What was asked, and found."""
    labelled = [model for model in models if model.right is not None]
    wrong = [f"{model.name} is {model.attention}" for model in labelled if not model.right]
    right = len(labelled) - len(wrong)
    found = [
        Demand(
            name="only_pos and only_sem models are labelled right before and after unfreezing",
            found="; ".join([f"{right} of {len(labelled)}", *wrong]),
            met=not wrong,
        )
    ]
    starts: tuple[Start, ...] = ("only_pos", "only_sem")
    for start in starts:
        reached = [m.accuracy for m in models if m.start == start and not m.freed]
        found.append(
            Demand(
                name=f"every {start} model answers {100 * LEAST_ACCURACY:g} % right",
                found=_reached(reached),
                met=None if budget.quick else min(reached) >= LEAST_ACCURACY,
            )
        )
    free = [model for model in models if model.start == "both"]
    if free:
        inside = [RANGES.hold(model.shares) for model in free]
        low, high = RANGES.positional, RANGES.semantic
        found.append(
            Demand(
                name=f"free models have {low[0]} to {low[1]} % positional and {high[0]} to"
                f" {high[1]} % semantic score variance, in whole per cent",
                found=f"{sum(inside)} of {len(free)}: "
                + ", ".join(_pair(model.shares) for model in free),
                met=None if budget.quick else all(inside),
            )
        )
    return found


def _reached(accuracies: Sequence[float]) -> str:
    low, high = (f"{100 * end:.2f} %" for end in (min(accuracies), max(accuracies)))
    return low if low == high else f"{low} to {high}"


def _pair(shares: Shares) -> str:
    parts = (shares.positional, shares.semantic)
    return " / ".join("–" if part is None else f"{100 * part:.1f}" for part in parts)


def _patterns(job: Job, name: str) -> list[list[list[float]]]:
    tokens = torch.tensor(job.budget.examples, dtype=torch.int64)
    with torch.no_grad():
        _, cache = load(job.checkpoint(name)).run_with_cache(tokens, names_filter=PATTERN)
    patterns: list[list[list[float]]] = cache[PATTERN][:, 0].double().tolist()
    return patterns
