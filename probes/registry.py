"""Probes by name, and what one declares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mechprobe.models import MechprobeError, Task
from mechprobe.models.base.errors import short
from mechprobe.models.base.registry import Registry, is_ours, package_of
from mechprobe.models.base.settled import settled
from mechprobe.probes.admission import admit, alone
from mechprobe.probes.checking import MetricSpec as MetricSpec
from mechprobe.probes.checking import (
    check_declaration,
    check_parameters,
    check_words,
    number_of,
)
from mechprobe.probes.constants import constants_behind, digest
from mechprobe.probes.context import Context
from mechprobe.probes.guard import guarded
from mechprobe.probes.invariances import checked
from mechprobe.probes.reading import context_for
from mechprobe.probes.results import VIEWS, Metric, ProbeResult, Provenance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechprobe.models import HookedTransformer


@dataclass(frozen=True)
class Measurement:
    """What a measure function returns: numbers for declared metrics, arrays for the figure."""

    metrics: Mapping[str, Any]
    arrays: Mapping[str, Any] = field(default_factory=dict)


# Of one context each: that of the task the probe reads.
Measure = Callable[[Any], Measurement]
# A function of the constants in force, so that what is recorded cannot differ from them.
Parameters = Callable[[], Mapping[str, Any]]


@dataclass(repr=False)
class Probe:
    """A registered probe: call it with a hooked model and a task to get a result.

    `@probe.figure` and `@probe.words` attach its picture and its sentence for the report;
    `@probe.applies` a function that returns why it does not apply to a model, or None.
    """

    name: str
    measure: Measure
    specs: Mapping[str, MetricSpec]
    version: str
    kind: Literal["measure", "causal"]
    parameters: Parameters
    invariances: tuple[str, ...]
    tasks: tuple[str, ...]
    package: str
    draw: Callable[[ProbeResult], "Figure"] | None = None
    say: Callable[[ProbeResult], str] | None = None
    inapplicable: "Callable[[HookedTransformer, Any], str | None] | None" = None

    def __repr__(self) -> str:
        return f"Probe({self.name!r}, {self.summary!r})"

    def _repr_html_(self) -> str:
        return str(VIEWS["probes-html"]([self]))

    @property
    def summary(self) -> str:
        """First line of the measure's docstring."""
        return (self.measure.__doc__ or "").strip().split("\n")[0]

    @property
    def is_ours(self) -> bool:
        """Whether it comes with this package."""
        return is_ours(self.measure.__module__)

    @property
    def constants(self) -> str:
        """Digest of the numbers in force behind the measure: a stored result of another one is
        out of date."""
        return digest(constants_behind(self.measure.__module__))

    def figure(self, draw: Callable[[ProbeResult], "Figure"]) -> Callable[..., "Figure"]:
        """Attach the figure."""
        self.draw = draw
        return draw

    def words(self, say: Callable[[ProbeResult], str]) -> Callable[[ProbeResult], str]:
        """Attach the sentence."""
        self.say = say
        return say

    def applies(
        self, reason: "Callable[[HookedTransformer, Any], str | None]"
    ) -> Callable[..., str | None]:
        """Attach the condition."""
        self.inapplicable = reason
        return reason

    def why_not(self, model: "HookedTransformer", task: Task) -> str | None:
        """Why this probe does not apply to a model, or None where it does."""
        if task.name not in self.tasks:
            return f"reads models of {', '.join(self.tasks)}, this one's task is {task.name}"
        if self.inapplicable is None:
            return None
        who = f"probe {self.name}: its condition"
        with settled(), guarded(who, self.is_ours, model):
            reason: object = self.inapplicable(model, task)
        if not (reason is None or isinstance(reason, str)):
            raise MechprobeError(f"{who} returns {short(repr(reason))}; a reason or None is wanted")
        return reason

    def __call__(
        self, model: "HookedTransformer", task: Task | None = None, seed: int = 0
    ) -> ProbeResult:
        """Measure one model.

        Args:
            model: hooked model.
            task: the model's own where left out.
            seed: of every random draw.

        Raises:
            MechprobeError: the model cannot be probed (it carries hooks, or lies on another device
                than the CPU), or the probe does not apply, failed, or broke its own declaration.
        """
        return self.on(context_for(model, task, seed))

    def on(self, context: Context) -> ProbeResult:
        """Measure within a context, sharing what other probes there computed.

        Raises:
            MechprobeError: as `__call__`.
        """
        with alone(context.model):
            return self._on(context)

    def _on(self, context: Context) -> ProbeResult:
        admit(context.model)  # again, for it may have been given hooks since
        _ = context.model_hash  # of the model as it came, whatever the probe does to it
        reason = self.why_not(context.model, context.task)
        if reason is not None:
            raise MechprobeError(f"probe {self.name}: {reason}")
        # A foreign probe may fail in any way, and change what is not its own.
        with settled(), guarded(f"probe {self.name}", self.is_ours, context.model, context):
            return self._result(context, self.measure(context))

    def _result(self, context: Context, measured: object) -> ProbeResult:
        who = f"probe {self.name}"
        if not (isinstance(measured, Measurement) and isinstance(measured.metrics, Mapping)):
            raise MechprobeError(f"{who}: gave {short(repr(measured))}, a Measurement is wanted")
        undeclared = measured.metrics.keys() ^ self.specs.keys()
        if undeclared:
            raise MechprobeError(
                f"{who}: metrics declared and returned differ in"
                f" {', '.join(sorted(map(str, undeclared)))}"
            )
        metrics = {
            name: Metric(
                value=number_of(
                    measured.metrics[name], spec.low, spec.high, f"{who}: metric {name}"
                ),
                unit=spec.unit,
                low=spec.low,
                high=spec.high,
                description=spec.description,
            )
            for name, spec in self.specs.items()
        }
        result = ProbeResult(
            probe=self.name,
            kind=self.kind,
            metrics=metrics,
            arrays=dict(measured.arrays),
            provenance=Provenance(
                probe=self.name,
                version=self.version,
                parameters=check_parameters(self.parameters(), who),
                constants=self.constants,
                seed=context.seed,
                model_hash=context.model_hash,
                package=self.package,
            ),
        )
        result.words = check_words(self.say(result), who) if self.say is not None else ""
        return result


