"""Probes, causal checks and mechanism labels for hooked models.

`label(model)` gives a verdict, `find_probe(name)(model)` one result, `study(model, name=...)`
everything; `@probe` registers a probe of your own and `check_probe` checks it.
"""

from probes.conformance import check_probe
from probes.context import Context
from probes.contexts import context_for
from probes.counting import CountContext
from probes.mechanism import label
from probes.quick import quick
from probes.registry import Measurement, MetricSpec, Probe, all_probes, find_probe, probe
from probes.results import MechanismLabel, ModelResult, ProbeResult, RunInfo, json_schema
from probes.study import study
from probes.teacher import TeacherContext

__all__ = [
    "Context",
    "CountContext",
    "Measurement",
    "MechanismLabel",
    "MetricSpec",
    "ModelResult",
    "Probe",
    "ProbeResult",
    "RunInfo",
    "TeacherContext",
    "all_probes",
    "check_probe",
    "context_for",
    "find_probe",
    "json_schema",
    "label",
    "probe",
    "quick",
    "study",
]
