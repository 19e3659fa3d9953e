"""Result schemas: what probes return, what runs store, what reports read (pydantic, JSON)."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.registry import Registry, nearest
from mechprobe.models.base.validation import known_version
from mechprobe.probes.upgrade import upgraded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

SCHEMA_VERSION = 2
# How results are shown is not for this file to know; it asks by name.
VIEWS: Registry[Callable[..., Any]] = Registry(
    "view", "mechprobe.views", ["mechprobe.probes.views.*"]
)
COLUMN = 3.25  # inches: a column of a paper
FEW = 4  # metrics in a short representation
LARGEST = 2**63  # beyond, a number in a stored result is damage


def _to_array(value: object) -> np.ndarray:
    if value is None or isinstance(value, list):
        value = _none_to_nan(value)
    elif hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    array = np.asarray(value)
    if array.dtype == object or array.dtype.kind not in "biuf":
        raise ValueError("arrays hold numbers (None for a missing one)")
    return array


def _none_to_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_none_to_nan(v) for v in value]
    if value is None or (isinstance(value, float) and math.isinf(value)):
        return math.nan
    return value


def _to_lists(array: np.ndarray) -> Any:
    if array.dtype.kind != "f":
        return array.tolist()

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(v) for v in value]
        return float(f"{value:.7g}") if math.isfinite(value) else None

    return plain(array.tolist())


# A numpy array; in JSON nested lists of numbers with 7 digits, null where not finite.
Array = Annotated[
    np.ndarray,
    BeforeValidator(_to_array),
    PlainSerializer(_to_lists, when_used="json"),
    WithJsonSchema({"type": "array", "description": "nested lists of numbers; null is missing"}),
]


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


def _finite(value: float | None) -> float | None:
    return value if value is None or math.isfinite(value) else None


class Metric(_Schema):
    """One number. `value` is None where the quantity is not defined for this model, and so it is
    where a stored one is not finite: JSON has no such number, and no page can draw it."""

    value: Annotated[float | None, AfterValidator(_finite)]
    unit: str = Field(description="unit, '1' for a pure number")
    low: float | None = Field(description="least possible value, None for none")
    high: float | None = Field(description="greatest possible value, None for none")
    description: str


class Provenance(_Schema):
    """What has to be the same for the same numbers to come out."""

    probe: str
    version: str
    parameters: dict[str, Any]
    constants: str = Field(default="", description="digest of all numbers behind the measure")
    seed: int
    model_hash: str
    package: str = Field(description="distribution that brought the probe, and its version")


class ProbeResult(_Schema):
    """What one probe found on one model."""

    probe: str
    kind: Literal["measure", "causal"]
    metrics: dict[str, Metric]
    arrays: dict[str, Array] = {}
    words: str = Field(default="", description="the probe's own sentence on this model")
    provenance: Provenance

    def value(self, name: str) -> float:
        """A metric's number, NaN where it is not defined."""
        value = self.metrics[name].value
        return math.nan if value is None else value

    def figure(
        self, ax: "Axes | None" = None, width: float | None = COLUMN, panel: int = 0
    ) -> "Figure":
        """The probe's figure of this result.

        Args:
            ax: matplotlib axes to draw one panel into; a new figure where left out.
            width: of each panel in inches, panels below each other; None for the size that
                reports have. Without effect on given axes.
            panel: which one goes into `ax`, from 0.

        Raises:
            MechprobeError: the probe is not installed here, has no figure or no such panel, or
                draws on a sheet of its own though axes were given; or no such width can be drawn.
        """
        figure: Figure = VIEWS["figure"](self, ax, width, panel)
        return figure

    def to_frame(self) -> "DataFrame":
        """A row a metric: value, unit, bounds and what it means."""
        frame: DataFrame = VIEWS["metrics-frame"](self)
        return frame

    def arrays_to_frame(self) -> "DataFrame":
        """What the figure is drawn from: a row a number, with its array and its place there."""
        frame: DataFrame = VIEWS["arrays-frame"](self)
        return frame

    def __repr__(self) -> str:
        numbers = [f"{name}={self.value(name):.4g}" for name in list(self.metrics)[:FEW]]
        more = ["..."] if len(self.metrics) > FEW else []
        return f"ProbeResult({', '.join([repr(self.probe), *numbers, *more])})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return str(VIEWS["result-html"](self))


class AxisLabel(_Schema):
    """The verdict on one axis of a label: which kind a model is of, how sure that is, and why."""

    name: str = Field(description="the axis, such as 'attention'")
    kind: str = Field(description="the kind on it, such as 'semantic'")
    words: str = Field(description="the kind as a verdict says it, such as 'semantic attention'")
    confidence: float | None = Field(
        default=None, ge=0, le=1, description="calibrated probability that the kind is right"
    )
    agreement: float | None = Field(
        default=None, ge=0, le=1, description="share of bootstrap replicates of the same kind"
    )
    reason: str = Field(default="", description="the sentence that decides")
    details: dict[str, JsonValue] = Field(
        default={}, description="what else the rule found on this axis, by name"
    )


