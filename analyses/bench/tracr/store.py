"""The compiled programs that come with the package, so that nobody needs tracr (and jax) for them.

Compiled matrices are nearly empty: of each model only the numbers that are not zero are kept, with
their places in all its weights, laid end to end in the order of `TracrDescription.shapes`.
"""

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import torch
from jaxtyping import Float, Int
from pydantic import BaseModel
from torch import Tensor

from mechprobe.analyses.bench.tracr.truth import TRUTH, Known
from mechprobe.models import HookedTransformer
from mechprobe.models.base.files import write_text
from mechprobe.models.base.tensor_files import open_tensors, write_tensors
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.counting.training.siit import Verified
from mechprobe.models.families.foreign.tracr import TracrDescription, model_of

WEIGHTS, PROGRAMS = "weights.safetensors", "programs.json"


class Compiled(BaseModel):
    """A compiled program.

    Attributes:
        program: its name, of `programs.PROGRAMS`.
        T, L: alphabet and length.
        description: sizes and encoders.
        verified: interchanges of its variables when it was stored.
    """

    program: str
    T: int
    L: int
    description: TracrDescription
    verified: dict[str, Verified]

    @property
    def name(self) -> str:
        """In files."""
        return f"{self.program}-T{self.T}-L{self.L}"

    @property
    def known(self) -> Known:
        """The truth about it."""
        return TRUTH[self.program]


class Population(BaseModel):
    """All compiled programs.

    Attributes:
        made_by: the command, and the version of tracr.
        programs: those that are kept.
    """

    made_by: str
    programs: list[Compiled]


def keep(folder: Path, made: Mapping[str, tuple[Compiled, Weights]], made_by: str) -> None:
    """Write programs and their weights into a folder."""
    tensors: dict[str, Tensor] = {}
    for name, (one, weights) in made.items():
        at, value = packed(one.description, weights)
        tensors |= {f"{name}/at": at, f"{name}/value": value}
    population = Population(made_by=made_by, programs=[one for one, _ in made.values()])
    write_tensors(folder / WEIGHTS, tensors, {"made_by": made_by})
    write_text(folder / PROGRAMS, population.model_dump_json() + "\n")


def packed(
    description: TracrDescription, weights: Weights
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Places and values of all numbers that are not zero."""
    flat = torch.cat([weights[name].flatten() for name in description.shapes])
    at = flat.nonzero().squeeze(1)
    return at.to(torch.int32), flat[at]


def unpacked(
    description: TracrDescription, at: Int[Tensor, " n"], value: Float[Tensor, " n"]
) -> Weights:
    """The weights again."""
    sizes = [math.prod(shape) for shape in description.shapes.values()]
    flat = torch.zeros(sum(sizes), dtype=torch.float32)
    flat[at.long()] = value
    parts = zip(description.shapes.items(), torch.split(flat, sizes), strict=True)
    return {name: part.reshape(shape).clone() for (name, shape), part in parts}


def packaged() -> Path:
    """The folder that comes with the package."""
    return Path(str(files("mechprobe.analyses.bench.tracr").joinpath("data")))


@cache
def by_name() -> dict[str, Compiled]:
    """The packaged programs, by name."""
    text = (packaged() / PROGRAMS).read_text(encoding="utf-8")
    return {one.name: one for one in Population.model_validate(json.loads(text)).programs}


def weights_of(one: Compiled) -> Weights:
    """The weights of a packaged program, as tracr names them."""
    with open_tensors(packaged() / WEIGHTS) as file:
        at, value = (file.get_tensor(f"{one.name}/{part}") for part in ("at", "value"))
    return unpacked(one.description, at, value)


def built(one: Compiled) -> HookedTransformer:
    """A packaged program as a model."""
    return model_of(one.description, weights_of(one), one.name)
