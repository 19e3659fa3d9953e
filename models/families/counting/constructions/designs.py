"""Mixing scores and neurons that several constructions share, in vocabulary coordinates."""

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.base.draws import draw_uniform
from mechprobe.models.families.counting import CountingConfig, Weights
from mechprobe.models.families.counting.constructions.assemble import bilinear, orthonormal


def uniform(low: float, high: float, generator: torch.Generator) -> float:
    """One free scale of a construction."""
    return low + (high - low) * draw_uniform((), generator, torch.float64).item()


def basis(config: CountingConfig, generator: torch.Generator) -> Float[Tensor, "vocab d"]:
    """Orthonormal tokens; BOS is one more direction, or at d = T the sum of all tokens'."""
    tokens = orthonormal(config.T, config.d, generator)
    if not config.bos:
        return tokens
    if config.d > config.T:
        return orthonormal(config.n_vocab, config.d, generator)
    return torch.cat([tokens, tokens.sum(0, keepdim=True)])


def relational_scores(
    config: CountingConfig, generator: torch.Generator
) -> Float[Tensor, "vocab vocab"]:
    """Same token: s; different token: 0; BOS: s. With a softmax s lies in [2, 3.5], else near 1/L.

    So x' of a token seen c times has mass 1 + s c on itself, or with softmax and BOS a mass
    e^s / (e^s (1 + c) + L - c) on BOS: the count is written without regard to the token.
    """
    low, high = (2.0, 3.5) if config.softmax else (0.5 / config.L, 1.0 / config.L)
    s = uniform(low, high, generator)
    scores = s * torch.eye(config.n_vocab, dtype=torch.float64)
    if config.bos:
        scores[: config.T, config.T] = s
        # BOS as a query is not scored; at d = T its row and column follow from the tokens'.
        scores[config.T, : config.T] = s
        scores[config.T, config.T] = s * (config.T if config.d == config.T else 1)
    return scores


def constant_scores(config: CountingConfig) -> Float[Tensor, "vocab vocab"]:
    """The same score for every pair: mixing that only adds up."""
    value = 0.0 if config.softmax else 1.0 / config.L
    return torch.full((config.n_vocab, config.n_vocab), value, dtype=torch.float64)


def dot_mixing(
    embedding: Float[Tensor, "vocab d"], scores: Float[Tensor, "vocab vocab"]
) -> Weights:
    """W_Q and W_K for these scores."""
    W_Q, W_K = bilinear(embedding, scores)
    return {"W_Q": W_Q, "W_K": W_K}


def shared_reading(config: CountingConfig) -> Float[Tensor, " vocab"]:
    """One direction that holds the count of every token: BOS's own where BOS is anchored by a
    softmax and has a direction of its own, else the sum of all tokens'."""
    rho = torch.ones(config.n_vocab, dtype=torch.float64)
    if config.bos and config.d == config.T:
        rho[config.T] = config.T
    elif config.bos and config.softmax:
        rho[: config.T] = 0.0
    return rho


def private_reading(config: CountingConfig) -> Float[Tensor, "token vocab"]:
    """Neuron t reads the mass of token t alone; with a bias of -1 it is silent elsewhere, for
    only the residual connection brings a whole unit of mass."""
    return torch.eye(config.T, config.n_vocab, dtype=torch.float64)
