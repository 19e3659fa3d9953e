"""Models made elsewhere with TransformerLens as a family: stored are those of its `boot_native`."""

import json
from typing import Any

import torch
from torch import nn

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.safe.reading import CONFIG_FILE, TASK_FILE
from mechprobe.models.base.validation import validated
from mechprobe.models.base.weights import Weights, check_weights
from mechprobe.models.families.foreign.booting import NativeConfig, booted, booted_shapes
from mechprobe.models.families.foreign.config import ForeignConfig, check_size
from mechprobe.models.families.foreign.wrapped import ForeignTransformer
from mechprobe.models.families.foreign.wrapping import checked
from mechprobe.models.hooked.family import Family, model_family


@model_family("foreign")
class ForeignFamily(Family):
    """Its models run their makers' code; `wrap` makes them of any TransformerLens model."""

    def config(self, data: object, where: str) -> ForeignConfig:
        """Validate a stored configuration, and that such a model can be tried."""
        config = validated(ForeignConfig, data, where)
        _native(config, where)
        check_size(config, where)
        return config

    def check(self, config: ForeignConfig, weights: Weights, where: str = "weights") -> None:
        """Compare weights with a configuration."""
        native = _native(config, where)
        sizes = f"n_layers={native.n_layers}, d_model={native.d_model}, n_ctx={native.n_ctx}"
        check_weights(booted_shapes(native.fields()), weights, where, "boot_native", sizes)

    def assemble(
        self, config: ForeignConfig, weights: Weights, widened: bool = False
    ) -> ForeignTransformer:
        """A model of `boot_native` behind our hooks.

        Raises:
            MechprobeError: a widened view is wanted, or the model cannot be read through its
                hooks.
        """
        if widened:
            raise MechprobeError("a foreign model has one view, the natural one; use it as it is")
        inner = booted(_native(config, "configuration").fields())
        dtype = next(iter(weights.values())).dtype
        # Half precision is for storing.
        nn.Module.to(inner, dtype=dtype if dtype == torch.float64 else torch.float32)
        inner.load_state_dict(weights)
        return checked(inner, config.description)

    def files(self, model: ForeignTransformer) -> dict[str, dict[str, Any]]:
        """TransformerLens's fields in config.json, the description in task.json.

        Raises:
            MechprobeError: the model is not one of `boot_native`.
        """
        kind = getattr(model.inner.cfg, "architecture", None)
        if not model.taps.is_bridge or kind != "TransformerLensNative":
            raise MechprobeError(
                f"a model of kind {kind or type(model.inner).__name__} is not written; only those"
                " of TransformerBridge.boot_native are"
            )
        _native(model.config, "the model's configuration")
        description = json.loads(model.description.model_dump_json())
        return {CONFIG_FILE: dict(model.config.transformer_lens), TASK_FILE: description}


def _native(config: ForeignConfig, where: str) -> NativeConfig:
    return validated(NativeConfig, config.transformer_lens, where)
