"""Attention at single positions, by tables over tokens: all that training needs.

A token's score towards another depends on the two tokens alone, and the values of equal tokens are
equal. What attention writes at a position is therefore W_E under weights over tokens: the score of
each token times how often it occurs, or a softmax of scores with the logarithm of occurrences
added. A constant matrix gives weights to positions, which are added up token by token.
"""

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot, pad

from mechprobe.models.families.counting.config import CountingConfig
from mechprobe.models.families.counting.weights import Weights


def attend_at(
    config: CountingConfig,
    weights: Weights,
    tokens: Int[Tensor, "stack n pos"],
    at: Int[Tensor, "stack n k"],
) -> tuple[Float[Tensor, "stack n*k d"], Float[Tensor, "stack n*k d"]]:
    """Embeddings at some positions, and what attention adds to them.

    Args:
        config: shared by the stack.
        weights: each tensor with a leading stack axis.
        tokens: sequences without BOS.
        at: positions in them, k a sequence.
    """
    E, first, k = weights["W_E"], int(config.bos), at.shape[-1]
    here = one_hot(tokens.gather(-1, at), config.n_vocab).to(E.dtype).flatten(1, 2)
    whole = pad(tokens, (first, 0), value=config.T)
    if config.mixing == "lin":
        W = weights["W_mix"].softmax(-1) if config.softmax else weights["W_mix"]
        rows = one_hot(at + first, config.n_ctx).to(E.dtype).flatten(1, 2) @ W
        index = whole.unsqueeze(2).expand(-1, -1, k, -1).flatten(1, 2)
        over = rows.new_zeros(*rows.shape[:2], config.n_vocab).scatter_add(-1, index, rows)
        return here @ E, over @ E
    table = (E @ weights["W_Q"]) @ (E @ weights["W_K"]).mT / config.d**0.5
    occurs = one_hot(whole, config.n_vocab).sum(2).to(E.dtype).unsqueeze(2)
    rows = (here @ table).unflatten(1, (-1, k))
    over = (rows + occurs.log()).softmax(-1) if config.softmax else rows * occurs
    return here @ E, over.flatten(1, 2) @ E
