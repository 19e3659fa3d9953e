"""Which context a task's probes get; a new task adds its line here."""

from mechprobe.models import HookedTransformer, Task
from mechprobe.probes.context import Context
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.teacher.context import TeacherContext

CONTEXTS: dict[str, type[Context]] = {
    "histogram": CountContext,
    "attention-regression": TeacherContext,
}


def context_for(model: HookedTransformer, task: Task | None = None, seed: int = 0) -> Context:
    """The context of a model's task; one without special measurements for unknown tasks.

    Args:
        model: hooked model, in either view.
        task: the model's own where left out.
        seed: every random draw derives from it.

    Raises:
        MechprobeError: model and task do not fit each other.
    """
    asked = model.task() if task is None else task
    return CONTEXTS.get(asked.name, Context)(model, asked, seed)
