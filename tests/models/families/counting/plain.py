"""What training is measured against: the plain module, autograd and torch's Adam."""

import torch

from mechprobe.models import CountingConfig, Trainee, TrainingPlan
from mechprobe.models.families.counting import ARCHITECTURES, Weights, forward, initial
from mechprobe.models.families.counting.training import block_tokens
from mechprobe.models.families.counting.training.stream import BLOCK


def kinds(**sizes: int) -> list[CountingConfig]:
    """The six architectures, and a constant matrix that sees BOS, with and without softmax."""
    paper = [CountingConfig.of(name, **sizes) for name in ARCHITECTURES]
    more = [CountingConfig(mixing="lin", softmax=s, bos=True, **sizes) for s in (False, True)]
    return paper + more


def plain_training(trainee: Trainee, dtype: torch.dtype) -> Weights:
    """Train one model the plain way on the same data."""
    config, plan = trainee.config, trainee.plan
    start = initial(config, torch.Generator().manual_seed(trainee.seed))
    weights = {name: w.to(dtype).requires_grad_() for name, w in start.items()}
    if config.embeddings == "fixed":
        weights["W_E"].requires_grad_(False)
    adam = torch.optim.Adam(weights.values(), betas=(0.9, 0.98), eps=1e-9)
    for step, rate in enumerate(plan.rates(0, plan.steps)):
        if step % BLOCK == 0:
            left = min(BLOCK, plan.steps - step)
            block = block_tokens(config, trainee.seed, step // BLOCK, left * plan.batch)
            batches = iter(block.split(plan.batch))
        tokens = next(batches)
        answers = forward(config, {n: w.unsqueeze(0) for n, w in weights.items()}, tokens[None])
        adam.param_groups[0]["lr"] = rate
        adam.zero_grad()
        config.task().loss(answers[0], tokens).backward()
        adam.step()
    return {name: w.detach() for name, w in weights.items()}


def distance(a: Weights, b: Weights) -> float:
    """Largest difference of any weight."""
    assert a.keys() == b.keys()
    return max((a[name] - b[name]).abs().max().item() for name in a)


def same_bits(a: Weights, b: Weights) -> bool:
    """Whether all weights are equal, bit by bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Exploding(TrainingPlan):
    """A plan whose rate is absurd at step 150: the next loss is no finite number."""

    def rates(self, first: int, end: int):
        found = super().rates(first, end)
        if first <= 150 < end:
            found[150 - first] = 1e30
        return found
