"""Models of bos+sftm whose tokens count in different ways while all of them hear BOS.

The answer is read from one scalar z by lines k z - k^2 / 2, so z = c answers c. Two kinds of token:

- those that count through BOS: the mass on BOS falls as their count rises, and a thermometer of
  neurons turns that mass into z;
- those with a look-up of their own: they attend to all positions alike, so that their mass on BOS
  is constant, and neurons that read the token's own mass give z. The thermometer still reads them.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from mechprobe.models import CountingConfig, HookedTransformer
from mechprobe.models.base.draws import draw_normal
from mechprobe.models.families.counting.constructions.assemble import bilinear, reading

SCORE = 2.5  # of BOS and of the same token, where the mass on BOS says the count


def listening(
    T: int, L: int, through_bos: Iterable[int], loudness: float = 1.0, seed: int = 0
) -> HookedTransformer:
    """Tokens that count through BOS among tokens that only listen to it.

    Args:
        T, L: sizes.
        through_bos: tokens whose count stands in the mass on BOS.
        loudness: how many times as far as needed that mass moves z; above 1 those tokens too need
            a look-up, which takes the surplus away again.
        seed: of the random basis.
    """
    writers = set(through_bos)
    count = torch.arange(1, L + 1, dtype=torch.float64)
    same = torch.tensor(SCORE, dtype=torch.float64).exp()
    total = same * (1 + count) + L - count
    bos_mass = same / total  # of a token that writes, by its count
    level = bos_mass[L // 2 - 1]  # of one that does not: the middle count's
    bos_score = (L * level / (1 - level)).log()

    scores = torch.zeros(T + 1, T + 1, dtype=torch.float64)
    scores[:, T] = bos_score
    for t in writers:
        scores[t, t] = scores[t, T] = SCORE

    thresholds, gains, start = _steps(bos_mass.flip(0), loudness * count.flip(0))
    rows = [torch.eye(T + 1, dtype=torch.float64)[T]] * len(thresholds)
    biases, codes, zero = [-thresholds], [gains], start
    for t in range(T):
        mass, heard = 1 + count * (1 - level) / L, torch.full_like(count, float(level))
        if t in writers:
            mass, heard = 1 + count * same / total, bos_mass
        wanted = count - zero - _read(heard, thresholds, gains)
        if wanted.abs().max() < 1e-9:
            continue
        # Below a mass of 1 nothing is heard: other tokens' masses stay under it.
        knots = torch.cat([torch.ones(1, dtype=torch.float64), mass])
        edges, slopes, _ = _steps(knots, torch.cat([0 * wanted[:1], wanted]))
        rows += [torch.eye(T + 1, dtype=torch.float64)[t]] * len(edges)
        biases.append(-edges)
        codes.append(slopes)

    config = CountingConfig.of("bos+sftm", T=T, L=L, d=T + 1, p=len(rows))
    generator = torch.Generator().manual_seed(seed)
    embedding = torch.linalg.qr(draw_normal((T + 1, T + 1), generator, torch.float64))[0]
    W_Q, W_K = bilinear(embedding, scores)
    k = torch.arange(L + 1, dtype=torch.float64)
    b_out = k * zero - k**2 / 2
    b_out[0] -= 10
    weights = {
        "W_E": embedding, "W_Q": W_Q, "W_K": W_K,
        "W_in": reading(embedding, torch.stack(rows)), "b_in": torch.cat(biases),
        "W_out": torch.cat(codes).unsqueeze(-1) * k, "b_out": b_out,
    }  # fmt: skip
    return HookedTransformer(config, {n: w.contiguous() for n, w in weights.items()})


def _steps(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Thresholds and gains of neurons, and a start, whose sum goes through the points (x, y)."""
    slope = y.diff() / x.diff()
    return x[:-1], torch.cat([slope[:1], slope.diff()]), y[0]


def _read(x: Tensor, thresholds: Tensor, gains: Tensor) -> Tensor:
    return (x.unsqueeze(-1) - thresholds).relu() @ gains
