"""Training of a small TransformerLens model on the histogram task: an example to probe."""

import torch
from tqdm import tqdm

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.families.foreign.booting import booted
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.families.foreign.wrapped import ForeignTransformer
from mechprobe.models.families.foreign.wrapping import wrap
from mechprobe.models.tasks import task_from

BATCH = 128
RATE = 3e-3


@settled()
def train_boot_native(
    description: TaskDescription,
    *,
    d: int = 32,
    p: int = 64,
    n_heads: int = 1,
    n_layers: int = 1,
    activation: str = "relu",
    steps: int = 2000,
    seed: int = 0,
    progress: bool = True,
) -> ForeignTransformer:
    """Train what TransformerLens's `boot_native` makes: LayerNorm, learned positions, residual.

    Adam, rate 3e-3 that falls to zero along a cosine, 128 new sequences a step, cross-entropy of
    the counts. Vocabulary and logits are as large as the description needs.

    Args:
        description: ids of tokens and BOS, and how the model is to answer.
        d, p, n_heads, n_layers: sizes.
        activation: of the feed-forward layers, as TransformerLens names it.
        steps: of Adam.
        seed: of weights and sequences.
        progress: show a bar.

    Raises:
        MechprobeError: sizes that do not fit, or TransformerLens cannot build the model.
    """
    sizes = {"d": d, "p": p, "n_heads": n_heads, "n_layers": n_layers, "steps": steps}
    for name, size in sizes.items():
        if size < 1:
            raise MechprobeError(f"{name}={size}: at least 1 is wanted")
    if not 0 <= seed < 2**63:
        raise MechprobeError(f"seed={seed}: a number from 0 to 2^63 - 1 is wanted")
    if d % n_heads:
        raise MechprobeError(f"d={d} is no multiple of n_heads={n_heads}")
    answers = description.answers
    top = description.L if answers == "classes" else max(map(max, answers.values()))
    model = booted(
        {
            "n_layers": n_layers,
            "n_heads": n_heads,
            "d_model": d,
            "d_head": d // n_heads,
            "d_mlp": p,
            "n_ctx": description.n_ctx,
            "d_vocab": max(int(description.ids().max()), top) + 1,
            "d_vocab_out": top + 1,
            "act_fn": activation,
            "attention_dir": "bidirectional",
            "normalization_type": "LN",
            "seed": seed,
        }
    )
    task, generator = task_from(description.task_data), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in tqdm(range(steps), desc="train", unit="step", disable=not progress):
        tokens = task.sample(BATCH, generator)
        logits = description.to_classes(model(description.to_ids(tokens)))
        optimizer.zero_grad()
        torch.autograd.backward(task.loss(logits, tokens))
        optimizer.step()
        schedule.step()
    return wrap(model, description)