class MechanismLabel(_Schema):
    """The verdict on one model: an ordered set of axes, with the numbers behind them.

    The first axis is the mechanism that the task is about. Which axes and kinds there are, and
    what they mean, is said by the task's reading (`probes/reading.py`).
    """

    axes: list[AxisLabel] = Field(min_length=1)
    reasons: list[str]
    evidence: dict[str, Metric]
    version: str = Field(default="", description="version of the rule and of its calibration")
    seed: int

    @model_validator(mode="before")
    @classmethod
    def _of_version_1(cls, data: object) -> object:
        return upgraded(data)

    def axis(self, name: str) -> AxisLabel | None:
        """The verdict on an axis; None where this label has none."""
        return next((axis for axis in self.axes if axis.name == name), None)

    def kind(self, name: str) -> str | None:
        """The kind on an axis; None where this label has no such axis."""
        found = self.axis(name)
        return None if found is None else found.kind

    @property
    def verdict(self) -> str:
        """All axes in a few words, the mechanism last: "semantic attention, relation-based
        counting"."""
        return ", ".join(axis.words for axis in reversed(self.axes))

    @property
    def certainty(self) -> float | None:
        """Confidence on the first axis."""
        return self.axes[0].confidence

    def number(self, name: str) -> float | None:
        """A number of the evidence; None where it has none of that name, or it is not defined."""
        return self.evidence[name].value if name in self.evidence else None

    def to_frame(self, name: str = "") -> "DataFrame":
        """One row: verdict, kind and confidence on every axis, and the numbers behind them.

        Args:
            name: of the model, for the first column.
        """
        frame: DataFrame = VIEWS["labels-frame"]({name: self})
        return frame

    def __repr__(self) -> str:
        sure = "" if self.certainty is None else f", confidence={self.certainty:.2f}"
        return f"MechanismLabel({self.verdict!r}{sure})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return str(VIEWS["label-html"](self))

    # -- the fields of schema version 1 ---------------------------------------------------------

    @property
    def mechanism(self) -> str | None:
        """Counting mechanism; None for models that do not count."""
        return self.kind("counting")

    @property
    def attention(self) -> str | None:
        """What the attention depends on; None for models without mixing weights."""
        return self.kind("attention")

    @property
    def confidence(self) -> float | None:
        """Calibrated probability that the counting mechanism is right."""
        return self._on("counting", "confidence")

    @property
    def agreement(self) -> float | None:
        """Share of bootstrap replicates with the same counting mechanism."""
        return self._on("counting", "agreement")

    @property
    def attention_confidence(self) -> float | None:
        """Probability that the attention label is right; None where only its agreement is known."""
        return self._on("attention", "confidence")

    @property
    def attention_agreement(self) -> float | None:
        """Share of bootstrap replicates with the same attention label."""
        return self._on("attention", "agreement")

    @property
    def counters(self) -> int | None:
        """Number of counters; None for models that do not count or are unsolved."""
        found = self._detail("counters")
        return found if isinstance(found, int) and abs(found) < LARGEST else None

    @property
    def tokens(self) -> list[str]:
        """Kind of every token of an alphabet; empty for models that do not count."""
        found = self._detail("tokens")
        return [kind for kind in found if isinstance(kind, str)] if isinstance(found, list) else []

    @property
    def kappa(self) -> np.ndarray:
        """Count transport of every token, NaN where it does not follow its own count; empty for
        models that do not count."""
        found = self._detail("kappa")
        values = found if isinstance(found, list) else []
        return np.array([v if isinstance(v, (int, float)) else math.nan for v in values])

    @property
    def accuracy(self) -> float | None:
        """Share of right answers; None where answers are not classes."""
        return self.number("accuracy")

    @property
    def test_error(self) -> float | None:
        """Mean squared error on fresh data; None where answers are classes."""
        return self.number("test_error")

    def _on(self, name: str, field: Literal["confidence", "agreement"]) -> float | None:
        found = self.axis(name)
        return None if found is None else getattr(found, field)

    def _detail(self, name: str) -> JsonValue:
        found = self.axis("counting")
        return None if found is None else found.details.get(name)


class ModelResult(_Schema):
    """Everything a run knows about one model."""

    name: str
    path: str
    family: str
    architecture: str
    sizes: dict[str, Annotated[int, Field(ge=0, lt=LARGEST)]]
    model_hash: str
    task: dict[str, Any]
    meta: dict[str, Any] = {}
    label: MechanismLabel
    probes: list[ProbeResult]
    problems: list[str] = Field(default=[], description="probes that failed, a line each")

    @property
    def task_name(self) -> str:
        """Name of the task that the model was asked."""
        return str(self.task.get("name", ""))

    def probe(self, name: str) -> ProbeResult:
        """What a probe found.

        Raises:
            MechprobeError: it did not run on this model; with the names of those that did.
        """
        found = {result.probe: result for result in self.probes}
        if name not in found:
            raise MechprobeError(
                f"{self.name}: no result of the probe {short(repr(name))}; {nearest(name, found)}"
            )
        return found[name]

    def to_frame(self) -> "DataFrame":
        """One row: where it is from, its sizes, its label, and metrics as "probe.metric"."""
        frame: DataFrame = VIEWS["models-frame"]([self])
        return frame

    def __repr__(self) -> str:
        ran = f"{len(self.probes)} {'probe' if len(self.probes) == 1 else 'probes'}"
        return f"ModelResult({self.name!r}, {self.label.verdict!r}, {ran})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return str(VIEWS["model-html"](self))


class RunInfo(_Schema):
    """How to make a run again."""

    title: str
    command: str
    seed: int
    versions: dict[str, str]
    notes: list[str] = []
    schema_version: int = SCHEMA_VERSION

    @model_validator(mode="before")
    @classmethod
    def _known(cls, data: object) -> object:
        # Before the fields are looked at: it may have some that this version does not know.
        if isinstance(data, dict) and "schema_version" in data:
            known_version(data["schema_version"], SCHEMA_VERSION, "schema_version")
        return data


def json_schema() -> dict[str, Any]:
    """JSON Schema of a stored model result, with all it contains."""
    return ModelResult.model_json_schema(mode="serialization")
