"""Labels of many models at once, by several processes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mechprobe.models import HookedTransformer, MechprobeError, load
from mechprobe.models.base.errors import short
from mechprobe.models.base.parallel import run_all
from mechprobe.probes.labelling import label
from mechprobe.probes.results import MechanismLabel

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, repr=False)
class Labels(Mapping[str, MechanismLabel]):
    """Labels by the name of their model, in the order that was asked for.

    Args:
        found: by name.
        problems: why a model has none, by name.
    """

    found: Mapping[str, MechanismLabel]
    problems: Mapping[str, str]

    def __getitem__(self, name: str) -> MechanismLabel:
        return self.found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def to_frame(self) -> "DataFrame":
        """A row a model: verdict, kind and confidence on every axis, and the numbers behind them;
        those without a label last, with a `problem`."""
        from mechprobe.probes.views.frames import of_labels

        return of_labels(self.found, self.problems)

    def __repr__(self) -> str:
        failed = f", {len(self.problems)} without" if self.problems else ""
        return f"Labels({len(self.found)} models{failed})"

    def _repr_html_(self) -> str:
        from mechprobe.probes.views.showing import of_labels

        return of_labels(self.found, self.problems)


@dataclass(frozen=True)
class _Job:
    name: str
    model: HookedTransformer | Path
    seed: int


def label_many(
    models: Iterable[object] | Mapping[str, object],
    workers: int | None = None,
    seed: int = 0,
) -> Labels:
    """Label many models, with a progress bar; one that has no label does not keep the others back.

    Args:
        models: hooked models, and paths of checkpoints; by name in a mapping. Without one a path
            is its own name and models are called `model 0`, `model 1` by their places.
        workers: processes at a time; as many as there are cores where left out.
        seed: of every random draw, the same for every model.

    Raises:
        MechprobeError: two have one name, something is neither a model nor a path, or there is no
            worker.
    """
    if workers is not None and workers < 1:
        raise MechprobeError(f"workers={workers}: at least 1 is needed")
    jobs = [_Job(name, _model(name, item), seed) for name, item in _named(models)]
    names = [job.name for job in jobs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise MechprobeError(f"{short(min(twice))} is there twice; give names in a dictionary")
    done = {job.name: found for job, found in run_all(_labelled, jobs, "labelling", None, workers)}
    return Labels(
        {n: found for n in names if isinstance(found := done[n], MechanismLabel)},
        {n: found for n in names if isinstance(found := done[n], str)},
    )


def _named(models: Iterable[object] | Mapping[str, object]) -> list[tuple[str, object]]:
    if isinstance(models, Mapping):
        return [(str(name), item) for name, item in models.items()]
    if isinstance(models, (str, Path, HookedTransformer)):
        models = [models]
    return [
        (str(item) if isinstance(item, (str, Path)) else f"model {i}", item)
        for i, item in enumerate(models)
    ]


def _model(name: str, item: object) -> HookedTransformer | Path:
    if isinstance(item, HookedTransformer):
        return item
    if isinstance(item, (str, Path)):
        return Path(item)
    raise MechprobeError(
        f"{name}: a {type(item).__name__} is neither a hooked model nor a path; see"
        " `mechprobe.from_torch` for models of torch"
    )


def _labelled(job: _Job) -> MechanismLabel | str:
    try:
        model = load(job.model) if isinstance(job.model, Path) else job.model
        return label(model, seed=job.seed)
    except MechprobeError as error:
        return str(error)
