"""A stack's answers on one batch, differentiable: the tables of dot.py and constant.py in torch.

Rows are picked by products with one-hot matrices: unlike gathering, their gradients are summed
in a fixed order on a device.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechprobe.models.families.counting.config import CountingConfig
from mechprobe.models.families.counting.training.rows import Block
from mechprobe.models.families.counting.weights import Weights


def answers_and_targets(
    config: CountingConfig,
    weights: Weights,
    data: Block,
    scale: Float[Tensor, "stack 1 1"],
) -> tuple[
    Float[Tensor, "stack rows classes"],
    Int[Tensor, "stack rows"],
    Float[Tensor, "stack rows"],
]:
    """Logits of every row, its right class, and its share in the model's loss.

    Args:
        config: kind of the stack's models; their widths are those of the weights.
        weights: each with a leading stack axis.
        data: one step's.
        scale: 1/sqrt(d) of every model.
    """
    table = weights["W_E"] @ weights["W_in"]
    if config.mixing == "lin":
        inputs, targets, shares = _by_position(config, weights, table, data)
    else:
        inputs, targets, shares = _by_token(config, weights, table, data, scale)
    hidden = (inputs + weights["b_in"].unsqueeze(1)).relu()
    return torch.baddbmm(weights["b_out"].unsqueeze(1), hidden, weights["W_out"]), targets, shares


def _by_token(
    config: CountingConfig,
    weights: Weights,
    table: Float[Tensor, "stack vocab p"],
    data: Block,
    scale: Float[Tensor, "stack 1 1"],
) -> tuple[Tensor, Tensor, Tensor]:
    stack, batch, slots = data.tokens.shape
    x, c, rows = data.tokens.long(), data.counts.to(table.dtype), data.rows.long()
    each = c.new_zeros(stack, batch, config.n_vocab)
    each.scatter_add_(2, x, c)  # exact in any order: one number that is not 0 for each token
    if config.bos:
        each[:, :, -1] = 1
    seen = each.gather(1, (rows // slots).unsqueeze(-1).expand(-1, -1, config.n_vocab))
    token, count = x.flatten(1).gather(1, rows), c.flatten(1).gather(1, rows)
    used = torch.arange(rows.shape[1], device=rows.device) < data.used
    pick = _one_hot(token, config.n_vocab, table.dtype)
    query, key = weights["W_E"] @ weights["W_Q"], weights["W_E"] @ weights["W_K"]
    scores = pick @ (query @ key.transpose(1, 2) * scale)
    mixing = (scores + seen.log()).softmax(-1) if config.softmax else scores * seen
    shares = torch.where(used, count, 0.0) / (batch * config.L)
    return (mixing + pick) @ table, count.long(), shares


def _by_position(
    config: CountingConfig,
    weights: Weights,
    table: Float[Tensor, "stack vocab p"],
    data: Block,
) -> tuple[Tensor, Tensor, Tensor]:
    x = data.tokens.transpose(1, 2).long()  # [stack, pos, batch]
    stack, length, batch = x.shape
    skip = int(config.bos)
    count = (x.unsqueeze(1) == x.unsqueeze(2)).sum(2)
    full = torch.nn.functional.pad(x, (0, 0, skip, 0), value=config.T)
    pick = _one_hot(full.flatten(1), config.n_vocab, table.dtype)
    read = (pick @ table).view(stack, length + skip, -1)
    weights_of = weights["W_mix"][:, skip:]
    mixing = weights_of.softmax(-1) if config.softmax else weights_of
    inputs = (read[:, skip:] + mixing @ read).view(stack, length * batch, -1)
    shares = table.new_full((stack, length * batch), 1 / (length * batch))
    return inputs, count.flatten(1), shares


def _one_hot(index: Int[Tensor, "stack rows"], size: int, dtype: torch.dtype) -> Tensor:
    same: Bool[Tensor, "stack rows size"] = index.unsqueeze(-1) == torch.arange(
        size, device=index.device
    )
    return same.to(dtype)
