"""Tasks, model families, constructions, symmetries, training and checkpoints.

The short face of the package: `load` and `construct` give a `HookedTransformer`. Names load when
they are first used.
"""

from typing import TYPE_CHECKING

from mechprobe.models.base.lazy import lazy

if TYPE_CHECKING:
    from mechprobe.models.base.errors import MechprobeError as MechprobeError
    from mechprobe.models.checkpoints import checkpoint_format as checkpoint_format
    from mechprobe.models.checkpoints import load as load
    from mechprobe.models.checkpoints import read_meta as read_meta
    from mechprobe.models.checkpoints import save as save
    from mechprobe.models.families.counting import ARCHITECTURES as ARCHITECTURES
    from mechprobe.models.families.counting import PRESETS as PRESETS
    from mechprobe.models.families.counting import CountingConfig as CountingConfig
    from mechprobe.models.families.counting import Trained as Trained
    from mechprobe.models.families.counting import Trainee as Trainee
    from mechprobe.models.families.counting import TrainingPlan as TrainingPlan
    from mechprobe.models.families.counting import train as train
    from mechprobe.models.families.counting.constructions import CONSTRUCTIONS as CONSTRUCTIONS
    from mechprobe.models.families.counting.constructions import construct as construct
    from mechprobe.models.families.counting.constructions import construction as construction
    from mechprobe.models.families.foreign import ForeignTransformer as ForeignTransformer
    from mechprobe.models.families.foreign import TaskDescription as TaskDescription
    from mechprobe.models.families.foreign import from_torch as from_torch
    from mechprobe.models.families.foreign import wrap as wrap
    from mechprobe.models.families.solvable import SolvableConfig as SolvableConfig
    from mechprobe.models.families.transformer import TransformerConfig as TransformerConfig
    from mechprobe.models.hooked import HookedTransformer as HookedTransformer
    from mechprobe.models.hooked.family import model_family as model_family
    from mechprobe.models.tasks import AttentionRegression as AttentionRegression
    from mechprobe.models.tasks import HistogramTask as HistogramTask
    from mechprobe.models.tasks import SoFarTask as SoFarTask
    from mechprobe.models.tasks import Task as Task
    from mechprobe.models.tasks import task as task
else:
    __getattr__, __dir__, __all__ = lazy(__name__)
