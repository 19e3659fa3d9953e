"""What probes of students of a teacher attention share (arXiv:2402.03902).

The student's queries and keys are h = (x + p) Q / sqrt(d). Q splits into what points along the
positional direction (all ones), along the teacher's Q*, and the rest; so do the fields h, and
each part can be taken out or kept alone in a run through hook_q and hook_k.
"""

import math
from collections.abc import Iterable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.models import AttentionRegression, MechprobeError, SolvableConfig
from mechprobe.models.base.draws import draw_integers, draw_normal
from mechprobe.models.base.settled import settled
from mechprobe.models.families.solvable import Overlaps, overlaps
from mechprobe.probes.context import Context

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint

    from mechprobe.models import HookedTransformer

QUERY, KEY = "blocks.0.attn.hook_q", "blocks.0.attn.hook_k"
PARTS = ("positional", "semantic", "rest")
N_TEST = 2048
NULL_DRAWS = 1000


class TeacherContext(Context):
    """A student of a teacher attention.

    Args:
        model: hooked solvable model, in either view.
        task: regression onto the teacher.
        seed: every random draw derives from it.

    Raises:
        MechprobeError: model and task do not fit each other.
    """

    task: AttentionRegression

    def __init__(
        self, model: "HookedTransformer", task: AttentionRegression, seed: int = 0
    ) -> None:
        found = (model.cfg.n_ctx, model.cfg.d_value)
        if not model.parts.takes_vectors or found != (task.L, task.d):
            raise MechprobeError(
                f"the model reads {found[0]} tokens of width {found[1]},"
                f" the task gives {task.L} vectors of width {task.d}"
            )
        super().__init__(model, task, seed)
        self._kept: dict[frozenset[str], Tensor] = {}

    @property
    def config(self) -> SolvableConfig:
        """The model's configuration."""
        config: SolvableConfig = self.model.config
        return config

    @cached_property
    @settled()
    def Q(self) -> Float[Tensor, "d r"]:
        """The student's tied queries and keys, its columns turned to the principal axes of Q^T Q,
        largest first, signs so that m (or, without one, theta's largest entry) is positive: a
        choice among the rotations that leave Q Q^T as it is."""
        raw = self.model.weights()["Q"].double()
        if not raw.square().sum().isfinite():
            raise MechprobeError("the model's Q overflows when squared; its weights are too large")
        _, _, axes = torch.linalg.svd(raw, full_matrices=False)
        turned = raw @ axes.T
        o = overlaps(turned, self.Q_star)
        strongest = o.theta.gather(-2, o.theta.abs().argmax(-2, keepdim=True)).squeeze(-2)
        sign = torch.where(o.m.abs() > strongest.abs(), o.m, strongest).sign()
        found: Tensor = turned * torch.where(sign == 0, 1.0, sign)
        return found

    @cached_property
    @settled()
    def Q_star(self) -> Float[Tensor, "d teacher_rank"]:
        """The teacher."""
        return self.task.Q_star.double()

    @cached_property
    @settled()
    def overlaps(self) -> Overlaps:
        """Order parameters of `Q`."""
        return overlaps(self.Q, self.Q_star)

    @cached_property
    @settled()
    def null(self) -> Mapping[str, Float[Tensor, " draws"]]:
        """|m| and |theta| of random students of the same d and size: what no learning gives.

        Each column of Q is replaced by a random direction of its own length.
        """
        generator, lengths = self.generator("null"), self.Q.norm(dim=0)
        m, theta = torch.empty(2, NULL_DRAWS, dtype=torch.float64)
        for i in range(NULL_DRAWS):  # one by one: all at once could fill the memory
            noise = draw_normal(self.Q.shape, generator, torch.float64)
            o = overlaps(noise * (lengths / noise.norm(dim=0)), self.Q_star)
            m[i], theta[i] = o.m.norm(), o.theta.norm()
        return {"m": m, "theta": theta}

    def rows(self, generator: torch.Generator) -> Int[Tensor, " d"]:
        """Coordinates drawn with replacement, for a bootstrap over them."""
        return draw_integers(self.task.d, (self.task.d,), generator)

    @cached_property
    @settled()
    def test_inputs(self) -> Float[Tensor, "batch pos d"]:
        """Fresh sequences that errors are measured on."""
        return self.sample("test", N_TEST)

    @property
    def errors(self) -> Float[Tensor, " batch"]:
        """|y - f|^2 / (2 d) of each of `test_inputs`."""
        return self.errors_with(PARTS)

    @cached_property
    @settled()
    def parts(self) -> Mapping[str, Float[Tensor, "batch pos r"]]:
        """What each part of Q gives to the queries (and keys) on `test_inputs`.

        positional: of the encodings p alone; semantic: of the tokens, along the teacher;
        rest: of the tokens, across it, which carries the student's noise.
        """
        Q, teacher = self.Q, self.Q_star
        along = teacher @ torch.linalg.lstsq(teacher, Q).solution
        x, root = self.test_inputs.double(), math.sqrt(self.task.d)
        positions = self.model.W_pos.double() @ Q / root
        return {
            "positional": positions.expand(x.shape[0], *positions.shape),
            "semantic": x @ along / root,
            "rest": x @ (Q - along) / root,
        }

    def errors_with(self, kept: Iterable[str]) -> Float[Tensor, " batch"]:
        """Errors on `test_inputs` with some parts of queries and keys only.

        Args:
            kept: names out of PARTS; with none of them attention is uniform.
        """
        answers = self.answers_with(kept)
        errors = self.task.errors(answers, self.test_inputs, self._test_targets).double()
        if not errors.isfinite().all():
            raise MechprobeError(
                "the model's answers overflow on its own sequences; its weights are too large"
            )
        return errors

    def answers_with(self, kept: Iterable[str]) -> Float[Tensor, "batch pos d"]:
        """Answers to `test_inputs` with some parts of queries and keys only, as `errors_with`."""
        names = frozenset(kept)
        if names not in self._kept:
            hooks = []
            if names != frozenset(PARTS):
                zero = torch.zeros_like(self.parts["semantic"])
                field: Tensor = sum((self.parts[name] for name in sorted(names)), zero)
                # hook_q holds x Q, without the factor 1 / sqrt(d) of the field.
                fill = partial(_fill, field=field * math.sqrt(self.task.d))
                hooks = [(QUERY, fill), (KEY, fill)]
            with torch.no_grad():
                self._kept[names] = self.model.run_with_hooks(self.test_inputs, fwd_hooks=hooks)
        return self._kept[names]

    @cached_property
    @settled()
    def _test_targets(self) -> Float[Tensor, "batch pos d"]:
        return self.task.targets(self.test_inputs)


def _fill(value: Tensor, hook: "HookPoint", field: Tensor) -> Tensor:
    return field.unsqueeze(2).to(value.dtype)
