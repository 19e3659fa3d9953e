"""From named coordinates to the weights of a transformer without norms.

A design names ranges of coordinates of the stream, says what every head and neuron reads and writes
there, and is then turned into a random basis. The read-out is fitted to what the last neurons hold.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.counting.constructions.assemble import envelope, orthonormal
from mechprobe.models.families.transformer.config import TransformerConfig, shapes
from mechprobe.models.families.transformer.forward import forward
from mechprobe.models.tasks import HistogramTask

SHARP = 30.0  # score that leaves e^-30 to what does not have it
MOST = 4_000_000  # weights of a planted model: seconds, and 32 MB
FITTED = 8  # sequences for each token and count that the read-out is fitted to


def slots(**widths: int) -> tuple[dict[str, slice], int]:
    """Ranges of coordinates by name, one after another, and their number."""
    found, start = {}, 0
    for name, width in widths.items():
        found[name] = slice(start, start + width)
        start += width
    return found, start


def blank(config: TransformerConfig) -> Weights:
    """All weights of a configuration, zero, in double precision.

    Raises:
        MechprobeError: there are more than a planted model may have.
    """
    if config.n_weights > MOST:
        raise MechprobeError(
            f"T={config.T}, L={config.L}: this model would have {config.n_weights} weights, more"
            f" than {MOST}; use a smaller T or L"
        )
    return {name: torch.zeros(s, dtype=torch.float64) for name, s in shapes(config).items()}


def attend(
    weights: Weights, block: int, head: int, scores: Float[Tensor, "d d"], d_head: int
) -> None:
    """Give a head these scores x S y of queries x and keys y, by W_Q and W_K of full width."""
    weights[f"blocks.{block}.W_Q"][head] = scores * math.sqrt(d_head)
    weights[f"blocks.{block}.W_K"][head] = torch.eye(d_head, dtype=torch.float64)


def carry(weights: Weights, block: int, head: int, moves: Float[Tensor, "d d"]) -> None:
    """Let a head write x M for what it attends to, by W_V and W_O of full width."""
    weights[f"blocks.{block}.W_V"][head] = moves
    weights[f"blocks.{block}.W_O"][head] = torch.eye(len(moves), dtype=torch.float64)


def neuron(
    weights: Weights, block: int, at: int, reads: dict[int, float], bias: float, **writes: float
) -> None:
    """Set one neuron: what it reads by coordinate, its bias, and c7=0.5 for what it writes."""
    for coordinate, weight in reads.items():
        weights[f"blocks.{block}.W_in"][coordinate, at] = weight
    weights[f"blocks.{block}.b_in"][at] = bias
    for name, weight in writes.items():
        weights[f"blocks.{block}.W_out"][at, int(name[1:])] = weight


def decoded(
    config: TransformerConfig,
    weights: Weights,
    gain: Float[Tensor, " p"],
    generator: torch.Generator,
) -> Weights:
    """Complete a design with the read-out that answers what the last neurons' sum by `gain` says.

    Raises:
        MechprobeError: the sums of two counts overlap.
    """
    last = f"blocks.{config.n_layers - 1}."
    identity = torch.eye(config.p, dtype=torch.float64)
    zero = torch.zeros(config.p, dtype=torch.float64)
    seen = weights | {f"{last}W_out": identity, f"{last}b_out": zero}
    tokens = fitted(config, generator)
    code = forward(config, seen, tokens) @ gain
    if not config.answers_in_classes(config.n_layers - 1):
        raise MechprobeError("a read-out is fitted where the last neurons answer")
    count = (tokens.unsqueeze(-1) == tokens.unsqueeze(-2)).sum(-1)
    body = slice(int(config.bos), None)
    code, count = code[:, body], count[:, body]
    each = [code[count == c] for c in range(1, config.L + 1)]
    slope, intercept = envelope(
        torch.stack([one.min() for one in each]), torch.stack([one.max() for one in each])
    )
    W_out = torch.zeros(config.p, config.n_classes, dtype=torch.float64)
    b_out = torch.zeros(config.n_classes, dtype=torch.float64)
    W_out[:, 1 : config.L + 1] = torch.outer(gain, slope)
    b_out[1 : config.L + 1] = intercept
    W_out[:, 0], b_out[0] = W_out[:, 1], b_out[1] - 10
    return weights | {f"{last}W_out": W_out, f"{last}b_out": b_out}


def fitted(config: TransformerConfig, generator: torch.Generator) -> Tensor:
    """Sequences with every token at every count, the count L too."""
    # The usual sampler draws every count below L, whatever the model is asked.
    task = HistogramTask(T=config.T, L=config.L, bos=config.bos)
    tokens = task.balanced(FITTED, generator).tokens.flatten(0, 2)
    full = torch.arange(config.T).unsqueeze(1).expand(-1, config.L)
    if config.bos:
        full = torch.cat([torch.full((config.T, 1), config.T, dtype=tokens.dtype), full], 1)
    return torch.cat([tokens, full])


def turned(config: TransformerConfig, weights: Weights, generator: torch.Generator) -> Weights:
    """The same model in another basis of the stream, an orthonormal one drawn at random."""
    turn = orthonormal(config.d, config.d, generator)
    found = dict(weights)
    for name, weight in weights.items():
        kind = name.split(".")[-1]
        last = name == f"blocks.{config.n_layers - 1}.W_out"
        ends = name.endswith(".b_out") and not name.startswith(f"blocks.{config.n_layers - 1}.")
        if kind in ("W_E", "W_pos", "W_O") or (kind == "W_out" and not last) or ends:
            found[name] = weight @ turn
        elif kind in ("W_Q", "W_K", "W_V", "W_in"):
            found[name] = turn.T @ weight
    return found
