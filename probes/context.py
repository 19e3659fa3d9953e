"""What probes share about one model: sequences, a cached run, count means; computed once."""

import hashlib
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import ActivationCache

from models import HistogramTask, HookedTransformer, MechprobeError
from models.tasks import BalancedSequences
from probes import transport
from probes.cells import CountCells

RESID_MID = "blocks.0.hook_resid_mid"
PATTERN = "blocks.0.attn.hook_pattern"
SCORES = "blocks.0.attn.hook_attn_scores"
POST = "blocks.0.mlp.hook_post"

N_SEQUENCES = 1024


def needs_counts(model: HookedTransformer, task: HistogramTask) -> str | None:
    """Why a probe that compares counts does not apply, or None where it does."""
    return f"L={task.L} leaves a single count to compare" if task.L < 3 else None


class Context:
    """One model under study: the model, its task, a seed, and what probes measure in common.

    Args:
        model: hooked model, in either view.
        task: what it was asked.
        seed: every random draw derives from it.

    Raises:
        MechprobeError: model and task do not fit each other.
    """

    def __init__(self, model: HookedTransformer, task: HistogramTask, seed: int = 0) -> None:
        if model.cfg.n_ctx != task.L + int(task.bos) or model.W_E.shape[0] != task.n_vocab:
            raise MechprobeError(
                f"the model reads {model.cfg.n_ctx} positions of {model.W_E.shape[0]} tokens,"
                f" the task gives {task.L + int(task.bos)} of {task.n_vocab}"
            )
        # The widened view computes the same; probes read the natural coordinates.
        natural = not model.cfg.widened
        self.model = model if natural else HookedTransformer(model.config, model.weights())
        self.task = task
        self.seed = seed

    def generator(self, purpose: str) -> torch.Generator:
        """A generator of its own for each purpose: probes do not disturb one another."""
        digest = hashlib.sha256(f"{self.seed}/{purpose}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    # All draws go through these three, so that a comparison can hand over the same ones.

    def sample(self, purpose: str, n: int) -> Int[Tensor, "batch pos"]:
        """Draw sequences from the task's own distribution."""
        return self.task.sample(n, self.generator(purpose))

    def balanced(self, purpose: str, reps: int) -> BalancedSequences:
        """Draw sequences with every count of every token equally often."""
        return self.task.balanced(reps, self.generator(purpose))

    def lots(
        self, purpose: str, shape: tuple[int, ...], token_axes: tuple[int, ...] = (0,)
    ) -> Float[Tensor, "..."]:
        """Uniform random numbers to choose by, in [0, 1).

        Args:
            purpose: what for; each has a generator of its own.
            shape: of the numbers.
            token_axes: axes that are indexed by tokens.
        """
        return torch.rand(shape, generator=self.generator(purpose), dtype=torch.float64)

    @cached_property
    def model_hash(self) -> str:
        """Fingerprint of the model."""
        return self.model.fingerprint()

    @cached_property
    def tokens(self) -> Int[Tensor, "batch pos"]:
        """Sequences from the task's own distribution."""
        return self.sample("sequences", N_SEQUENCES)

    @cached_property
    def _run(self) -> tuple[Tensor, ActivationCache]:
        with torch.no_grad():
            logits, cache = self.model.run_with_cache(self.tokens)
        if not all(value.isfinite().all() for value in (logits, *cache.values())):
            raise MechprobeError(
                "the model's activations overflow on its own sequences; its weights are too large"
            )
        return logits, cache

    @property
    def logits(self) -> Float[Tensor, "batch pos classes"]:
        """Answers on `tokens`."""
        return self._run[0]

    @property
    def cache(self) -> ActivationCache:
        """All activations on `tokens`."""
        return self._run[1]

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
        data = self.reference.data
        flat, at = data.tokens.flatten(0, 2), data.position.flatten()
        with torch.no_grad():
            _, cache = self.model.run_with_cache(flat, names_filter=POST)
        post: Tensor = cache[POST]
        each = post[torch.arange(len(at)), at].double()
        return each.view(*data.tokens.shape[:3], -1).mean(2)

    def cells(self, purpose: str, reps: int) -> CountCells:
        """Run the model on fresh balanced sequences."""
        return self.run_cells(self.balanced(purpose, reps))

    def run_cells(self, data: BalancedSequences) -> CountCells:
        """Residual streams and answers at the marked positions of given sequences."""
        flat = data.tokens.flatten(0, 2)
        at = data.position.flatten()
        with torch.no_grad():
            logits, cache = self.model.run_with_cache(flat, names_filter=RESID_MID)
        row = torch.arange(flat.shape[0])
        shape = data.tokens.shape[:3]
        resid = cache[RESID_MID][row, at].view(*shape, -1)
        return CountCells(data, resid, logits[row, at].argmax(-1).view(shape))
