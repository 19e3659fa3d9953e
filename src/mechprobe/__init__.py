"""Which algorithm did this small attention model learn, and how do you know?

    import mechprobe

    model = mechprobe.load("my_model")
    print(mechprobe.label(model).verdict)

Below is what is public, and all of it: names load when they are first used, so that neither this
package nor the command's help waits for torch. docs/api.md is made from it.
"""

import sys

# Of the command this is the first line of ours that runs: signals wait until they can be told in a
# line (analyses/common/stopping.py). Programs that import this package are not touched.
# The first argument is "-m" while Python looks for the module that it was given.
if (sys.argv[:1] == ["-m"] and {"mechprobe", "-mmechprobe"} & {*sys.orig_argv}) or "".join(
    sys.argv[:1]
).endswith("/mechprobe"):
    # Built in; `signal` around it takes a while to import.
    import _signal  # type: ignore[import-not-found]

    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT, _signal.SIGTERM})

from typing import TYPE_CHECKING

from mechprobe.models.base.lazy import lazy

# Packages for work with one family, theory, sweeps or extensions; public is what their `__all__`
# lists.
PACKAGES = (
    "mechprobe.models",
    "mechprobe.models.tasks",
    "mechprobe.models.hooked",
    "mechprobe.models.base.safe.reading",
    "mechprobe.models.families.counting",
    "mechprobe.models.families.transformer",
    "mechprobe.models.families.solvable",
    "mechprobe.models.families.foreign",
    "mechprobe.models.theory",
    "mechprobe.probes",
    "mechprobe.probes.followed",
    "mechprobe.probes.invariances",
    "mechprobe.reports",
    "mechprobe.analyses.sweeps",
    "mechprobe.analyses.bench.methods",
    "mechprobe.analyses.studies",
    "mechprobe.analyses.common.options",
    "mechprobe.analyses.common.resume",
    "mechprobe.analyses.common.runs",
)

if TYPE_CHECKING:
    from mechprobe import analyses as analyses
    from mechprobe import models as models
    from mechprobe import probes as probes
    from mechprobe import reports as reports
    from mechprobe.models import AttentionRegression as AttentionRegression
    from mechprobe.models import CountingConfig as CountingConfig
    from mechprobe.models import ForeignTransformer as ForeignTransformer
    from mechprobe.models import HistogramTask as HistogramTask
    from mechprobe.models import HookedTransformer as HookedTransformer
    from mechprobe.models import MechprobeError as MechprobeError
    from mechprobe.models import SoFarTask as SoFarTask
    from mechprobe.models import SolvableConfig as SolvableConfig
    from mechprobe.models import Task as Task
    from mechprobe.models import TaskDescription as TaskDescription
    from mechprobe.models import Trained as Trained
    from mechprobe.models import Trainee as Trainee
    from mechprobe.models import TrainingPlan as TrainingPlan
    from mechprobe.models import TransformerConfig as TransformerConfig
    from mechprobe.models import checkpoint_format as checkpoint_format
    from mechprobe.models import construct as construct
    from mechprobe.models import construction as construction
    from mechprobe.models import from_torch as from_torch
    from mechprobe.models import load as load
    from mechprobe.models import model_family as model_family
    from mechprobe.models import read_meta as read_meta
    from mechprobe.models import save as save
    from mechprobe.models import task as task
    from mechprobe.models import train as train
    from mechprobe.models import wrap as wrap
    from mechprobe.probes import Axis as Axis
    from mechprobe.probes import Column as Column
    from mechprobe.probes import Context as Context
    from mechprobe.probes import CountContext as CountContext
    from mechprobe.probes import Item as Item
    from mechprobe.probes import Kind as Kind
    from mechprobe.probes import Labels as Labels
    from mechprobe.probes import Measurement as Measurement
    from mechprobe.probes import MechanismLabel as MechanismLabel
    from mechprobe.probes import Metric as Metric
    from mechprobe.probes import MetricSpec as MetricSpec
    from mechprobe.probes import ModelResult as ModelResult
    from mechprobe.probes import Probe as Probe
    from mechprobe.probes import ProbeResult as ProbeResult
    from mechprobe.probes import Run as Run
    from mechprobe.probes import TaskReading as TaskReading
    from mechprobe.probes import TeacherContext as TeacherContext
    from mechprobe.probes import all_probes as all_probes
    from mechprobe.probes import check_probe as check_probe
    from mechprobe.probes import context_for as context_for
    from mechprobe.probes import find_probe as find_probe
    from mechprobe.probes import label as label
    from mechprobe.probes import label_many as label_many
    from mechprobe.probes import load_run as load_run
    from mechprobe.probes import probe as probe
    from mechprobe.probes import study as study
    from mechprobe.probes import task_reading as task_reading
    from mechprobe.reports import Report as Report
    from mechprobe.reports import write_figures as write_figures
    from mechprobe.reports import write_report

    report = write_report
else:
    __getattr__, __dir__, __all__ = lazy(__name__)
