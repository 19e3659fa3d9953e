"""A counter written as a RASP compiler would write it: the positive control of the foreign path.

Its program (Weiss, Goldberg, Yahav, arXiv:2106.06981; Lindner et al., arXiv:2301.05062): select
the positions with the same token, and BOS; the mean of "is BOS" over them is 1 / (1 + count); a
map from that number to the count. Every variable has directions of the residual stream of its own.
It counts by relation, with semantic attention: each position looks for its token, none remembers.
"""

from functools import partial

import torch
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.families.foreign.booting import booted
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.families.foreign.wrapped import ForeignTransformer
from mechprobe.models.families.foreign.wrapping import wrap

# Score of a selected pair above any other: what is not selected weighs exp(-20) = 2e-9 of it.
SELECTED = 20.0
# Logit of the right count above the others.
SURE = 10.0
# Beyond, neighbouring values of 1 / (1 + count) are too close for float32's sums to keep apart.
LONGEST = 100


@settled()
def compiled_counter(T: int, L: int) -> ForeignTransformer:
    """A standard transformer (softmax, residual, relu, no normalisation) that counts exactly.

    One block, one head; all positions are encoded by zero. The stream's directions are, in
    order: is token 0..T-1, is BOS, fraction, count is 0..L.

    Args:
        T: tokens, ids 0..T-1; BOS is id T.
        L: sequence length without BOS.

    Raises:
        MechprobeError: T or L out of range.
    """
    if not 2 <= T <= 1000:
        raise MechprobeError(f"T={T}: the alphabet needs 2 to 1,000 tokens")
    if not 2 <= L <= LONGEST:
        raise MechprobeError(f"L={L}: sequences need 2 to {LONGEST} positions")
    is_bos, fraction, count = T, T + 1, T + 2
    width, n_vocab = T + 2 + L + 1, T + 1
    model = booted(
        {
            "n_layers": 1,
            "n_heads": 1,
            "d_model": width,
            "d_head": n_vocab,
            "d_mlp": 2 * (L - 1),
            "n_ctx": L + 1,
            "d_vocab": n_vocab,
            "d_vocab_out": L + 1,
            "act_fn": "relu",
            "attention_dir": "bidirectional",
            "normalization_type": None,
            "init_weights": False,
        }
    )
    eye = partial(torch.eye, dtype=torch.float32)
    w = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    w["embed.weight"][:, :n_vocab] = eye(n_vocab)
    # Rows are outputs, columns directions of the stream, as torch's Linear keeps them.
    w["blocks.0.attn.q.weight"][:, :n_vocab] = SELECTED * n_vocab**0.5 * eye(n_vocab)
    keys = eye(n_vocab)
    keys[:, is_bos] = 1  # every query selects BOS as well
    w["blocks.0.attn.k.weight"][:, :n_vocab] = keys
    w["blocks.0.attn.v.weight"][0, is_bos] = 1
    w["blocks.0.attn.o.weight"][fraction, 0] = 1
    _steps(w, L, fraction, count)
    w["unembed.weight"][:, count:] = SURE * eye(L + 1)
    model.load_state_dict(w)
    return wrap(model, TaskDescription(L=L, tokens=tuple(range(T)), bos=T))


def _steps(w: dict[str, Tensor], L: int, fraction: int, count: int) -> None:
    """Two neurons a step: the count is at most k where the fraction reaches 1 / (1 + k), with a
    ramp in the middle half of the gap below. Count k is the difference of two steps."""
    for k in range(1, L):
        here, below = 1 / (1 + k), 1 / (2 + k)
        ramp = (here - below) / 2
        for end, sign in ((0, 1), (1, -1)):
            neuron = 2 * (k - 1) + end
            w["blocks.0.mlp.in.weight"][neuron, fraction] = 1 / ramp
            w["blocks.0.mlp.in.bias"][neuron] = -(below + ramp / 2) / ramp - end
            w["blocks.0.mlp.out.weight"][count + k, neuron] = sign
            w["blocks.0.mlp.out.weight"][count + k + 1, neuron] = -sign
    w["blocks.0.mlp.out.bias"][count + L] = 1  # the last step is always reached
