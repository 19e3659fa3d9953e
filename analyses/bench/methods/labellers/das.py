"""Distributed alignment search: is there one direction that carries every token's count?"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens import HookedRootModule
from transformer_lens.hook_points import HookPoint
from transformer_lens.tools.analysis.interchange import (
    SubspaceInterchange,
    arbitrary_targets,
    fit_das,
    intervened_logits,
)

from mechprobe.analyses.bench.methods.registry import method
from mechprobe.analyses.bench.methods.sharing import (
    Pairs,
    accuracy_of,
    balanced,
    by_share,
    paired,
    streams,
)
from mechprobe.models import HistogramTask, HookedTransformer
from mechprobe.models.base.draws import draw_normal, draw_order
from mechprobe.probes.draws import generator

REPS, PAIRS = 8, 600
SEEDS, RATES = range(4), (3e-2,)
TOKENS = 3  # tokens that get a direction of their own
HOOK = "hook_resid"


class ReadOut(HookedRootModule):  # type: ignore[misc]
    """A model from hook_resid_mid of its last block on, where every position is read alone: its
    inputs are residual streams [row, d_model], so that no step of DAS runs what comes before."""

    def __init__(self, model: HookedTransformer) -> None:
        super().__init__()
        self.hook_resid = HookPoint()
        self._read = (model.requires_grad_(False).read_out,)  # no module of this one's
        self.setup()

    def forward(self, resid: Float[Tensor, "row d_model"]) -> Float[Tensor, "row classes"]:
        read: Tensor = self._read[0](self.hook_resid(resid))
        return read


class Aligner:
    """Trains and tests directions at a model's read-out.

    Args:
        model: hooked model.
        train, test: pairs that directions are trained and tested on.
    """

    def __init__(self, model: HookedTransformer, train: Pairs, test: Pairs) -> None:
        self.reader = ReadOut(model).eval()
        self.train, self.test = train, test
        self.x, self.z = self._streams(model, train), self._streams(model, test)

    def _streams(self, model: HookedTransformer, pairs: Pairs) -> tuple[Tensor, Tensor]:
        return streams(model, pairs.base), streams(model, pairs.source)

    def fit(
        self, rows: Tensor, targets: Tensor, seed: int, lr: float, rank: int = 1, epochs: int = 20
    ) -> tuple[float, Float[Tensor, "d rank"]]:
        """Last training loss, and the basis, of DAS on some training pairs."""
        base, source = (part[rows] for part in self.x)
        found = fit_das(
            self.reader, HOOK, base, source, targets, self.reader,
            rank=rank, lr=lr, seed=seed, epochs=epochs,
        )  # fmt: skip
        return found.losses[-1], found.basis

    def best(self, rows: Tensor, targets: Tensor) -> Float[Tensor, "d 1"]:
        """The basis of the least training loss over seeds and rates."""
        tries = [self.fit(rows, targets, seed, lr) for seed in SEEDS for lr in RATES]
        return min(tries, key=lambda one: one[0])[1]

    def accuracy(self, basis: Tensor, rows: Tensor, targets: Tensor) -> float:
        """Interchange-intervention accuracy on some test pairs."""
        base, source = (part[rows] for part in self.z)
        if not len(base):
            return 0.0
        logits = intervened_logits(
            self.reader, HOOK, SubspaceInterchange(basis), base, source, self.reader
        )
        return float((logits.argmax(-1) == targets[: len(logits)]).double().mean())


def aligner(model: HookedTransformer, task: HistogramTask, draws: torch.Generator) -> Aligner:
    """Pairs of all tokens, those of one token among them, to train and to test on."""

    def drawn() -> Pairs:
        places = balanced(task, REPS, draws)
        some = paired(places, PAIRS, draws), paired(places, PAIRS // 2, draws, same=True)
        base, source = (
            type(a)(*(torch.cat(both) for both in zip(a, b, strict=True)))
            for a, b in zip(*some, strict=True)
        )
        return Pairs(base, source)

    return Aligner(model, drawn(), drawn())


def untrained(model: HookedTransformer, draws: torch.Generator) -> HookedTransformer:
    """The same shapes with random weights of the same size: no family's modules have the
    `reset_parameters` that TransformerLens's `reinitialized` asks for."""
    fresh = {
        name: w.std(correction=0) * draw_normal(w.shape, draws).to(w.dtype)
        if w.is_floating_point()
        else w
        for name, w in model.weights().items()
    }
    twin: HookedTransformer = model.rebuilt(fresh).eval()
    return twin


@method(
    "das", source="Geiger et al., arXiv:2303.02536; controls: Arora et al. 2024; TransformerLens"
)
def das(model: HookedTransformer, task: HistogramTask, seed: int) -> Mapping[str, float]:
    """Interchange accuracy of one direction between tokens, less that of its controls.

    The better of two: a direction trained over all tokens, and directions trained for one token
    each and tried on the others.
    """
    draws = generator(seed, "das")
    found = aligner(model, task, draws)
    train, test = found.train, found.test
    every, crossed = torch.ones_like(train.crossed), test.crossed
    basis = found.best(every, train.source.counts)
    shared = found.accuracy(basis, crossed, test.source.counts[crossed])
    # Controls, each as cheap as it may be: one seed.
    keys = list(zip(train.source.token.tolist(), train.source.counts.tolist(), strict=True))
    wrong = arbitrary_targets(keys, task.n_classes, seed)
    keys = list(zip(test.source.token.tolist(), test.source.counts.tolist(), strict=True))
    wanted = arbitrary_targets(keys, task.n_classes, seed)
    _, labels = found.fit(every, wrong, SEEDS[0], RATES[0])
    control = found.accuracy(labels, crossed, wanted[crossed])
    blank = Aligner(untrained(model, draws), train, test)
    _, random = blank.fit(every, train.source.counts, SEEDS[0], RATES[0])
    control = max(control, blank.accuracy(random, crossed, test.source.counts[crossed]))
    own, foreign = [], []
    for token in draw_order(task.T, draws)[:TOKENS].tolist():
        rows = (train.base.token == token) & (train.source.token == token)
        _, line = found.fit(rows, train.source.counts[rows], SEEDS[0], RATES[0], epochs=60)
        same = ~crossed & (test.base.token == token)
        other = ~crossed & (test.base.token != token)
        own.append(found.accuracy(line, same, test.source.counts[same]))
        foreign.append(found.accuracy(line, other, test.source.counts[other]))
    alone = sum(own) / len(own)
    net = max(shared - control, 0.0) / max(1 - control, 1e-9)
    share = max(net, sum(foreign) / max(sum(own), 1e-9))
    return by_share(accuracy_of(model, task, draws), share, max(alone, net))
