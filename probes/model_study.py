"""Everything about one model: all probes that apply, and the label, over shared measurements."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from mechprobe.models import MechprobeError
from mechprobe.models.tasks import described
from mechprobe.probes.labelling import label_in
from mechprobe.probes.reading import context_for
from mechprobe.probes.registry import all_probes
from mechprobe.probes.results import ModelResult

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer


def study(
    model: "HookedTransformer",
    *,
    name: str,
    path: str = "",
    seed: int = 0,
    meta: Mapping[str, Any] | None = None,
    probes: Collection[str] | None = None,
) -> ModelResult:
    """Run every probe that applies to a model and label it; a probe that fails is noted.

    Args:
        model: hooked model (natural view).
        name: what the run calls it.
        path: where its checkpoint lies, for the record.
        seed: of every random draw.
        meta: where it comes from.
        probes: names of those to run, all where left out.

    Raises:
        MechprobeError: the model cannot be measured, or its sizes allow no label.
    """
    context = context_for(model, seed=seed)
    config = model.config
    verdict = label_in(context)
    results, problems = [], []
    for probe in all_probes().values():
        if probes is not None and probe.name not in probes:
            continue
        try:
            if probe.why_not(model, context.task) is None:
                results.append(probe.on(context))
        except MechprobeError as error:
            problems.append(str(error))
            if not probe.is_ours:  # what it may have left of its own work is not for others
                context = context_for(model, seed=seed)
    return ModelResult(
        name=name,
        path=path,
        family=config.family,
        architecture=config.architecture,
        sizes=config.sizes,
        model_hash=context.model_hash,
        task=described(context.task),
        meta=dict(meta or {}),
        label=verdict,
        probes=results,
        problems=problems,
    )
