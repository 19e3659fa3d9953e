"""Conditions of probes that look at what mixes positions, in the words of the mixer itself."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer


Part = Literal["weights", "scores", "queries"]


def lacks(model: "HookedTransformer", part: Part) -> str | None:
    """Why there are no mixing weights, no scores, or no queries and keys behind them in every
    block; None where there are."""
    for layer, mixing in enumerate(model.mixers):
        reason: str | None = getattr(mixing, f"no_{part}")
        if reason is not None:
            return f"block {layer}: {reason}" if model.cfg.n_layers > 1 else reason
    return None


def lacks_hook(model: "HookedTransformer", *names: str) -> str | None:
    """Why a probe that reads every block at some hook points cannot; None where it can."""
    for layer in range(model.cfg.n_layers):
        for name in names:
            if (full := f"blocks.{layer}.{name}") not in model.hook_dict:
                return f"the model has no {full}: no submodule was named for it"
    return None


def is_constant(model: "HookedTransformer") -> bool:
    """Whether every block mixes by a matrix of its own, whatever the input."""
    return all(mixing.constant for mixing in model.mixers)
