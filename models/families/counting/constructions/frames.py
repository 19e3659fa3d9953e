"""Look-up below d = T: tokens are a frame of small mutual coherence from a difference set.

Harmonic frames of a (v, k, lambda) difference set meet the Welch bound in k complex dimensions
(Xia, Zhou, Giannakis 2005); with i times each vector they give 2 v real vectors in 2 k.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.families.counting import CountingConfig, Weights
from mechprobe.models.families.counting.constructions.assemble import Code, assemble, orthonormal
from mechprobe.models.families.counting.constructions.designs import uniform
from mechprobe.models.families.counting.constructions.registry import Sizes, construction

# (v, D): every non-zero residue mod v is a difference of two members of D equally often. The set
# (7, {0, 1, 3}) is left out: at a coherence of 0.47 foreign counts leak into a token's neuron.
DIFFERENCE_SETS: tuple[tuple[int, tuple[int, ...]], ...] = (
    (13, (0, 1, 3, 9)),
    (21, (0, 1, 4, 14, 16)),
    (11, (1, 3, 4, 5, 9)),
    (15, (0, 1, 2, 4, 5, 8, 10)),
    (19, (1, 4, 5, 6, 7, 9, 11, 16, 17)),
    (23, (1, 2, 3, 4, 6, 8, 9, 12, 13, 16, 18)),
    (31, (1, 2, 4, 5, 7, 8, 9, 10, 14, 16, 18, 19, 20, 25, 28)),
)


def harmonic_frame(v: int, members: tuple[int, ...]) -> Float[Tensor, "vectors d"]:
    """2 v real unit vectors in 2 k dimensions with coherence at most sqrt((v-k)/(k(v-1)))."""
    k = len(members)
    phase = (
        2
        * math.pi
        * torch.outer(
            torch.arange(v, dtype=torch.float64), torch.tensor(members, dtype=torch.float64)
        )
        / v
    )
    real, imaginary = phase.cos() / k**0.5, phase.sin() / k**0.5
    upright = torch.cat([real, imaginary], dim=1)
    turned = torch.cat([-imaginary, real], dim=1)
    return torch.cat([upright, turned])


def _coherence(gram: Float[Tensor, "T T"]) -> float:
    return (gram - gram.diag().diag()).abs().max().item()


@settled()
def find_frame(T: int, L: int) -> Float[Tensor, "T d"]:
    """The smallest tabulated frame whose first T vectors count to L under dot mixing.

    Other tokens add at most (L - c) mu^2 to the count c, which must stay below one
    (arXiv:2407.11542, bound for dot with p = T).

    Raises:
        MechprobeError: no tabulated frame has d < T and small enough a coherence.
    """
    fitting = sorted((len(D), v, D) for v, D in DIFFERENCE_SETS if 2 * v >= T and 2 * len(D) < T)
    for _, v, members in fitting:
        frame = harmonic_frame(v, members)[:T]
        if (L - 1) * _coherence(frame @ frame.T) ** 2 < 0.9:
            return frame
    raise MechprobeError(
        f"T={T}, L={L}: no tabulated difference set gives a frame with d < T that counts to L;"
        " use a larger T, a smaller L, or the construction dot-lookup"
    )


def _frame_lookup(
    architecture: str, sizes: Sizes, generator: torch.Generator
) -> tuple[CountingConfig, Weights]:
    T, L = sizes.T, sizes.L
    frame = find_frame(T, L)
    bos = architecture == "bos"
    d = frame.shape[1] + int(bos)
    config = CountingConfig.of(architecture, T=T, L=L, d=d, p=T)
    embedding = torch.nn.functional.pad(frame, (0, int(bos)))
    if bos:
        axis = torch.zeros(1, d, dtype=torch.float64)
        axis[0, -1] = 1.0
        embedding = torch.cat([embedding, axis])
    embedding = embedding @ orthonormal(d, d, generator)
    gram = frame @ frame.T
    mu = _coherence(gram)
    # Small enough that no other token's neuron reaches its threshold of one.
    s = uniform(0.4, 0.8, generator) * min(1.0, (1 - mu) / mu) / L
    root = s**0.5 * d**0.25
    identity = torch.eye(d, dtype=torch.float64)
    mixing = {"W_Q": root * identity, "W_K": root * identity}
    b_in = torch.full((T,), -1.0, dtype=torch.float64)
    ones = torch.ones(T, dtype=torch.float64)
    # a^k b^(L-k) of the two tokens at hand gives a code inside [k, k + (L-k) mu^2].
    count = torch.arange(1, L + 1, dtype=torch.float64)
    own = gram[0, 1] ** 2
    codes = [Code(range(T), ones)]
    weights = assemble(
        config,
        embedding,
        mixing,
        embedding[:T].T.contiguous(),
        b_in,
        codes,
        below=s * (L - count) * own,
        above=s * (L - count) * (mu**2 - own),
    )
    return config, weights


@construction("dot-frame", "inventory-based", "semantic")
def _dot_frame(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Look-up at d < T over a frame of small coherence; relational attention."""
    return _frame_lookup("dot", sizes, generator)


@construction("bos-frame", "inventory-based", "semantic")
def _bos_frame(sizes: Sizes, generator: torch.Generator) -> tuple[CountingConfig, Weights]:
    """Look-up at d < T over a frame of small coherence, with BOS on an axis of its own."""
    return _frame_lookup("bos", sizes, generator)
