"""The population that comes with the package: weights in one file, their truth in another.

It is package data, for the benchmark, calibration and the bench of methods need it wherever
mechprobe is installed, and training it again takes most of an hour of a core. It weighs less than
a megabyte, in float32: half precision changes answers of some models.
"""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import torch
from pydantic import BaseModel

from mechprobe.analyses.bench.siit.job import GrownStack, Stack
from mechprobe.models import CountingConfig, HookedTransformer
from mechprobe.models.base.files import write_text
from mechprobe.models.base.tensor_files import open_tensors, write_tensors
from mechprobe.models.families.counting.training.siit import Verified
from mechprobe.models.tasks.causal_models import CausalModel, grouped

WEIGHTS, TRUTH = "trained.safetensors", "truth.json"
VERSION = 1


class Known(BaseModel):
    """A model and what is known of it.

    Attributes:
        name: its name in the population.
        architecture, T, L, d, p, seed: what it is.
        counters: of the causal model it was trained towards, number of each token's counter.
        verified: its interchange accuracy in every case, on pairs it never saw.
    """

    name: str
    architecture: str
    T: int
    L: int
    d: int
    p: int
    seed: int
    counters: list[int]
    verified: dict[str, Verified]

    @property
    def causal(self) -> CausalModel:
        """What it does."""
        return grouped(self.counters)

    @property
    def mechanism(self) -> str:
        """The kind of label that is right for it; several counters are relation-based."""
        name = self.causal.name
        return "relation-based" if name == "several counters" else name

    @property
    def attention(self) -> str | None:
        """The kind of attention that it must have; None where training left that open.

        A shared counter holds the count of the position's own token, which only attention that
        compares tokens can write. A look-up works with any that weighs all tokens alike.
        """
        return None if self.mechanism == "inventory-based" else "semantic"

    @property
    def config(self) -> CountingConfig:
        """Its configuration."""
        return CountingConfig.of(self.architecture, T=self.T, L=self.L, d=self.d, p=self.p)


class Truth(BaseModel):
    """All that is known of the population.

    Attributes:
        version: of this format.
        made_by: the command.
        failed: names of models that were trained and are left out, for their interchange
            accuracy is too low, each with the case that fails most.
        models: those that are kept.
    """

    version: int = VERSION
    made_by: str
    failed: dict[str, str]
    models: list[Known]


def keep(folder: Path, stacks: Sequence[Stack], grown: Sequence[GrownStack], made_by: str) -> Truth:
    """Write the models that passed, and what is known of them, into a folder."""
    models: list[Known] = []
    failed: dict[str, str] = {}
    tensors: dict[str, torch.Tensor] = {}
    for stack, made in zip(stacks, grown, strict=True):
        shape = stack.config.model_dump(include={"T", "L", "d", "p"})
        for i, (name, one) in enumerate(zip(stack.names, made.models, strict=True)):
            if not one.passed:
                case, worst = min(one.verified.items(), key=lambda pair: pair[1].accuracy)
                failed[name] = f"{case}: {worst.accuracy:.3f}, worst token {worst.worst:.3f}"
                continue
            known = Known(
                name=name,
                architecture=stack.architecture,
                seed=stack.seeds[i],
                counters=list(stack.counters[i]),
                verified=one.verified,
                **shape,
            )
            models.append(known)
            tensors |= {
                f"{name}/{key}": torch.tensor(w, dtype=torch.float32)
                for key, w in one.weights.items()
            }
    truth = Truth(made_by=made_by, failed=failed, models=models)
    write_tensors(folder / WEIGHTS, tensors, {"made_by": made_by})
    write_text(folder / TRUTH, truth.model_dump_json(indent=1) + "\n")
    return truth


def packaged() -> Path:
    """The folder with the population that comes with the package."""
    return Path(str(files("mechprobe.analyses.bench.siit").joinpath("data")))


@cache
def truth() -> Truth:
    """What is known of the packaged population."""
    return Truth.model_validate(json.loads((packaged() / TRUTH).read_text(encoding="utf-8")))


@cache
def by_name() -> dict[str, Known]:
    """The packaged models, by name."""
    return {one.name: one for one in truth().models}


def built(known: Known) -> HookedTransformer:
    """One of the packaged models."""
    with open_tensors(packaged() / WEIGHTS) as file:
        mine = [key for key in file.keys() if key.startswith(f"{known.name}/")]  # noqa: SIM118
        weights = {key.removeprefix(f"{known.name}/"): file.get_tensor(key) for key in mine}
    return HookedTransformer(known.config, weights)
