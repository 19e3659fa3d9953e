"""mechprobe's own rule, as users meet it."""

from collections.abc import Mapping

from mechprobe.analyses.bench.methods.answers import KINDS
from mechprobe.analyses.bench.methods.registry import method
from mechprobe.models import HistogramTask, HookedTransformer
from mechprobe.probes.labelling import label, rule_version

VERSION = rule_version(HistogramTask(T=8, L=6))


@method("mechprobe-rule", source="mechprobe", probabilities=True, version=VERSION)
def mechprobe_rule(
    model: HookedTransformer, task: HistogramTask, seed: int
) -> Mapping[str, float] | None:
    """mechprobe's label: its confidence for the kind it names, the rest for the others alike."""
    found = label(model, task, seed)
    if found.mechanism is None or found.confidence is None:
        return None
    rest = (1 - found.confidence) / (len(KINDS) - 1)
    return dict.fromkeys(KINDS, rest) | {found.mechanism: found.confidence}
