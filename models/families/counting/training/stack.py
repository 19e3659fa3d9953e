"""The engine of a CUDA device: models in stacks, one batched product for all of a stack.

The same step as the core's, in torch (see dot.py and constant.py): tables over pairs of tokens,
a row a distinct token. Models of one kind share a stack whatever their d and p: these are padded
with zeros, which stay exactly zero, and every stack has the same number of places, so that a
model's arithmetic does not depend on its companions. A step is recorded once as a CUDA graph and
replayed; data are drawn by the processor's cores while the device works.
"""

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.parallel import cores
from mechprobe.models.families.counting.training.kernel import BETAS, EPS
from mechprobe.models.families.counting.training.padded import Padded, padded_width
from mechprobe.models.families.counting.training.rows import Block, draw_block, row_capacity
from mechprobe.models.families.counting.training.state import Standing
from mechprobe.models.families.counting.training.stream import BLOCK
from mechprobe.models.families.counting.training.tables import answers_and_targets

PLACES = 128  # models of a stack


class StackEngine:
    """One device, stacks one after another.

    Args:
        device: as torch names it; "cpu" computes the same without a graph.
        places: models of a stack.

    Raises:
        MechprobeError: there is no such device here.
    """

    def __init__(self, device: str, places: int = PLACES) -> None:
        try:
            self.device = torch.device(device)
            torch.empty(1, dtype=torch.float32, device=self.device)
        except (RuntimeError, AssertionError) as error:
            first = str(error).split("\n")[0][:80]
            raise MechprobeError(f"device {device!r} is not at hand ({first}); use cpu") from None
        self.places = places
        self._stacks: list[_Stack] = []
        self._of: list[int] = []
        self._pool = ThreadPoolExecutor(cores())

    def advance(self, standings: list[Standing], stop: int) -> None:
        """Train every model up to a step, or up to its plan's last one."""
        if self._of != [id(s) for s in standings]:
            self._of = [id(s) for s in standings]
            self._stacks = [
                _Stack(members, self.places, self.device)
                for members in _bucketed(standings, self.places)
            ]
        for stack in self._stacks:
            stack.advance(stop, self._pool)


def _bucketed(standings: list[Standing], places: int) -> Iterator[list[Standing]]:
    """Groups of models that can share a stack, none larger than its places."""
    groups: dict[tuple[object, ...], list[Standing]] = defaultdict(list)
    for standing in standings:
        if standing.diverged_at is not None:
            continue
        c, plan = standing.trainee.config, standing.trainee.plan
        shape = (c.T, c.L, c.n_classes, c.mixing, c.softmax, c.bos, c.embeddings)
        padded = (padded_width(c.d), padded_width(c.p))
        groups[(*shape, *padded, plan.batch, plan.steps, standing.step)].append(standing)
    for members in groups.values():
        for at in range(0, len(members), places):
            yield members[at : at + places]


