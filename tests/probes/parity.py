"""A task with labels as a package of its own would bring it: importing this registers it.

Is a token's count even or odd? The models are those that count, asked for that instead.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from mechprobe.models import CountingConfig, HistogramTask, HookedTransformer, construct
from mechprobe.models.base.weights import Weights
from mechprobe.models.tasks import Interface, task
from mechprobe.probes import Context, Measurement, MechanismLabel, MetricSpec, probe
from mechprobe.probes.axes import Axis, Column, Item, Kind
from mechprobe.probes.reading import TaskReading, task_reading
from mechprobe.probes.results import Metric

RULE = "parity-1"
TOLD = 0.9  # least share of right answers
FAIR = 0.1  # most that even and odd counts may differ by


@task("parity")
@dataclass(frozen=True)
class Parity:
    """Is the number of times that this position's token occurs even or odd?"""

    T: int
    L: int
    name: str = "parity"

    @classmethod
    def from_data(cls, data: Mapping[str, Any], tensors: Weights) -> "Parity":
        return cls(T=data["T"], L=data["L"])

    def why_not(self, interface: Interface) -> str | None:
        return self._count.why_not(interface)

    @property
    def _count(self) -> HistogramTask:
        return HistogramTask(T=self.T, L=self.L)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return self._count.sample(n, generator)

    def targets(self, inputs: Tensor) -> Tensor:
        return self._count.targets(inputs) % 2

    def answered(self, answers: Tensor) -> Tensor:
        return self._count.scored(answers, -2).argmax(-1) % 2

    def loss(self, answers: Tensor, inputs: Tensor, targets: Tensor | None = None) -> Tensor:
        wanted = self.targets(inputs) if targets is None else targets
        return (self.answered(answers) != wanted).double().mean()

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "T": self.T, "L": self.L}


def asked(construction: str, T: int = 6, L: int = 5) -> HookedTransformer:
    """A construction, asked for the parity."""
    plain = construct(construction, T=T, L=L)
    fields = plain.config.model_dump() | {"asked": Parity(T, L).describe()}
    return HookedTransformer(CountingConfig.checked(fields), plain.weights())


class ParityContext(Context):
    """Which answers have the parity of the count."""

    @cached_property
    def targets(self) -> Tensor:
        return self.task.targets(self.inputs)

    @cached_property
    def right(self) -> Tensor:
        return self.task.answered(self.answers) == self.targets

    def share(self, parity: int) -> float:
        return self.right[self.targets == parity].double().mean().item()


PARITY = Axis(
    "parity",
    "Parity",
    {
        "told": Kind("The answers have the parity of the count.", "parity told", "#0072b2"),
        "missed": Kind("Too few answers have it.", "parity missed", "#8a929b"),
    },
)
SIDES = Axis(
    "sides",
    "Sides",
    {
        "fair": Kind("Even and odd counts are answered alike.", "even-handed", "#009e73"),
        "one-sided": Kind("One of them is answered better.", "one-sided", "#d55e00"),
    },
)


@task_reading("parity")
class ParityReading(TaskReading):
    """Models asked for the parity of a count."""

    title = "Models of parity"
    axes = (PARITY, SIDES)
    columns = (
        Column("Parity", lambda label: label.kind("parity")),
        Column("Sides", lambda label: label.kind("sides")),
        Column("Confidence", lambda label: label.certainty, "confidence"),
        Column("Right", lambda label: label.number("right"), "share"),
    )
    sizes = {"T": "alphabet size"}

    def context(self, model: HookedTransformer, task: Parity, seed: int) -> ParityContext:
        return ParityContext(model, task, seed)

    def label(self, context: ParityContext) -> MechanismLabel:
        even, odd = context.share(0), context.share(1)
        right = context.right.double().mean().item()
        kind = "told" if right >= TOLD else "missed"
        return MechanismLabel(
            axes=[
                PARITY.labelled(
                    kind,
                    confidence=right,
                    reason=f"{right:.0%} of the answers have it",
                    details={"even": even, "odd": odd},
                ),
                SIDES.labelled("fair" if abs(even - odd) <= FAIR else "one-sided", agreement=1.0),
            ],
            reasons=[f"parity: {right:.0%} of the answers have it"],
            evidence={
                "right": Metric(value=right, unit="1", low=0, high=1, description="right answers")
            },
            version=self.rule_version(),
            seed=context.seed,
        )

    def rule_version(self) -> str:
        return f"{RULE} {TOLD} {FAIR}"

    def subjects(self) -> Iterator[tuple[str, HookedTransformer]]:
        for name in ("dot", "lin"):
            yield name, asked(name)

    def items(self, label: MechanismLabel) -> list[Item]:
        shares = {name: label.axes[0].details[name] for name in ("even", "odd")}
        return [
            Item(name, name[0].upper(), f"right: {share}", "#0072b2")
            for name, share in shares.items()
        ]


@probe(
    "parity-accuracy",
    metrics={"even": MetricSpec("share right of even counts", "1", 0, 1)},
    tasks=("parity",),
)
def parity_accuracy(context: ParityContext) -> Measurement:
    """How often even counts are answered by an even number."""
    return Measurement({"even": context.share(0)})
