"""Train the models, or take those that are there."""

from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from mechprobe.analyses.bench.out_of_distribution.plan import Plan, Pupil
from mechprobe.analyses.bench.out_of_distribution.training import train_lacking
from mechprobe.analyses.common.stopping import goes_on
from mechprobe.models import HookedTransformer, MechprobeError, Trainee, load, read_meta, save


def trained(plan: Plan, folder: Path) -> Iterator[tuple[Pupil, HookedTransformer]]:
    """Every model of the plan, in its order; each is saved as soon as it is trained.

    A model whose training diverged is left out.

    Args:
        plan: what to train.
        folder: of the checkpoints; those of the same training are taken as they are.

    Raises:
        MechprobeError: a checkpoint there is of another training.
    """
    goes_on()
    for pupil in tqdm(plan.pupils(), desc="training", disable=None):
        path, meta = folder / pupil.name, _meta(pupil, plan)
        if path.exists():
            if read_meta(path) != meta:
                raise MechprobeError(f"{path}: is of another training; choose a new folder")
            yield pupil, load(path)
            continue
        try:
            model = HookedTransformer(pupil.config, train_lacking(pupil, plan.training))
        except MechprobeError as error:
            tqdm.write(str(error))
            continue
        save(model, path, meta)
        yield pupil, model


def _meta(pupil: Pupil, plan: Plan) -> dict[str, object]:
    meta = Trainee(pupil.config, pupil.seed, plan.training).meta()
    return meta | {"withheld": pupil.withheld.tolist()}
