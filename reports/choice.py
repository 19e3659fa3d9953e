"""Which models and probes of a run a report shows."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from mechprobe.models import MechprobeError
from mechprobe.models.base.registry import nearest
from mechprobe.probes.results import ModelResult


def chosen(
    results: Sequence[ModelResult], models: Iterable[str], probes: Iterable[str]
) -> list[ModelResult]:
    """Some models of a run, with some of their probes.

    Args:
        results: all of them.
        models, probes: names or shell patterns such as "bos*"; empty for all.

    Raises:
        MechprobeError: a name or pattern is that of nothing in the run.
    """
    wanted, kinds = list(models), list(probes)
    _refuse_unknown("model", wanted, [result.name for result in results])
    kept = [result for result in results if _meant(result.name, wanted)]
    _refuse_unknown("probe", kinds, [found.probe for result in kept for found in result.probes])
    return [
        result.model_copy(
            update={"probes": [found for found in result.probes if _meant(found.probe, kinds)]}
        )
        for result in kept
    ]


def _meant(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _refuse_unknown(what: str, patterns: Sequence[str], names: Sequence[str]) -> None:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            hint = nearest(pattern, list(dict.fromkeys(names)))
            raise MechprobeError(f"report: no {what} {pattern!r} in this run; {hint}")
