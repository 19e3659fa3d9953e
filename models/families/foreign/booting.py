"""TransformerLens's `boot_native`, with its faults in our words and without side effects."""

from collections.abc import Mapping
from typing import Any

import torch

from mechprobe.models.base.errors import MechprobeError, short


def booted(fields: Mapping[str, Any], device: str = "cpu") -> Any:
    """A `TransformerBridge` of TransformerLens's own kind of model.

    The caller's random numbers go on as if nothing had been drawn.

    Args:
        fields: as `TransformerBridge.boot_native` takes them.
        device: where its weights are made; "meta" makes none.

    Raises:
        MechprobeError: TransformerLens cannot build it.
    """
    # Importing the bridge takes long, and most who load checkpoints need none.
    from transformer_lens.model_bridge import TransformerBridge

    try:
        with torch.random.fork_rng(devices=[]), torch.device(device):
            return TransformerBridge.boot_native(dict(fields))
    except (ValueError, TypeError, NotImplementedError, RuntimeError) as error:
        raise MechprobeError(
            f"TransformerLens cannot build this model ({short(error, 200)})"
        ) from None
