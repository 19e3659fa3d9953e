"""Everything about one model: all probes that apply, and the label, over shared measurements."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from models import HookedTransformer
from probes.context import Context
from probes.mechanism import label_in
from probes.registry import all_probes
from probes.results import ModelResult


def study(
    model: HookedTransformer,
    *,
    name: str,
    path: str = "",
    seed: int = 0,
    meta: Mapping[str, Any] | None = None,
) -> ModelResult:
    """Run every probe that applies to a model and label it.

    Args:
        model: hooked model (natural view).
        name: what the run calls it.
        path: where its checkpoint lies, for the record.
        seed: of every random draw.
        meta: where it comes from.

    Raises:
        MechprobeError: a probe broke its declaration, or the sizes allow no label.
    """
    config = model.config
    context = Context(model, config.task(), seed)
    verdict = label_in(context)
    probes = all_probes().values()
    return ModelResult(
        name=name,
        path=path,
        family=config.family,
        architecture=config.architecture,
        sizes={"T": config.T, "L": config.L, "d": config.d, "p": config.p},
        model_hash=context.model_hash,
        task=asdict(context.task),
        meta=dict(meta or {}),
        label=verdict,
        probes=[p.on(context) for p in probes if p.why_not(model, context.task) is None],
    )
