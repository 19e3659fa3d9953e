"""What a sweep trains: a grid over shapes, architectures, seeds and learning rates."""

import itertools
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, field_validator

from mechprobe.models import ARCHITECTURES, CountingConfig, MechprobeError, Trainee, TrainingPlan
from mechprobe.models.base.errors import short
from mechprobe.models.base.files import put_text
from mechprobe.models.base.safe.documents import read_toml
from mechprobe.models.base.validation import known_version, validated
from mechprobe.models.families.counting import log_spaced
from mechprobe.models.families.counting.config import Embeddings
from mechprobe.models.families.counting.training import Schedule

VERSION = 2  # of sweep.toml; version 1 had no earlier grids, and did not say its version
EARLIER = "earlier"  # in it: grids that the sweep was asked for before it grew
LARGEST = 1_000_000  # models; more is a slip of the hand
_Size = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Member:
    """One model of a grid.

    Args:
        name: unique in the grid, fit for a file name.
        trainee: what is trained.
    """

    name: str
    trainee: Trainee

    def row(self) -> dict[str, Any]:
        """Its settings as the table's columns."""
        c, plan = self.trainee.config, self.trainee.plan
        own = {"model": self.name, "architecture": c.architecture, **c.sizes}
        return own | {"seed": self.trainee.seed} | asdict(plan)


class Grid(BaseModel):
    """Every combination of the lists is a model.

    Attributes:
        family: of the models; "counting" is what can be swept so far.
        T, L: alphabet size and sequence length.
        d, p: widths of the embeddings, numbers of hidden neurons.
        arch: architectures of the paper.
        embeddings: of all models, "trained" or "fixed"; left out of files where they are trained.
        seeds: how many, counted from `seed`.
        seed: the first; also of the probes.
        lr: peak learning rates; the best one is chosen for each architecture, d, p and seed.
        steps, batch, schedule: the training plan.
        snapshots: weights kept at so many log-spaced steps.
        device: "cpu" or a CUDA device; part of the grid, for the bits depend on it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    family: Literal["counting"] = "counting"
    T: int = 32
    L: int = 10
    d: list[_Size] = Field(min_length=1)
    p: list[_Size] = Field(min_length=1)
    arch: list[str] = Field(default=list(ARCHITECTURES), min_length=1)
    embeddings: Embeddings = Field(default="trained", exclude_if=lambda kind: kind == "trained")
    seeds: _Size = 1
    seed: Annotated[int, Field(ge=0, lt=2**62)] = 0
    lr: list[float] = Field(default=[TrainingPlan().lr], min_length=1)
    steps: Annotated[int, Field(le=10**9)] = TrainingPlan().steps
    batch: Annotated[int, Field(le=10**6)] = TrainingPlan().batch
    schedule: Schedule = TrainingPlan().schedule
    snapshots: Annotated[int, Field(ge=0, le=1000)] = 0
    device: str = "cpu"

    @field_validator("d", "p", "arch", "lr")
    @classmethod
    def _each_once(cls, value: list[Any]) -> list[Any]:
        for entry in value:
            if value.count(entry) > 1:
                raise ValueError(f"{entry} is listed twice")
        return value

    @field_validator("arch", mode="before")
    @classmethod
    def _all_of_them(cls, value: object) -> object:
        return list(ARCHITECTURES) if value in ("all", ["all"]) else value

    @field_validator("lr", mode="before")
    @classmethod
    def _whole_rates(cls, value: object) -> object:
        # TOML writers may drop the point of 1.0; the plan refuses what is out of range.
        if not isinstance(value, list):
            return value
        # A longer one has no float; it is refused as it is.
        short_ones = (type(entry) is int and abs(entry) < 2**53 for entry in value)
        return [float(v) if fits else v for v, fits in zip(value, short_ones, strict=True)]

    @classmethod
    def checked(cls, data: object, where: str = "grid") -> "Grid":
        """Validate outside data, every model's configuration included.

        Raises:
            MechprobeError: with every fault in one line.
        """
        grid = validated(cls, data, where)
        number = len(grid.arch) * len(grid.d) * len(grid.p) * len(grid.lr) * grid.seeds
        if number > LARGEST:
            raise MechprobeError(
                f"{where}: {short(f'{number:,}', 40)} models; at most {LARGEST:,} are taken"
            )
        try:
            for arch, d, p in itertools.product(grid.arch, grid.d, grid.p):
                grid.config(arch, d, p)
            for lr in grid.lr:
                grid.plan(lr)
        except MechprobeError as error:
            raise MechprobeError(f"{where}: {error}") from None
        return grid

    @classmethod
    def read(cls, path: Path) -> "Grid":
        """A grid from a TOML file; of a sweep's own file, all that is swept.

        Raises:
            MechprobeError: no such file, not TOML, or not a grid.
        """
        data = read_settings(path)
        data.pop(EARLIER, None)
        return cls.checked(data, str(path))

    def write(self, path: Path) -> None:
        """As TOML; the caller renames."""
        put_text(path, tomli_w.dumps(self.model_dump()))

    def options(self) -> list[str]:
        """As options of `mechprobe sweep counting`."""
        found = []
        for name, value in self.model_dump(exclude={"family"}).items():
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            found += [f"--{name}", text]
        return found

    def config(self, arch: str, d: int, p: int) -> CountingConfig:
        """Of one cell."""
        sizes = {"T": self.T, "L": self.L, "d": d, "p": p}
        return CountingConfig.of(arch, **sizes, embeddings=self.embeddings)

    def plan(self, lr: float) -> TrainingPlan:
        """At one learning rate."""
        return TrainingPlan(self.steps, self.batch, lr, self.schedule)

    def members(self) -> list[Member]:
        """All models, in the order of the table."""
        return [
            Member(
                f"{arch}-d{d}-p{p}-s{seed}-lr{lr!r}",
                Trainee(self.config(arch, d, p), seed, self.plan(lr)),
            )
            for arch, d, p in itertools.product(self.arch, self.d, self.p)
            for seed in range(self.seed, self.seed + self.seeds)
            for lr in self.lr
        ]

    def shots(self) -> list[int]:
        """Steps after which weights are kept."""
        return log_spaced(self.steps, self.snapshots)

    def difference(self, other: "Grid") -> str | None:
        """The first setting that differs, in words."""
        for name in type(self).model_fields:
            own, found = getattr(self, name), getattr(other, name)
            if own != found:
                return f"{name} is {found} there, {own} here"
        return None


def read_settings(path: Path) -> dict[str, Any]:
    """A grid's file, whose version is looked at and left out.

    Raises:
        MechprobeError: no such file, not TOML, or of a newer mechprobe.
    """
    data = read_toml(path)
    try:
        known_version(data.pop("version", 1), VERSION)
    except ValueError as error:
        raise MechprobeError(f"{path}: {error}") from None
    return data
