"""From a design in vocabulary coordinates to weights.

A mixed residual stream is x' = sum_v m_v e_v with a mass m_v on every token v. Designs say which
mixing score S[v, w] each pair of tokens has and what each neuron reads from each token's mass
(`rho`); this file finds weights that realise them in a given embedding, and the read-out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.base.chunks import joined
from mechprobe.models.base.draws import draw_normal
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.families.counting import CountingConfig, Weights, forward


@dataclass(frozen=True)
class Code:
    """One scalar that encodes the count, read from a group of neurons.

    Args:
        neurons: which neurons, [k].
        gain: weight of each in the scalar, [k].
        share: share of the logits this code decides (blends have two codes).
    """

    neurons: Sequence[int]
    gain: Float[Tensor, " k"]
    share: float = 1.0


def orthonormal(rows: int, d: int, generator: torch.Generator) -> Float[Tensor, "rows d"]:
    """Random orthonormal rows (Haar)."""
    q, r = torch.linalg.qr(draw_normal((d, d), generator, torch.float64))
    turned: Tensor = q * r.diagonal().sign()
    return turned[:rows]


def bilinear(
    embedding: Float[Tensor, "vocab d"], scores: Float[Tensor, "vocab vocab"]
) -> tuple[Float[Tensor, "d d"], Float[Tensor, "d d"]]:
    """W_Q, W_K whose scores <e_v W_Q, e_w W_K> / sqrt(d) are the wanted ones.

    Raises:
        MechprobeError: the embedding's dependences do not allow these scores.
    """
    inverse = torch.linalg.pinv(embedding)
    form = inverse @ scores @ inverse.T
    if (embedding @ form @ embedding.T - scores).abs().max() > 1e-8 * scores.abs().max().clamp(1):
        raise MechprobeError("these scores cannot be realised in this embedding")
    u, s, vt = torch.linalg.svd(form * embedding.shape[1] ** 0.5)
    return u * s.sqrt(), vt.T * s.sqrt()


def reading(
    embedding: Float[Tensor, "vocab d"], rho: Float[Tensor, "neuron vocab"]
) -> Float[Tensor, "d neuron"]:
    """W_in whose neurons read rho[n, v] from a unit mass on token v.

    Raises:
        MechprobeError: the embedding's dependences do not allow this reading.
    """
    weights: Tensor = torch.linalg.pinv(embedding) @ rho.T
    if (embedding @ weights - rho.T).abs().max() > 1e-8 * rho.abs().max().clamp(1):
        raise MechprobeError("these neurons cannot be realised in this embedding")
    return weights


def envelope(
    lower: Float[Tensor, " count"], upper: Float[Tensor, " count"]
) -> tuple[Float[Tensor, " count"], Float[Tensor, " count"]]:
    """Slopes and intercepts of lines whose upper envelope answers the count of a code.

    Line k is the highest between the midpoints of the gaps to its neighbours' values
    (arXiv:2407.11542, appendix on explicit constructions); slopes are scaled so that every code
    value at the near edge of its gap wins over the neighbour by 1.

    Args:
        lower, upper: smallest and largest value of the code at counts 1, 2, ...

    Raises:
        MechprobeError: the code's values overlap or are not monotone in the count.
    """
    if lower[0] > lower[-1]:
        slope, intercept = envelope(-upper, -lower)
        return -slope, intercept
    gap = lower[1:] - upper[:-1]
    if (gap <= 0).any():
        raise MechprobeError("counts are not separated by this code")
    middle = (lower[1:] + upper[:-1]) / 2
    step = 2 / gap
    zero = lower.new_zeros(1)
    slope = torch.cat([zero, step.cumsum(0)])
    intercept = torch.cat([zero, -(step * middle).cumsum(0)])
    # Centre the slopes: the same answers with smaller numbers, hence better in float32.
    return slope - slope.mean(), intercept


def count_sequences(config: CountingConfig) -> Tensor:
    """a^k b^(L-k) for k = 1..L with the first two tokens, BOS in front where there is one."""
    k = torch.arange(1, config.L + 1).unsqueeze(-1)
    body = (torch.arange(config.L) >= k).long()
    if not config.bos:
        return body
    return torch.cat([body.new_full((config.L, 1), config.T), body], dim=1)


def assemble(
    config: CountingConfig,
    embedding: Float[Tensor, "vocab d"],
    mixing: Weights,
    W_in: Float[Tensor, "d p"],
    b_in: Float[Tensor, " p"],
    codes: Sequence[Code],
    below: Float[Tensor, " count"] | float = 0.0,
    above: Float[Tensor, " count"] | float = 0.0,
) -> Weights:
    """Complete a design with the read-out that decodes its codes.

    Args:
        config: shape of the model.
        embedding: rows are tokens, BOS last.
        mixing: W_Q and W_K, or W_mix.
        W_in, b_in: neurons.
        codes: scalars that encode the count; their envelopes are added with their shares.
        below, above: how far each count's code may lie from its value on a^k b^(L-k) sequences.
    """
    classes, p = config.n_classes, config.p
    weights: Weights = {
        "W_E": embedding,
        **mixing,
        "W_in": W_in,
        "b_in": b_in,
        "W_out": torch.eye(p, dtype=torch.float64),
        "b_out": torch.zeros(p, dtype=torch.float64),
    }
    stacked = {name: weight.unsqueeze(0) for name, weight in weights.items()}
    tokens = count_sequences(config).unsqueeze(0)
    each = 8 * config.n_ctx * max(config.n_ctx, config.d, p)
    hidden = joined(
        config.L,
        each,
        lambda piece: forward(config, stacked, tokens[:, piece])[0, :, int(config.bos)],
    )
    W_out = torch.zeros(p, classes, dtype=torch.float64)
    b_out = torch.zeros(classes, dtype=torch.float64)
    for code in codes:
        index = list(code.neurons)
        value = hidden[:, index] @ code.gain
        slope, intercept = envelope(value - below, value + above)
        W_out[index, 1 : config.L + 1] += code.share * code.gain.unsqueeze(-1) * slope
        b_out[1 : config.L + 1] += code.share * intercept
    _never_answer_zero(W_out, b_out, config.L)
    return weights | {"W_out": W_out, "b_out": b_out}


def _never_answer_zero(W_out: Tensor, b_out: Tensor, L: int) -> None:
    """Give class 0 (and any beyond L) the line of class 1, a good deal lower."""
    for other in [0, *range(L + 1, b_out.shape[0])]:
        W_out[:, other] = W_out[:, 1]
        b_out[other] = b_out[1] - 10
