"""LayerNorm with TransformerLens's hooks."""

from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint


class LayerNorm(nn.Module):
    """LayerNorm; hook_normalized stands before the weight and bias, as in TransformerBridge."""

    def __init__(self, w: Float[Tensor, " d_model"], b: Float[Tensor, " d_model"], eps: float):
        super().__init__()
        self.w = nn.Parameter(w)
        self.b = nn.Parameter(b)
        self.eps = eps
        self.hook_scale = HookPoint()
        self.hook_normalized = HookPoint()

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        centred = x - x.mean(-1, keepdim=True)
        scale = self.hook_scale((centred.pow(2).mean(-1, keepdim=True) + self.eps).sqrt())
        normalized: Tensor = self.hook_normalized(centred / scale)
        return normalized * self.w + self.b
