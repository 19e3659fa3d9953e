"""A direction that distributed alignment search does not find, though it is there.

`construct("dot", 8, 6)` reads every count with one neuron: interchanging the stream along the
neuron's weights W_in carries a foreign count over always. Rank-one DAS is trained at the same place
towards just that, with several seeds and rates. Why it misses is measured beside it: how far from
W_in a direction may point and still work, against where training starts and ends.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import BaseModel
from torch import Tensor

from mechprobe.analyses.bench.methods.labellers.das import Aligner, aligner
from mechprobe.models import construct
from mechprobe.models.base.draws import draw_normal
from mechprobe.probes.draws import generator

__all__ = ["Needle", "Search", "needles"]

SEEDS, RATES = range(4), (1e-3, 1e-2, 1e-1)
TILTS = 8  # random directions that W_in is tilted towards
DEGREES = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 45.0, 70.0, 80.0, 90.0)
SETTINGS, QUICK = 5, 1


class Needle(BaseModel):
    """What was found in one setting; accuracies are of interchanges between different tokens.

    Args:
        setting: seed of the construction.
        known: accuracy along W_in.
        best: the best accuracy of all fits.
        fits: how many there were.
        hits: of them with an accuracy of at least one half.
        nearest: least angle between a fit and W_in, degrees.
        chance: median angle between W_in and a random direction, degrees.
        half_width: least tilt of W_in tried at which its mean accuracy is below one half, degrees.
        ratio: spread of the differences between streams along a direction across W_in, over what
            one count moves the stream along W_in.
        loss_known, loss_fit, loss_nothing: cross-entropy along W_in, of the best fit by training
            loss, and of a direction that changes nothing.
        tilted: W_in tilted towards random directions: degrees, mean accuracy, mean cross-entropy.
    """

    setting: int
    known: float
    best: float
    fits: int
    hits: int
    nearest: float
    chance: float
    half_width: float
    ratio: float
    loss_known: float
    loss_fit: float
    loss_nothing: float
    tilted: list[tuple[float, float, float]]


@dataclass(frozen=True)
class Search:
    """One setting.

    Args:
        setting: seed of the construction and of the pairs.
        seeds, rates: of DAS.
    """

    setting: int
    seeds: int
    rates: tuple[float, ...]
    result: ClassVar[type[Needle]] = Needle

    @property
    def weight(self) -> float:
        """Relative length of the work."""
        return float(self.seeds * len(self.rates))

    def run(self) -> Needle:
        """Train and compare."""
        model = construct("dot", T=8, L=6, seed=self.setting).eval()
        draws = generator(self.setting, "needle")
        found = aligner(model, model.task(), draws)
        line = model.W_in[0].detach()
        line = line / line.norm()
        every = torch.ones_like(found.train.crossed)
        counts = found.train.source.counts
        fits = [
            found.fit(every, counts, seed, rate)
            for seed in range(self.seeds)
            for rate in self.rates
        ]
        tilted = [(degrees, *_tilted(found, line, degrees, draws)) for degrees in DEGREES]
        below = [degrees for degrees, accuracy, _ in tilted if accuracy < 0.5]
        carried = [_carried(found, basis) for _, basis in fits]
        loss, _ = min(fits, key=lambda fit: fit[0])
        return Needle(
            setting=self.setting,
            known=_carried(found, line),
            best=max(carried),
            fits=len(fits),
            hits=sum(one >= 0.5 for one in carried),
            nearest=min(_angle(line, basis) for _, basis in fits),
            chance=_chance(line, draws),
            half_width=min(below, default=90.0),
            ratio=_ratio(found, line),
            loss_known=_loss(found, line),
            loss_fit=loss,
            loss_nothing=_loss(found, torch.zeros_like(line)),
            tilted=tilted,
        )


def needles(quick: bool) -> list[Search]:
    """The settings."""
    if quick:
        return [Search(0, 2, RATES[1:2])]
    return [Search(setting, len(SEEDS), RATES) for setting in range(SETTINGS)]


def _carried(found: Aligner, basis: Float[Tensor, "d 1"]) -> float:
    """Share of interchanges between different tokens that carry the foreign count over."""
    return found.accuracy(basis, found.test.crossed, found.test.source.counts[found.test.crossed])


def _tilted(
    found: Aligner, line: Float[Tensor, "d 1"], degrees: float, draws: torch.Generator
) -> tuple[float, float]:
    turn = math.radians(degrees)
    accuracy, loss = 0.0, 0.0
    for _ in range(TILTS):
        aside = draw_normal(line.shape, draws)
        aside = aside - line * (line * aside).sum()
        basis = math.cos(turn) * line + math.sin(turn) * aside / aside.norm()
        accuracy += _carried(found, basis) / TILTS
        loss += _loss(found, basis) / TILTS
    return accuracy, loss


def _ratio(found: Aligner, line: Float[Tensor, "d 1"]) -> float:
    """Root mean square component of the differences across the line, a direction, over the mean
    step of one count along it."""
    base, source = found.x
    moved = source - base
    along = moved @ line
    steps = found.train.source.counts - found.train.base.counts
    step = (along.squeeze(-1) * steps).sum() / steps.square().sum()
    across = (moved - along @ line.T).square().sum(-1).mean() / (len(line) - 1)
    return float(across.sqrt() / step.abs())


def _loss(found: Aligner, basis: Float[Tensor, "d 1"]) -> float:
    base, source = found.x
    with torch.no_grad():
        logits = found.reader(base + (source - base) @ basis @ basis.T)
    return float(torch.nn.functional.cross_entropy(logits, found.train.source.counts))


def _angle(line: Float[Tensor, "d 1"], basis: Float[Tensor, "d 1"]) -> float:
    return math.degrees(math.acos(min(1.0, abs(float((line * basis).sum())))))


def _chance(line: Float[Tensor, "d 1"], draws: torch.Generator) -> float:
    found = draw_normal((1001, len(line)), draws)
    found = found / found.norm(dim=-1, keepdim=True)
    return float((found @ line).abs().clamp(max=1).acos().median() * 180 / math.pi)
