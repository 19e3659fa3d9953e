"""Result schemas: what probes return, what runs store, what reports read (pydantic, JSON)."""

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

SCHEMA_VERSION = 1


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
    return math.nan if value is None else value


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


class Metric(_Schema):
    """One number. `value` is None where the quantity is not defined for this model."""

    value: float | None
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


Mechanism = Literal["relation-based", "inventory-based", "mixed", "unsolved"]
AttentionKind = Literal["semantic", "positional", "mixed", "uninformed"]
TokenKind = Literal["shared", "private", "partial", "opposed", "silent"]


class MechanismLabel(_Schema):
    """The verdict on one model, on two axes, with the numbers behind it."""

    mechanism: Mechanism | None = Field(
        description="counting mechanism; None for models that do not count"
    )
    attention: AttentionKind | None = Field(
        description="what mixing depends on; None for models without mixing weights"
    )
    counters: int | None = Field(description="number of counters; None for unsolved models")
    confidence: float | None = Field(
        ge=0, le=1, description="calibrated probability that the counting mechanism is right"
    )
    agreement: float | None = Field(
        ge=0,
        le=1,
        description="share of bootstrap replicates with"
        " the same counting mechanism, before calibration",
    )
    attention_agreement: float | None = Field(
        ge=0, le=1, description="the same for attention; None for models without mixing weights"
    )
    attention_confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="probability that the attention label is right, against the measured"
        " finite-size noise; None where only the agreement is known",
    )
    accuracy: float | None = Field(
        ge=0, le=1, description="share of right answers; None where answers are not classes"
    )
    test_error: float | None = Field(
        default=None, ge=0, description="mean squared error on fresh data, as the task defines it"
    )
    reasons: list[str]
    evidence: dict[str, Metric]
    version: str = Field(default="", description="version of the rule and of its calibration")
    tokens: list[TokenKind] = Field(
        default=[], description="assignment of every token of an alphabet"
    )
    kappa: Array = Field(
        default_factory=lambda: np.zeros(0),
        description="count transport of every token of an alphabet, null where a token does not"
        " follow its own count; empty for models that do not count",
    )
    seed: int

    def __eq__(self, other: object) -> bool:
        """Whether both are stored alike: an array has no truth value, and is stored rounded."""
        if not isinstance(other, MechanismLabel):
            return NotImplemented
        return self.model_dump_json() == other.model_dump_json()

    @property
    def verdict(self) -> str:
        """Both axes in a few words: "semantic attention, relation-based counting"."""
        found = [] if self.attention is None else [f"{self.attention} attention"]
        if self.mechanism is not None:
            solved = self.mechanism != "unsolved"
            found.append(f"{self.mechanism} counting" if solved else "counting unsolved")
        return ", ".join(found)

    @property
    def certainty(self) -> float | None:
        """Confidence on the axis that the model has its mechanism on: counting, else attention."""
        return self.attention_confidence if self.mechanism is None else self.confidence


class ModelResult(_Schema):
    """Everything a run knows about one model."""

    name: str
    path: str
    family: str
    architecture: str
    sizes: dict[str, int]
    model_hash: str
    task: dict[str, Any]
    meta: dict[str, Any] = {}
    label: MechanismLabel
    probes: list[ProbeResult]
    problems: list[str] = Field(default=[], description="probes that failed, a line each")


class RunInfo(_Schema):
    """How to make a run again."""

    title: str
    command: str
    seed: int
    versions: dict[str, str]
    notes: list[str] = []
    schema_version: int = SCHEMA_VERSION


def json_schema() -> dict[str, Any]:
    """JSON Schema of a stored model result, with all it contains."""
    return ModelResult.model_json_schema(mode="serialization")