class _Stack:
    """Models that are trained together on a device."""

    def __init__(self, members: list[Standing], places: int, device: torch.device) -> None:
        self.members = members
        self.device = device
        self.config = members[0].trainee.config
        self.batch = members[0].trainee.plan.batch
        self.step = members[0].step
        dtype = torch.from_numpy(members[0].flat).dtype
        # Places without a model of their own repeat the first, never to be read.
        self.filled = [members[i] if i < len(members) else members[0] for i in range(places)]
        self.padded = Padded.of([s.trainee.config for s in self.filled])
        self.flat, self.first, self.second = (
            self.padded.stacked([getattr(s, name) for s in self.filled]).to(device, dtype)
            for name in ("flat", "first", "second")
        )
        depth = torch.tensor([s.trainee.config.d for s in self.filled], dtype=dtype, device=device)
        self.scale = depth.rsqrt().view(-1, 1, 1)
        self.active = torch.ones(places, 1, dtype=torch.bool, device=device)
        self.bad = torch.full((places,), -1, dtype=torch.long, device=device)
        self.at = torch.zeros(1, dtype=torch.long, device=device)  # step within the block
        self.block: Block | None = None
        self.kept: tuple[Tensor, Tensor, Tensor] | None = None  # at the block's start
        self.sizes = torch.zeros(BLOCK, places, dtype=dtype, device=device)
        self.roots = torch.zeros(BLOCK, dtype=dtype, device=device)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.capacity = row_capacity(self.config, self.batch)

    def advance(self, stop: int, pool: ThreadPoolExecutor) -> None:
        """Up to a step; then the members hold what the device found."""
        end = min(stop, self.members[0].trainee.plan.steps)
        if self.step >= end:
            return
        coming = self._draw(self.step // BLOCK, pool)
        while self.step < end:
            drawn = coming
            edge = min((self.step // BLOCK + 1) * BLOCK, end)
            if edge < end:
                coming = self._draw(edge // BLOCK, pool)
            self._within_block(edge, [future.result() for future in drawn])
        self._hand_back()

    def _draw(self, block: int, pool: ThreadPoolExecutor) -> list[Future[Block]]:
        """The block's data of every member, drawn in threads (the sampler needs no lock)."""
        return [pool.submit(draw_block, s.trainee, block, self.capacity) for s in self.members]

    def _within_block(self, edge: int, drawn: list[Block]) -> None:
        drawn += [drawn[0]] * (len(self.filled) - len(drawn))
        self._load(Block.together(drawn), edge)
        if self.kept is None or self.step % BLOCK == 0:
            self.kept = self.flat.clone(), self.first.clone(), self.second.clone()
        if self.device.type == "cuda" and self.graph is None:
            self._record()
        for _ in range(edge - self.step):
            if self.graph is None:
                self._one_step()
            else:
                self.graph.replay()
        self._settle(self.kept, edge)
        self.step = edge

    def _load(self, data: Block, edge: int) -> None:
        """Put a block's data, rates and bias corrections where the recorded step reads them."""
        if self.block is None:
            self.block = data.room(BLOCK, self.device)
        self.block.fill(data)
        offset = self.step % BLOCK
        self.at.fill_(offset)
        steps = np.arange(self.step, edge)
        rates = np.stack([s.trainee.plan.rates(self.step, edge) for s in self.filled], 1)
        sizes = rates / (1 - BETAS[0] ** (steps + 1))[:, None]
        roots = (1 - BETAS[1] ** (steps + 1)) ** -0.5
        rows = slice(offset, offset + len(steps))
        self.sizes[rows] = torch.from_numpy(sizes).to(self.sizes)
        self.roots[rows] = torch.from_numpy(roots).to(self.roots)

    def _record(self) -> None:
        """Record one step as a graph; recording's trial runs leave no trace."""
        assert self.block is not None
        kept = [t.clone() for t in (self.flat, self.first, self.second, self.at, self.bad)]
        self.at.zero_()  # near the block's end the trial runs would read past it
        side = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(side):
            for _ in range(3):
                self._one_step()
        torch.cuda.current_stream(self.device).wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self.device), torch.cuda.graph(self.graph, stream=side):
            self._one_step()
        for tensor, was in zip(
            (self.flat, self.first, self.second, self.at, self.bad), kept, strict=True
        ):
            tensor.copy_(was)

    def _one_step(self) -> None:
        assert self.block is not None
        data = self.block.at(self.at)
        weights = self.padded.views(self.flat)
        leaves = {name: w.detach().requires_grad_() for name, w in weights.items()}
        answers, targets, shares = answers_and_targets(self.config, leaves, data, self.scale)
        chosen = answers.log_softmax(-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        losses = -(chosen * shares).sum(-1)
        found = torch.autograd.grad(losses.sum(), list(leaves.values()))
        grads = dict(zip(leaves, found, strict=True))
        if self.config.embeddings == "fixed":  # without gradient Adam leaves them where they are
            grads["W_E"] = torch.zeros_like(grads["W_E"])
        grad = torch.cat([g.reshape(len(self.filled), -1) for g in grads.values()], 1)
        self.first.mul_(BETAS[0]).add_(grad, alpha=1 - BETAS[0])
        self.second.mul_(BETAS[1]).addcmul_(grad, grad, value=1 - BETAS[1])
        below = self.second.sqrt() * self.roots.index_select(0, self.at) + EPS
        moved = self.flat - self.sizes.index_select(0, self.at).T * self.first / below
        # Weights that are no longer finite were spoilt by the step before.
        guilty = (self.at - (~self.flat.isfinite().all(1)).long()).clamp(min=0)
        self.flat.copy_(torch.where(self.active, moved, self.flat))
        fresh = ~losses.isfinite() & (self.bad < 0)
        self.bad.copy_(torch.where(fresh, guilty, self.bad))
        self.at.add_(1)

    def _settle(self, kept: tuple[Tensor, Tensor, Tensor], edge: int) -> None:
        """Set back and stop what diverged in this block."""
        now = (self.flat, self.first, self.second)
        # The moments are looked at wherever training is halted, which is at a block's edge.
        looked_at = now if self.members[0].is_edge(edge) else (self.flat,)
        finite = torch.stack([t.isfinite().all(1) for t in looked_at]).all(0)
        lost = ((self.bad >= 0) | ~finite).tolist()
        where = self.bad.tolist()
        for i, s in enumerate(self.members):
            if lost[i] and s.diverged_at is None and self.active[i]:
                first = where[i] if where[i] >= 0 else (edge - 1) % BLOCK
                s.diverged_at = self.step // BLOCK * BLOCK + first
        for i, one in enumerate(lost):
            if one:
                for tensor, was in zip(now, kept, strict=True):
                    tensor[i] = was[i]
        stopped = torch.tensor([s.diverged_at is not None for s in self.filled], dtype=torch.bool)
        self.active.copy_(~stopped.unsqueeze(1))
        self.bad.fill_(-1)

    def _hand_back(self) -> None:
        for name, tensor in (("flat", self.flat), ("first", self.first), ("second", self.second)):
            arrays = self.padded.single(tensor.cpu())
            for standing, array in zip(self.members, arrays, strict=False):
                setattr(standing, name, array)
        for standing in self.members:
            if standing.diverged_at is None:
                standing.step = min(self.step, standing.trainee.plan.steps)