PROBES: Registry[Probe] = Registry(
    "probe",
    "mechprobe.probes",
    ["mechprobe.probes.*.measures.*", "mechprobe.probes.*.causal.*"],
)


def probe(
    name: str,
    *,
    metrics: Mapping[str, MetricSpec],
    version: str = "1",
    kind: Literal["measure", "causal"] = "measure",
    parameters: Parameters = dict,
    invariances: tuple[str, ...] = (),
    tasks: tuple[str, ...] = ("histogram",),
) -> Callable[[Measure], Probe]:
    """Register a measure function as a probe.

    Args:
        name: lower-case words with hyphens.
        metrics: every metric it returns, declared.
        version: raise it when the numbers change.
        kind: "causal" for probes that intervene.
        parameters: returns the settings worth recording with each result, out of the constants
            that the measure uses: `lambda: {"folds": FOLDS}`.
        invariances: symmetries that the metrics do not see (names: probes/invariances.py).
        tasks: names of the tasks whose models it reads; it is given their context.

    Raises:
        MechprobeError: the name is taken, or an invariance is unknown.
    """

    if not callable(parameters):
        raise MechprobeError(
            f"probe {name}: parameters has to be a function, such as `lambda: {{...}}`"
        )

    check_declaration(f"probe {short(repr(name))}", metrics, tasks)

    def register(measure: Measure) -> Probe:
        made = Probe(
            name=name,
            measure=measure,
            specs=metrics,
            version=version,
            kind=kind,
            parameters=parameters,
            invariances=checked(invariances, f"probe {name}"),
            tasks=tuple(tasks),
            package=package_of(measure.__module__),
        )
        PROBES.add(name, made, measure.__module__)
        return made

    return register


class Probes(dict[str, Probe]):
    """Probes by name; a notebook shows a row for each."""

    def __repr__(self) -> str:
        return f"Probes({', '.join(self)})"

    def _repr_html_(self) -> str:
        return str(VIEWS["probes-html"](self.values()))


def all_probes() -> Probes:
    """Every probe by name: ours first, then those that installed packages bring."""
    # Reading order: what was measured before what was done to the model, others' probes last.
    order = sorted(
        PROBES.registered().values(),
        key=lambda found: (not found.is_ours, found.entry.kind == "causal", found.entry.name),
    )
    return Probes({found.entry.name: found.entry for found in order})


def find_probe(name: str) -> Probe:
    """Look a probe up.

    Raises:
        MechprobeError: unknown name, with the nearest spelling.
    """
    return PROBES.find(name)
