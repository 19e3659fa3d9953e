"""Train a stack of counting transformers of one shape, each on its own data stream.

Budget and optimiser follow arXiv:2407.11542 (Adam, betas 0.9 and 0.98, fresh sequences), with a
warm-up and a cosine decay so that a few thousand steps are enough.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from models.counting.config import CountingConfig
from models.counting.forward import forward
from models.counting.weights import Weights, initial
from models.errors import MechprobeError
from models.files import write_whole

CHUNK = 100  # steps whose data are drawn at once; a resumed run starts at a chunk's edge


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how fast.

    Args:
        steps: optimiser steps.
        batch: sequences a step, for each model.
        lr: peak learning rate of Adam.
    """

    steps: int = 5000
    batch: int = 64
    lr: float = 5e-3

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or not 0 < self.lr < 1:
            raise MechprobeError(
                f"training plan {asdict(self)}: steps and batch are at least 1, lr in (0, 1)"
            )

    def rate(self, step: int) -> float:
        """Learning rate at a step: 5 % linear warm-up, then cosine down to zero."""
        warm = max(1, self.steps // 20)
        if step < warm:
            return self.lr * (step + 1) / warm
        progress = (step - warm) / max(1, self.steps - warm)
        return self.lr * 0.5 * (1 + math.cos(math.pi * progress))


def train(
    config: CountingConfig,
    seeds: Sequence[int],
    plan: TrainingPlan,
    *,
    progress: Callable[[int], object] | None = None,
    state_path: Path | None = None,
) -> list[Weights]:
    """Train one model a seed; a model's result does not depend on its companions' data.

    Args:
        config: shape shared by the stack.
        seeds: one a model, for its initial weights and its data.
        plan: steps, batch and learning rate.
        progress: called with the number of steps just done.
        state_path: where to keep the state every chunk; a run that was stopped goes on from it,
            and it is removed at the end.

    Returns:
        The weights of each model.

    Raises:
        MechprobeError: no seeds, the kept state is damaged or belongs to another run, or
            training diverged.
    """
    if not seeds:
        raise MechprobeError("training needs at least one seed")
    task = config.task()
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    singles = [initial(config, generator) for generator in generators]
    stack = {n: torch.stack([w[n] for w in singles]).requires_grad_() for n in singles[0]}
    optimizer = torch.optim.Adam(stack.values(), lr=plan.lr, betas=(0.9, 0.98), eps=1e-9)
    identity = f"{config.model_dump_json()} {list(seeds)} {asdict(plan)}"
    start = _resume(state_path, identity, stack, optimizer, generators)
    if progress is not None and start:
        progress(start)
    for chunk in range(start, plan.steps, CHUNK):
        steps = min(CHUNK, plan.steps - chunk)
        data = torch.stack([task.sample(steps * plan.batch, g) for g in generators])
        targets = task.targets(data)
        for offset in range(steps):
            rows = slice(offset * plan.batch, (offset + 1) * plan.batch)
            for group in optimizer.param_groups:
                group["lr"] = plan.rate(chunk + offset)
            _step(config, stack, optimizer, data[:, rows], targets[:, rows])
        if state_path is not None and chunk + steps < plan.steps:
            _keep(state_path, identity, chunk + steps, stack, optimizer, generators)
        if progress is not None:
            progress(steps)
    if state_path is not None:
        state_path.unlink(missing_ok=True)
    trained = [{n: w[i].detach().clone() for n, w in stack.items()} for i in range(len(seeds))]
    for seed, weights in zip(seeds, trained, strict=True):
        if not all(w.isfinite().all() for w in weights.values()):
            raise MechprobeError(
                f"training {config.architecture} d={config.d} p={config.p} seed={seed} diverged;"
                f" use a smaller learning rate than {plan.lr}"
            )
    return trained


def _step(
    config: CountingConfig,
    stack: Weights,
    optimizer: torch.optim.Optimizer,
    tokens: Int[Tensor, "stack batch pos"],
    targets: Int[Tensor, "stack batch scored"],
) -> None:
    logits = forward(config, stack, tokens)[:, :, int(config.bos) :]
    loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, 2), targets.flatten(), reduction="sum"
    )
    optimizer.zero_grad(set_to_none=True)
    # Mean over one model's positions, sum over the stack: models stay independent.
    (loss / targets[0].numel()).backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _keep(
    path: Path,
    identity: str,
    step: int,
    stack: Weights,
    optimizer: torch.optim.Optimizer,
    generators: Sequence[torch.Generator],
) -> None:
    state = {
        "identity": identity,
        "step": step,
        "weights": {n: w.detach() for n, w in stack.items()},
        "optimizer": optimizer.state_dict(),
        "generators": [g.get_state() for g in generators],
    }
    write_whole(path, lambda temporary: torch.save(state, temporary))


def _resume(
    path: Path | None,
    identity: str,
    stack: Weights,
    optimizer: torch.optim.Optimizer,
    generators: Sequence[torch.Generator],
) -> int:
    if path is None or not path.exists():
        return 0
    try:
        state = torch.load(path, weights_only=True)
        if state["identity"] != identity:
            raise MechprobeError(
                f"{path}: holds the state of another training run;"
                " remove it or choose another folder"
            )
        with torch.no_grad():
            for name, weight in stack.items():
                weight.copy_(state["weights"][name])
        optimizer.load_state_dict(state["optimizer"])
        for generator, kept in zip(generators, state["generators"], strict=True):
            generator.set_state(kept)
        return int(state["step"])
    except MechprobeError:
        raise
    except Exception as error:  # a damaged file can fail anywhere in here
        raise MechprobeError(
            f"{path}: not a whole training state ({type(error).__name__}); remove it to start over"
        ) from error
