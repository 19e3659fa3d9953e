"""Labels and results as tidy pandas frames, with units in `frame.attrs["units"]`."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mechprobe.probes.results import VIEWS, MechanismLabel, Metric, ModelResult, ProbeResult

if TYPE_CHECKING:
    import pandas as pd

UNITS = "units"  # in a frame's attrs: unit by column, of columns that have one
PROBLEM = "problem"  # column of why there is no label; None where there is one


def of_labels(
    labels: Mapping[str, MechanismLabel], problems: Mapping[str, str] | None = None
) -> "pd.DataFrame":
    """A row a model: verdict, kind and confidence on every axis, and the numbers behind them.

    Args:
        labels: by the name of the model or its path.
        problems: why there is no label, by name; such models have a row at the end.
    """
    rows: list[dict[str, Any]] = []
    units: dict[str, str] = {}
    for name, label in labels.items():
        row, of = _label(label)
        rows.append({"model": name} | row)
        units |= of
    if problems is not None:
        rows = [row | {PROBLEM: None} for row in rows]
        rows += [{"model": name, PROBLEM: why} for name, why in problems.items()]
    return _frame(rows, units)


def of_models(results: Iterable[ModelResult]) -> "pd.DataFrame":
    """A row a model: where it is from, its sizes, its label, and every metric as "probe.metric"."""
    rows: list[dict[str, Any]] = []
    units: dict[str, str] = {}
    for result in results:
        row = {
            "model": result.name,
            "path": result.path,
            "task": result.task_name,
            "family": result.family,
            "architecture": result.architecture,
            **result.sizes,
        }
        label, of = _label(result.label)
        row |= {name: value for name, value in label.items() if name not in row}
        units |= of
        for found in result.probes:
            named = {f"{found.probe}.{name}": metric for name, metric in found.metrics.items()}
            row |= _values(named)
            units |= _units(named)
        rows.append(row)
    return _frame(rows, units)


def of_metrics(result: ProbeResult) -> "pd.DataFrame":
    """A row a metric: value, unit, bounds and what it means."""
    import pandas as pd

    fields = ("value", "unit", "low", "high", "description")
    rows = [
        {"metric": name} | {field: getattr(metric, field) for field in fields}
        for name, metric in result.metrics.items()
    ]
    frame = pd.DataFrame(rows, columns=["metric", *fields])
    return frame.astype({"value": float, "low": float, "high": float})


def of_arrays(result: ProbeResult) -> "pd.DataFrame":
    """What the figure is drawn from: a row a number, with its array and its place there.

    Places are counted from 0; `place_0` is the first axis. An array with fewer axes lacks the last.
    """
    import pandas as pd

    parts = []
    deepest = max((array.ndim for array in result.arrays.values()), default=0)
    for name, array in result.arrays.items():
        places = np.indices(array.shape).reshape(array.ndim, array.size)
        columns = {f"place_{i}": place for i, place in enumerate(places)}
        values = np.asarray(array).ravel()
        parts.append(pd.DataFrame({"array": [name] * values.size, **columns, "value": values}))
    wanted = ["array", *(f"place_{i}" for i in range(deepest)), "value"]
    if not parts:
        return pd.DataFrame(columns=wanted)
    frame = pd.concat([part.astype({"value": float}) for part in parts], ignore_index=True)
    return frame.reindex(columns=wanted).astype(dict.fromkeys(wanted[1:-1], "Int64"))


def _label(label: MechanismLabel) -> tuple[dict[str, Any], dict[str, str]]:
    row: dict[str, Any] = {"verdict": label.verdict}
    for axis in label.axes:
        row[axis.name] = axis.kind
        row[f"{axis.name}_confidence"] = axis.confidence
        row[f"{axis.name}_agreement"] = axis.agreement
        plain = {k: v for k, v in axis.details.items() if isinstance(v, (int, float, str))}
        row |= {name: value for name, value in plain.items() if name not in row}
    numbers = {name: metric for name, metric in label.evidence.items() if name not in row}
    return row | _values(numbers), _units(numbers)


def _values(metrics: Mapping[str, Metric]) -> dict[str, float]:
    return {
        name: float("nan") if metric.value is None else metric.value
        for name, metric in metrics.items()
    }


def _units(metrics: Mapping[str, Metric]) -> dict[str, str]:
    return {name: metric.unit for name, metric in metrics.items()}


def _frame(rows: list[dict[str, Any]], units: dict[str, str]) -> "pd.DataFrame":
    import pandas as pd

    frame = pd.DataFrame(rows)
    frame.attrs[UNITS] = units
    return frame


VIEWS.add("labels-frame", of_labels, __name__)
VIEWS.add("models-frame", of_models, __name__)
VIEWS.add("metrics-frame", of_metrics, __name__)
VIEWS.add("arrays-frame", of_arrays, __name__)
