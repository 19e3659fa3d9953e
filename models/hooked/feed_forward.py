"""The feed-forward layer, which reads every position alone."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint


class MLP(nn.Module):
    """act(x W_in + b_in) W_out + b_out."""

    def __init__(
        self,
        W_in: Float[Tensor, "d_model d_mlp"],
        b_in: Float[Tensor, " d_mlp"],
        W_out: Float[Tensor, "d_mlp d_out"],
        b_out: Float[Tensor, " d_out"],
        activation: Callable[[Tensor], Tensor] = torch.relu,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.W_in = nn.Parameter(W_in)
        self.b_in = nn.Parameter(b_in)
        self.W_out = nn.Parameter(W_out)
        self.b_out = nn.Parameter(b_out)
        self.hook_pre = HookPoint()
        self.hook_post = HookPoint()

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_out"]:
        post: Tensor = self.hook_post(self.activation(self.hook_pre(x @ self.W_in + self.b_in)))
        return post @ self.W_out + self.b_out
