"""The same weights twice: a foreign model as one of our own transformers, where both can be."""

import torch
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.foreign.wrapped import ForeignTransformer
from mechprobe.models.families.transformer import TransformerConfig
from mechprobe.models.families.transformer.forward import EPS
from mechprobe.models.hooked import HookedTransformer

# Logit of count 0 where the foreign model has no answer for it: no other is as low.
NEVER = -1e4


@settled()
def to_native(model: ForeignTransformer) -> HookedTransformer:
    """A `HookedTransformer` of `TransformerConfig.standard` with a foreign model's weights.

    Its answers are the same numbers, but for count 0 where the foreign model has no answer for it.

    Raises:
        MechprobeError: the model is of no kind that family has; says why.
    """
    reason = _why_not(model)
    if reason is not None:
        raise MechprobeError(f"this model cannot be loaded natively: {reason}")
    cfg, config = model.cfg, model.config
    standard = TransformerConfig.standard(
        T=config.T,
        L=config.L,
        d=config.d,
        p=config.p,
        norm="none" if cfg.normalization_type is None else "pre",
        activation=cfg.act_fn,
        bos=config.bos,
        sampler=model.description.sampler,
        n_layers=cfg.n_layers,
        n_heads=cfg.n_heads,
        d_head=cfg.d_head,
        asked=None if model.description.task == "histogram" else model.description.task,
    )
    return HookedTransformer(standard, _weights(model))


def _why_not(model: ForeignTransformer) -> str | None:
    """The first reason, or None."""
    cfg, config, answers = model.cfg, model.config, model.description.answers
    eps = config.field("eps")
    several = answers != "classes" and any(len(ids) > 1 for ids in answers.values())
    reasons = {
        "it is no TransformerBridge": not model.taps.is_bridge,
        "it has no feed-forward layers": cfg.attn_only,
        "its feed-forward layers are gated": bool(config.field("gated_mlp")),
        "its heads share keys": cfg.n_key_value_heads not in (None, cfg.n_heads),
        "it has no learned positions": not cfg.positions,
        f"its norm is {cfg.normalization_type}, not LN": cfg.normalization_type not in (None, "LN"),
        "its last norm is of another kind": bool(config.field("final_rms")),
        f"its norms have eps={eps}, not {EPS}": cfg.normalization_type == "LN" and eps != EPS,
        f"its activation is {cfg.act_fn}": cfg.act_fn not in ("relu", "gelu"),
        f"its scores are divided by {cfg.attn_scale:.4g}, not sqrt(d_head)": (
            abs(cfg.attn_scale - cfg.d_head**0.5) > 1e-9
        ),
        "several ids answer one count": several,
    }
    return next((reason for reason, found in reasons.items() if found), None)


def _weights(model: ForeignTransformer) -> Weights:
    state = model.weights()
    norms = {"weight": "w", "bias": "b"}
    w: Weights = {"W_E": model.W_E, "W_pos": model.W_pos, "W_U": model.W_U, "b_U": model.b_U}
    for name in ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O"):
        w |= _by_block(name, getattr(model.inner, name))
    for name in ("W_in", "b_in", "W_out", "b_out"):
        w |= _by_block(name, getattr(model.inner, name))
    if model.cfg.normalization_type is not None:
        for name, value in state.items():
            stem, _, kind = name.rpartition(".")
            if stem.rpartition(".")[2] in ("ln1", "ln2", "ln_final"):
                w[f"{stem}.{norms[kind]}"] = value
    if model.description.answers != "classes":
        w["b_U"] = w["b_U"].detach().clone()
        w["b_U"][0] = NEVER
    return {name: value.detach().clone().contiguous() for name, value in w.items()}


def _by_block(name: str, stacked: Tensor) -> Weights:
    return {f"blocks.{layer}.{name}": part for layer, part in enumerate(torch.unbind(stacked))}
