"""What probes of counting models share: balanced sequences, count means, transport."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.models import HistogramTask, MechprobeError
from mechprobe.models.base.chunks import joined
from mechprobe.models.base.settled import settled
from mechprobe.models.tasks import BalancedSequences
from mechprobe.probes import draws
from mechprobe.probes.context import Context, activations
from mechprobe.probes.counting import transport, variation
from mechprobe.probes.counting.cells import CountCells, moved
from mechprobe.probes.counting.heads import main_head
from mechprobe.probes.counting.mixing import lacks

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint

    from mechprobe.models import HookedTransformer

# Repetitions of a cell: least (and most), and about how many sequences a token.
REFERENCE, HELD_OUT = (16, 256), (2, 8, 256)
COUNTED = ("histogram", "histogram-so-far")  # tasks whose models probes of this context read
PLACES = 3  # positions at which counts are looked at in models that know positions
SLOPES = 2  # sequences of each (token, count) cell that gradients are averaged over


def needs_counts(model: "HookedTransformer", task: HistogramTask) -> str | None:
    """Why a probe that compares counts does not apply, or None where it does."""
    if task.counts > 1:
        return None
    if task.L < 3:
        return f"L={task.L} leaves a single count to compare"
    return (
        f"uniform sequences of T={task.T} tokens hardly hold one twice: a single count to compare"
    )


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

    def __init__(self, model: "HookedTransformer", task: HistogramTask, seed: int = 0) -> None:
        if model.cfg.n_ctx != task.L + int(task.bos) or model.W_E.shape[0] != task.n_vocab:
            raise MechprobeError(
                f"the model reads {model.cfg.n_ctx} positions of {model.W_E.shape[0]} tokens,"
                f" the task gives {task.L + int(task.bos)} of {task.n_vocab}"
            )
        super().__init__(model, task, seed)

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
    @settled()
    def accuracy(self) -> float:
        """Share of right answers on `tokens`."""
        return self.task.accuracy(self.logits, self.tokens)

    @property
    def chance(self) -> float:
        """Accuracy of the best constant answer on `tokens`, where counts are looked at."""
        return self.task.chance(self.tokens)

    @cached_property
    @settled()
    def reference(self) -> CountCells:
        """Balanced sequences that count means are taken from, at the first of the places."""
        reps = max(REFERENCE[0], REFERENCE[1] // self.task.T)
        return self.run_cells(self._at("reference", reps, 0))

    @cached_property
    @settled()
    def held_out(self) -> CountCells:
        """Balanced sequences that nothing was fitted on, at the first of the places; fewer a cell
        for large alphabets."""
        return self.run_cells(self._at("held out", self._held(), 0))

    @property
    def positions(self) -> list[int] | None:
        """Positions at which counts are looked at, the middle one first; None, for any, in models
        that do not know positions. In those that do a count may be written at each in its own
        way, and a mean over positions is none of them."""
        if not self.model.cfg.knows_positions:
            return None
        first, L = int(self.task.bos), self.task.L
        chosen = (L // 2, *(round(i * (L - 1) / (PLACES - 2)) for i in range(PLACES - 1)))
        return list(dict.fromkeys(first + at for at in chosen))

    @cached_property
    @settled()
    def places(self) -> list[tuple[CountCells, CountCells]]:
        """Reference and held-out cells at each of `positions`; one pair where none are named."""
        found = [(self.reference, self.held_out)]
        more = len(self.positions or [0]) - 1
        for i in range(1, more + 1):
            reference = self._at("reference", self.reference.data.tokens.shape[2], i)
            held = self._at("held out", max(2, self._held() // (more + 1)), i)
            found.append((self.run_cells(reference), self.run_cells(held)))
        return found

    @cached_property
    @settled()
    def transport(self) -> transport.Transport:
        """Count transport between all tokens, over all places."""
        return transport.measure(self.model, self.places)

    def _held(self) -> int:
        least, most, number = HELD_OUT
        return max(least, min(most, number // self.task.T))

    def _at(self, purpose: str, reps: int, place: int) -> BalancedSequences:
        """Balanced sequences marked at one of the places."""
        positions = self.positions
        data = self.balanced(f"{purpose} {place}" if place else purpose, reps)
        return data if positions is None else moved(data, positions[place])

    @cached_property
    @settled()
    def patterns(self) -> list[Float[Tensor, "batch head q k"]]:
        """Mixing weights of every block on `tokens`.

        Raises:
            MechprobeError: a block's mixer has none; says why.
        """
        self._need_weights()
        return self.activations_at([mixing.hooks["pattern"] for mixing in self.model.mixers])

    @cached_property
    @settled()
    def variation(self) -> variation.Variation:
        """How the mixing weights of all heads of all blocks vary on `tokens`."""
        return variation.measure(self.patterns, self.tokens, self.task)

    @cached_property
    @settled()
    def main_head(self) -> tuple[int, int]:
        """Block and head of the mixing weights that change most answers on `tokens` when they are
        made uniform: what probes of one head read. Nothing is run where there is only one.

        Raises:
            MechprobeError: a block's mixer has none; says why.
        """
        self._need_weights()
        return main_head(self.model, self.tokens, self.task.scored(self.logits, 1))

    def _need_weights(self) -> None:
        if reason := lacks(self.model, "weights"):
            raise MechprobeError(reason)

    @cached_property
    @settled()
    def activations(self) -> Float[Tensor, "token count neuron"]:
        """Mean activation (the last block's hook_post) of every neuron for each token and count
        that is probed."""
        kept: list[Tensor] = []

        def keep(value: Tensor, hook: "HookPoint") -> None:
            kept.append(value)

        resid = self.reference.resid  # run before the hook is there

        def means(some: Tensor) -> Tensor:
            kept.clear()
            self.model.read_out(some)
            return kept[0].double().mean(2)

        with torch.no_grad(), self.model.hooks(fwd_hooks=[(self.hook_name("post"), keep)]):
            return self._by_token(resid, means)

    @cached_property
    @settled()
    def output_weights(self) -> Float[Tensor, "token neuron classes"]:
        """How far the logits move with each neuron of the last block, for each token.

        The gradient of the logits by hook_post, averaged over counts and sequences. Where a linear
        map leads from the neurons to the logits this is that map, W_out or W_out W_U, the same for
        all tokens; behind a LayerNorm it is the slope at the model's own activations.
        """
        kept: list[Tensor] = []

        def start(post: Tensor, hook: "HookPoint") -> Tensor:
            kept.append(post.detach().requires_grad_())
            return kept[0]

        resid, hooks = self.reference.resid[:, :, :SLOPES], [(self.hook_name("post"), start)]
        with torch.enable_grad(), self.model.hooks(fwd_hooks=hooks):
            logits = self.model.read_out(resid)
            slopes = [
                torch.autograd.grad(logit.sum(), kept[0], retain_graph=True)[0].double()
                for logit in logits.unbind(-1)
            ]
        return torch.stack([slope.mean((1, 2)) for slope in slopes], -1)

    def cells(self, purpose: str, reps: int) -> CountCells:
        """Run the model on fresh balanced sequences."""
        return self.run_cells(self.balanced(purpose, reps))

    def run_cells(self, data: BalancedSequences) -> CountCells:
        """Residual streams and answers at the marked positions of given sequences."""
        flat, at, shape = data.tokens.flatten(0, 2), data.position.flatten(), data.position.shape

        def marked(piece: slice) -> Tensor:
            row = torch.arange(len(at[piece]))
            stream: Tensor = self.model.resid_mid(flat[piece])[row, at[piece]]
            return stream

        with torch.no_grad():
            resid = joined(len(at), self.run_bytes, marked).view(*shape, -1)
            # Only the marked positions are read out.
            predicted = self._by_token(resid, lambda some: self.model.read_out(some).argmax(-1))
        return CountCells(data, resid, predicted)

    def _by_token(
        self, resid: Float[Tensor, "token count rep d"], work: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """What is made of residual streams, a bounded number of tokens at once."""
        each = resid[0, ..., 0].numel() * self.run_bytes // self.model.cfg.n_ctx
        return joined(len(resid), each, lambda piece: work(resid[piece]))

    def attention_at(
        self, data: BalancedSequences, layer: int, head: int
    ) -> tuple[Float[Tensor, "token count rep pos"], Float[Tensor, "token count rep pos"]]:
        """Mixing scores and weights of the marked positions of given sequences in one head."""
        hooks = self.model.mixers[layer].hooks
        names = [hooks["attn_scores"], hooks["pattern"]]
        flat, at, shape = data.tokens.flatten(0, 2), data.position.flatten(), data.position.shape

        def both(piece: slice) -> Tensor:
            found = activations(self.model, flat[piece], names)
            row = torch.arange(len(at[piece]))
            return torch.stack([found[name][row, head, at[piece]] for name in names], 1)

        scores, pattern = joined(len(at), self.run_bytes, both).unbind(1)
        return scores.reshape(*shape, -1), pattern.reshape(*shape, -1)
