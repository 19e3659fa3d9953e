"""What probes of counting models share: balanced sequences, count means, transport."""

from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.hook_points import HookPoint

from models import CountingConfig, HistogramTask, HookedTransformer, MechprobeError
from models.tasks import BalancedSequences
from probes import draws, transport
from probes.cells import CountCells
from probes.context import PATTERN, SCORES, Context

RESID_MID = "blocks.0.hook_resid_mid"
POST = "blocks.0.mlp.hook_post"


def needs_counts(model: HookedTransformer, task: HistogramTask) -> str | None:
    """Why a probe that compares counts does not apply, or None where it does."""
    return f"L={task.L} leaves a single count to compare" if task.L < 3 else None


class CountContext(Context):
    """A model that counts.

    Args:
        model: hooked model, in either view.
        task: what it was asked.
        seed: every random draw derives from it.

    Raises:
        MechprobeError: model and task do not fit each other.
    """

    task: HistogramTask

    def __init__(self, model: HookedTransformer, task: HistogramTask, seed: int = 0) -> None:
        if model.cfg.n_ctx != task.L + int(task.bos) or model.W_E.shape[0] != task.n_vocab:
            raise MechprobeError(
                f"the model reads {model.cfg.n_ctx} positions of {model.W_E.shape[0]} tokens,"
                f" the task gives {task.L + int(task.bos)} of {task.n_vocab}"
            )
        super().__init__(model, task, seed)

    @property
    def config(self) -> CountingConfig:
        """The model's configuration."""
        config: CountingConfig = self.model.config
        return config

    def balanced(self, purpose: str, reps: int) -> BalancedSequences:
        """Draw sequences with every count of every token equally often."""
        data = draws.balanced(self.task, reps, self.seed, purpose)
        return BalancedSequences(*(part.clone() for part in data))  # a probe may write into it

    def sample(self, purpose: str, n: int) -> Int[Tensor, "batch pos"]:
        """Draw sequences from the task's own distribution."""
        return draws.sampled(self.task, n, self.seed, purpose).clone()

    @property
    def tokens(self) -> Int[Tensor, "batch pos"]:
        """Sequences from the task's own distribution."""
        return self.inputs

    @property
    def logits(self) -> Float[Tensor, "batch pos classes"]:
        """Answers on `tokens`."""
        return self.answers

    @cached_property
    def accuracy(self) -> float:
        """Share of right answers on `tokens`."""
        return self.task.accuracy(self.logits, self.tokens)

    @cached_property
    def reference(self) -> CountCells:
        """Balanced sequences that count means are taken from."""
        return self.cells("reference", reps=max(16, 256 // self.task.T))

    @cached_property
    def held_out(self) -> CountCells:
        """Balanced sequences that nothing was fitted on; fewer a cell for large alphabets."""
        return self.cells("held out", reps=max(2, min(8, 256 // self.task.T)))

    @cached_property
    def transport(self) -> transport.Transport:
        """Count transport between all tokens."""
        return transport.measure(self.model, self.reference, self.held_out)

    @cached_property
    def activations(self) -> Float[Tensor, "token count neuron"]:
        """Mean activation (hook_post) of every neuron for each token and count 1..L-1."""
        kept: dict[str, Tensor] = {}

        def keep(value: Tensor, hook: HookPoint) -> None:
            kept[POST] = value

        with torch.no_grad(), self.model.hooks(fwd_hooks=[(POST, keep)]):
            self.model.read_out(self.reference.resid)
        return kept[POST].double().mean(2)

    def cells(self, purpose: str, reps: int) -> CountCells:
        """Run the model on fresh balanced sequences."""
        return self.run_cells(self.balanced(purpose, reps))

    def run_cells(self, data: BalancedSequences) -> CountCells:
        """Residual streams, answers and attention at the marked positions of given sequences."""
        at = data.position.flatten()
        row = torch.arange(len(at))
        shape = data.position.shape
        kept: dict[str, Tensor] = {}

        def keep(value: Tensor, hook: HookPoint) -> None:
            kept[str(hook.name)] = value[row, 0, at].view(*shape, -1)

        with torch.no_grad():
            with self.model.hooks(fwd_hooks=[(SCORES, keep), (PATTERN, keep)]):
                resid = self.model.resid_mid(data.tokens.flatten(0, 2))[row, at].view(*shape, -1)
            # Only the marked positions are read out.
            predicted = self.model.read_out(resid).argmax(-1)
        return CountCells(data, resid, predicted, kept[SCORES], kept[PATTERN])
