"""What probes share about one model: draws and runs; computed once.

`Context` knows no task in particular; a task's own context adds what only its probes need.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.models import MechprobeError, Task
from mechprobe.models.base.chunks import pieces
from mechprobe.models.base.draws import draw_uniform
from mechprobe.models.base.settled import settled
from mechprobe.models.base.weights import check_numbers, largest
from mechprobe.probes import draws
from mechprobe.probes.admission import admit

if TYPE_CHECKING:
    from transformer_lens import ActivationCache
    from transformer_lens.hook_points import HookPoint

    from mechprobe.models import HookedTransformer

N_SEQUENCES = 1024


class Context:
    """One model under study: the model, its task, a seed, and what probes measure in common.

    Args:
        model: hooked model, in either view.
        task: what it was asked.
        seed: every random draw derives from it.

    Raises:
        MechprobeError: the model carries hooks, is in training mode where that makes a difference,
            or does not lie on the CPU.
    """

    def __init__(self, model: "HookedTransformer", task: Task, seed: int = 0) -> None:
        admit(model)
        # The widened view computes the same; probes read the natural coordinates. Gradients are
        # not taken through parameters that were made in torch.inference_mode; a copy's are others.
        kept = not model.cfg.widened and not any(w.is_inference() for w in model.parameters())
        with settled():
            self.model = model if kept else model.family.assemble(model.config, model.weights())
        self.task: Any = task
        self.seed = seed

    @property
    def run_bytes(self) -> int:
        """Bytes of the largest activation that a run makes of one sequence, by the model's sizes:
        what runs of many sequences are cut by (`chunks.py`)."""
        cfg = self.model.cfg
        names = ("d_model", "d_mlp", "d_vocab_out")
        widths = [getattr(cfg, name, None) or 0 for name in names]
        heads = max([getattr(cfg, "n_heads", None) or 1, *(one.heads for one in self.model.mixers)])
        return 4 * int(cfg.n_ctx) * max(*widths, heads * int(cfg.n_ctx))

    def marked(
        self, tokens: Int[Tensor, "n pos"], at: Int[Tensor, " n"], names: Iterable[str]
    ) -> dict[str, Tensor]:
        """Activations at one position of each sequence, run in pieces of bounded memory.

        Args:
            tokens: the sequences.
            at: the position in each.
            names: full names of hook points [n, pos, ...].
        """
        names = list(names)
        found: dict[str, list[Tensor]] = {name: [] for name in names}
        for piece in pieces(len(tokens), self.run_bytes):
            ran = activations(self.model, tokens[piece], names)
            row = torch.arange(len(tokens[piece]))
            for name in names:
                found[name].append(ran[name][row, at[piece]])
        return {name: torch.cat(parts) for name, parts in found.items()}

    def hook_name(self, name: str, layer: int = -1) -> str:
        """Full name of a hook point of a block, of the last one where no layer is said.

        Args:
            name: TransformerLens's short name: "pattern", "resid_mid", "post", ...
            layer: of the block; negative ones count from the end.
        """
        layer = range(self.model.cfg.n_layers)[layer]
        return self.model.mixers[layer].hooks.get(name, act_name(name, layer))

    def hook_names(self, name: str) -> list[str]:
        """The same hook point of every block, in the order they run."""
        return [self.hook_name(name, layer) for layer in range(self.model.cfg.n_layers)]

    def generator(self, purpose: str) -> torch.Generator:
        """A generator of its own for each purpose: probes do not disturb one another."""
        return draws.generator(self.seed, purpose)

    # All draws go through these methods, so that a comparison can hand over the same ones.

    def sample(self, purpose: str, n: int) -> Tensor:
        """Draw sequences from the task's own distribution."""
        drawn: Tensor = self.task.sample(n, self.generator(purpose))
        return drawn

    def uniform_numbers(
        self, purpose: str, shape: tuple[int, ...], token_axes: tuple[int, ...] = (0,)
    ) -> Float[Tensor, "..."]:
        """Uniform random numbers to choose by, in [0, 1).

        Args:
            purpose: what for; each has a generator of its own.
            shape: of the numbers.
            token_axes: axes that are indexed by tokens.
        """
        return draw_uniform(shape, self.generator(purpose), torch.float64)

    @cached_property
    @settled()
    def model_hash(self) -> str:
        """Fingerprint of the model."""
        return self.model.fingerprint()

    @cached_property
    @settled()
    def inputs(self) -> Tensor:
        """Sequences from the task's own distribution."""
        return self.sample("sequences", N_SEQUENCES)

    @cached_property
    @settled()
    def _run(self) -> tuple[Tensor, dict[str, Tensor]]:
        ends: list[tuple[Tensor, float]] = []
        kept: dict[str, Tensor] = {}
        last = self.hook_name("resid_mid")

        def look(value: Tensor, hook: "HookPoint") -> None:
            # One pass: a number that is too large is the least or the greatest; NaN makes both NaN.
            ends.extend((end, largest(value)) for end in value.aminmax())
            if hook.name == last:
                kept[last] = value.detach()

        for name, weight in self.model.named_parameters():
            check_numbers(name, weight)  # they may have been changed since the model was made
        with torch.no_grad():
            answers = self.model.run_with_hooks(
                self.inputs, fwd_hooks=[(name, look) for name in self.model.hook_dict]
            )
        ends.extend((end, largest(answers)) for end in answers.aminmax())
        if not all(end.abs() <= most for end, most in ends):
            raise MechprobeError(
                "the model's activations overflow on its own sequences; its weights are too large"
            )
        return answers, kept

    @property
    def answers(self) -> Float[Tensor, "batch pos classes"]:
        """Answers on `inputs`.

        Raises:
            MechprobeError: weights are too large or not finite, or an activation of that run is.
        """
        return self._run[0]

    @property
    def resid_mid(self) -> Float[Tensor, "batch pos d_model"]:
        """hook_resid_mid of the last block on `inputs`, the one activation that is always kept.

        Raises:
            KeyError: the model has none.
        """
        return self._run[1][self.hook_name("resid_mid")]

    @cached_property
    @settled()
    def cache(self) -> "ActivationCache":
        """All activations on `inputs`, kept from when this is first asked for; where some will
        do, `activations_at` keeps less."""
        _ = self.answers  # says so where they overflow
        with torch.no_grad():
            cache: "ActivationCache" = self.model.run_with_cache(self.inputs)[1]
        return cache

    def activations_at(self, names: Iterable[str]) -> list[Tensor]:
        """Activations on `inputs` at some hook points, of a run that keeps no others.

        Args:
            names: full names, see `hook_name`.
        """
        names = list(names)
        _ = self.answers
        cached = "cache" in self.__dict__
        found = self.cache if cached else activations(self.model, self.inputs, names)
        return [found[name] for name in names]


def act_name(name: str, layer: int) -> str:
    """Full name of a hook point of a block, as TransformerLens has it."""
    from transformer_lens.utilities import get_act_name

    full: str = get_act_name(name, layer)
    return full


def activations(
    model: "HookedTransformer", inputs: Tensor, names: Iterable[str]
) -> dict[str, Tensor]:
    """What stands at some hook points in a run, by their full names."""
    found: dict[str, Tensor] = {}

    def keep(value: Tensor, hook: "HookPoint") -> None:
        found[str(hook.name)] = value.detach()

    with torch.no_grad():
        model.run_with_hooks(inputs, fwd_hooks=[(name, keep) for name in names])
    return found
