"""Probes, causal checks and mechanism labels for hooked models.

`label(model)` gives a verdict, `find_probe(name)(model)` one result, `study(model, name=...)`
everything; `@probe` registers a probe of your own and `check_probe` checks it.
"""

from typing import TYPE_CHECKING

from mechprobe.models.base.lazy import lazy

if TYPE_CHECKING:
    from mechprobe.probes.axes import Axis as Axis
    from mechprobe.probes.axes import Column as Column
    from mechprobe.probes.axes import Item as Item
    from mechprobe.probes.axes import Kind as Kind
    from mechprobe.probes.conformance import check_probe as check_probe
    from mechprobe.probes.context import Context as Context
    from mechprobe.probes.counting.context import CountContext as CountContext
    from mechprobe.probes.labelling import label as label
    from mechprobe.probes.many import Labels as Labels
    from mechprobe.probes.many import label_many as label_many
    from mechprobe.probes.model_study import study as study
    from mechprobe.probes.reading import TaskReading as TaskReading
    from mechprobe.probes.reading import context_for as context_for
    from mechprobe.probes.reading import task_reading as task_reading
    from mechprobe.probes.registry import Measurement as Measurement
    from mechprobe.probes.registry import MetricSpec as MetricSpec
    from mechprobe.probes.registry import Probe as Probe
    from mechprobe.probes.registry import all_probes as all_probes
    from mechprobe.probes.registry import find_probe as find_probe
    from mechprobe.probes.registry import probe as probe
    from mechprobe.probes.results import MechanismLabel as MechanismLabel
    from mechprobe.probes.results import Metric as Metric
    from mechprobe.probes.results import ModelResult as ModelResult
    from mechprobe.probes.results import ProbeResult as ProbeResult
    from mechprobe.probes.results import RunInfo as RunInfo
    from mechprobe.probes.results import json_schema as json_schema
    from mechprobe.probes.runs import Run as Run
    from mechprobe.probes.runs import load_run as load_run
    from mechprobe.probes.runs import save_result as save_result
    from mechprobe.probes.runs import save_run as save_run
    from mechprobe.probes.teacher.context import TeacherContext as TeacherContext
else:
    __getattr__, __dir__, __all__ = lazy(__name__)
