"""Probes, causal checks and mechanism labels for hooked models.

`label(model)` gives a verdict, `find_probe(name)(model)` one result, `study(model, name=...)`
everything; `@probe` registers a probe of your own and `check_probe` checks it.
"""

from mechprobe.probes.conformance import check_probe
from mechprobe.probes.context import Context
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.labelling import label
from mechprobe.probes.model_study import study
from mechprobe.probes.quick import quick
from mechprobe.probes.reading import context_for
from mechprobe.probes.registry import Measurement, MetricSpec, Probe, all_probes, find_probe, probe
from mechprobe.probes.results import MechanismLabel, ModelResult, ProbeResult, RunInfo, json_schema
from mechprobe.probes.teacher.context import TeacherContext

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
