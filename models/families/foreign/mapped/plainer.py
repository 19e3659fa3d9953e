"""The plainest family that a mapped model is of: labels are surest of what they were calibrated
on."""

from mechprobe.models.base.weights import Weights
from mechprobe.models.families.counting import CountingConfig
from mechprobe.models.families.transformer import TransformerConfig
from mechprobe.models.hooked import ModelConfig
from mechprobe.models.tasks import TaskData

# What the one-layer counting transformers of arXiv:2407.11542 are, among transformers.
COUNTING = {
    "n_layers": 1,
    "n_heads": 1,
    "activation": "relu",
    "positions": False,
    "norm": "none",
    "residual": True,
    "values": "raw",
    "readout": "classes",
    "biases": False,
    "attends": "both",
    "causal": False,
}


def plainer(config: TransformerConfig, weights: Weights) -> tuple[ModelConfig, Weights]:
    """A counting transformer where the model is one; else what was given."""
    same = all(getattr(config, name) == value for name, value in COUNTING.items())
    if not same or config.d_head != config.d:
        return config, weights
    fields = {n: getattr(config, n) for n in ("T", "L", "d", "p", "bos", "mixing", "softmax")}
    plain = CountingConfig.checked(fields | {"n_classes": config.n_classes})
    if config.task_data != plain.task_data:
        asked = TaskData.model_validate(config.task_data)
        plain = plain.model_copy(update={"asked": asked})
    inner = {name.removeprefix("blocks.0."): weight for name, weight in weights.items()}
    heads = ("W_Q", "W_K", "W_mix")
    return plain, {n: w[0].contiguous() if n in heads else w for n, w in inner.items()}
