"""Loss and gradients of the transformer of arXiv:2402.03902, written out.

Its training takes some hundred thousand steps on a few hundred rows. At that size autograd's
bookkeeping takes longer than the arithmetic; written out a step takes about half the time
(docs/transformers.md). The numbers are autograd's, up to rounding.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from models.transformer.config import TransformerConfig
from models.transformer.forward import EPS
from models.transformer.ops import COLUMNS
from models.transformer.weights import Weights, halves

KIND = {
    "n_layers": 1, "n_heads": 1, "mixing": "dot", "softmax": True, "activation": "relu",
    "positions": True, "norm": "mlp", "residual": False, "values": "value", "readout": "classes",
    "biases": False, "bos": False,
}  # fmt: skip
NEVER = -1e4  # logit of the classes that fill columns up: their probability is zero


def written_out(config: TransformerConfig) -> bool:
    """Whether this kind of model has its gradients here."""
    return all(getattr(config, name) == value for name, value in KIND.items())


class Gradients:
    """Fills `.grad` of every weight of one model.

    Args:
        config: of a kind that is `written_out`.
        weights: leaves; what they hold is read at every call.
    """

    def __init__(self, config: TransformerConfig, weights: Weights) -> None:
        self.config = config
        self.w = {name.removeprefix("blocks.0."): weight for name, weight in weights.items()}
        for weight in weights.values():
            weight.grad = torch.zeros_like(weight)
        like = weights["W_E"].detach()
        n_tables = config.T + config.L
        self.keep, self.seen = like.new_ones(n_tables, config.d), like.new_ones(config.d)
        if (masks := halves(config)) is not None:
            self.keep[: config.T], self.keep[config.T :] = masks[0].to(like), masks[1].to(like)
            self.seen = masks[2].to(like)
        filled = config.n_classes + -config.n_classes % COLUMNS
        self.W_out = like.new_zeros(config.p, filled)
        self.b_out = like.new_full((filled,), NEVER)

    @torch.no_grad()
    def __call__(
        self, tokens: Int[Tensor, "batch pos"], targets: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy; names of gradients begin with d."""
        w, T, d, classes = self.w, self.config.T, self.config.d, self.config.n_classes
        n, length = tokens.shape
        g = {name: weight.grad for name, weight in w.items() if weight.grad is not None}
        W_Q, W_K, W_V = (w[name][0] for name in ("W_Q", "W_K", "W_V"))
        # Attention: rows of tokens and of positions are projected, then looked up and added.
        tables = torch.cat([w["W_E"], w["W_pos"]]).mul_(self.keep)
        visible = tables * self.seen
        projected = torch.cat([visible @ W_Q, visible @ W_K, tables @ W_V], 1)
        projected[:, :d] /= d**0.5
        rows = projected.index_select(0, tokens.reshape(-1)).view(n, length, 3 * d)
        q, k, v = torch.split(rows + projected[T:], d, -1)
        pattern = torch.bmm(q, k.mT)
        pattern = pattern.sub_(pattern.amax(-1, keepdim=True)).exp_()
        pattern /= pattern.sum(-1, keepdim=True)
        z = torch.bmm(pattern, v).view(-1, d)
        # Feed-forward and loss.
        norm = ((d,), w["ln2.w"], w["ln2.b"])
        h, mean, rstd = torch.native_layer_norm(z, *norm, EPS)
        hidden = torch.addmm(w["b_in"], h, w["W_in"]).relu_()
        self.W_out[:, :classes], self.b_out[:classes] = w["W_out"], w["b_out"]
        logits = torch.addmm(self.b_out, hidden, self.W_out)
        logits -= logits.amax(-1, keepdim=True)
        right = targets.reshape(-1, 1)
        dlogits = logits.exp()
        total = dlogits.sum(-1, keepdim=True)
        loss = (total.log() - logits.gather(1, right)).mean()
        # And back.
        dlogits /= total
        dlogits.scatter_add_(1, right, dlogits.new_full(right.shape, -1)).div_(len(right))
        g["W_out"].copy_((hidden.T @ dlogits)[:, :classes])
        g["b_out"].copy_(dlogits.sum(0)[:classes])
        dhidden = (dlogits @ self.W_out.T).mul_(hidden > 0)
        torch.mm(h.T, dhidden, out=g["W_in"])
        torch.sum(dhidden, 0, out=g["b_in"])
        dz, dw, db = torch.ops.aten.native_layer_norm_backward(
            dhidden @ w["W_in"].T, z, norm[0], mean, rstd, *norm[1:], [True, True, True]
        )
        g["ln2.w"].copy_(dw)
        g["ln2.b"].copy_(db)
        self._attention_back(g, tokens, (tables, visible), (q, k, v), pattern, dz.view(v.shape))
        return loss

    def _attention_back(
        self,
        g: Weights,
        tokens: Tensor,
        tables: tuple[Tensor, Tensor],
        qkv: tuple[Tensor, ...],
        pattern: Tensor,
        dz: Tensor,
    ) -> None:
        T, d = self.config.T, self.config.d
        q, k, v = qkv
        dscores = torch.bmm(dz, v.mT).mul_(pattern)
        dscores -= pattern * dscores.sum(-1, keepdim=True)
        drows = torch.cat(
            [torch.bmm(dscores, k), torch.bmm(dscores.mT, q), torch.bmm(pattern.mT, dz)], -1
        )
        of_tokens = torch.ops.aten.embedding_dense_backward(drows, tokens, T, -1, False)
        dprojected = torch.cat([of_tokens, drows.sum(0)])
        dprojected[:, :d] /= d**0.5
        dq, dk, dv = torch.split(dprojected, d, 1)
        every, visible = tables
        for name, read, gradient in (
            ("W_Q", visible, dq),
            ("W_K", visible, dk),
            ("W_V", every, dv),
        ):
            torch.mm(read.T, gradient, out=g[name][0])
        dtables = (dq @ self.w["W_Q"][0].T).addmm_(dk, self.w["W_K"][0].T).mul_(self.seen)
        dtables = dtables.addmm_(dv, self.w["W_V"][0].T).mul_(self.keep)
        g["W_E"].copy_(dtables[:T])
        g["W_pos"].copy_(dtables[T:])
