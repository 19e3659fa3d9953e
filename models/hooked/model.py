"""`HookedTransformer`: a small attention model behind TransformerLens's hooks and accessors.

TransformerLens 4 removed its class of this name; ours keeps its hook names, its cache and its
weight accessors on top of the `HookedRootModule` that TransformerLens 4 keeps.
"""

from html import escape
from typing import Any

import torch
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.base.weights import Weights, fingerprint
from mechprobe.models.hooked.altered import refuse_altered
from mechprobe.models.hooked.built import Built, built_of
from mechprobe.models.hooked.family import FAMILIES, Family, ModelConfig
from mechprobe.models.hooked.mixers import Mixing
from mechprobe.models.hooked.running import Running
from mechprobe.models.tasks import Interface, Task, check_fits, task_from


class HookedTransformer(Running):
    """A model of any registered family as a hooked model, in evaluation mode.

    Two views of the same weights (docs/hooked_model.md): the natural one, whose residual stream
    has the model's own width d and ends in the answer, and `widened()`, whose stream has
    coordinates of their own for the answer so that it is a sum of what the layers write and
    every decomposition of ActivationCache is exact. Models with an unembedding have the natural
    view alone, models with LayerNorm or without residual as well.

    Args:
        config: shape and kind, the configuration of any registered family.
        weights: as the family's `shapes` names them.
        widened: build the widened view.

    Attributes:
        taken: what `load` took of files that hold more than a plain state dict, in sentences; empty
            for plain ones and for copies, and no part of the fingerprint.
        doubts: what could not be made sure of when it was read, in sentences that labels repeat;
            kept by copies of the same configuration.

    Raises:
        MechprobeError: weights or the task do not fit the configuration, or there is no widened
            view.
    """

    taken: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    built: Built

    @settled()
    def __init__(self, config: ModelConfig, weights: Weights, widened: bool = False) -> None:
        super().__init__()
        self.family = FAMILIES.find(config.family, "configuration")
        self.family.check(config, weights)
        # Its type is the family's; what is special to one is asked for by code that knows it.
        self.config: Any = config
        own = {name: weight.detach().clone() for name, weight in weights.items()}
        self.parts = self.family.build(config, own, widened)
        self.cfg = self.parts.cfg
        self.embed: Any = self.parts.embed
        self.hook_embed = HookPoint()
        if self.parts.pos_embed is not None:
            self.pos_embed = self.parts.pos_embed
            self.hook_pos_embed = HookPoint()
        # Iterating gives plain modules; what a layer has is up to the family.
        self.blocks: Any = nn.ModuleList(self.parts.blocks)
        if self.parts.ln_final is not None:
            self.ln_final = self.parts.ln_final
        self.unembed = self.parts.unembed
        self.setup()
        self.eval()
        check_fits(self.task(), self.interface)
        self.built = built_of(self)

    def __repr__(self) -> str:
        sizes = [f"{name}={size}" for name, size in self.config.sizes.items()]
        kind = repr(self.config.architecture)
        return f"HookedTransformer({', '.join([kind, *sizes, f'task={self.task().name!r}'])})"

    def _repr_html_(self) -> str:
        rows = {"architecture": self.config.architecture, "family": self.config.family}
        rows |= {name: str(size) for name, size in self.config.sizes.items()}
        rows |= {
            "task": self.task().name,
            "weights": str(sum(w.numel() for w in self.weights().values())),
        }
        cells = "".join(
            f'<tr><th style="text-align:left">{escape(name)}</th><td>{escape(value)}</td></tr>'
            for name, value in rows.items()
        )
        return f"<p><b>HookedTransformer</b></p><table><tbody>{cells}</tbody></table>"

    @property
    def mixers(self) -> list[Mixing]:
        """What mixes positions in every block, and what there is to measure of it."""
        layers = [block.mixing_layer for block in self.blocks]
        found = [layer.mixing(f"blocks.{i}.{layer.part}.") for i, layer in enumerate(layers)]
        for name in (name for mixing in found for name in mixing.hooks.values()):
            if name not in self.hook_dict:
                raise MechprobeError(f"a mixer names the hook point {name!r}, which is not there")
        return found

    # -- views and copies -----------------------------------------------------------------------

    def widened(self) -> "HookedTransformer":
        """The same model with a residual stream [d | classes]; a copy.

        Raises:
            MechprobeError: there is no such view.
        """
        wide: HookedTransformer = self.family.assemble(self.config, self.weights(), widened=True)
        return wide

    def weights(self) -> Weights:
        """The natural weights, as the family's `shapes` names them; copies, detached."""
        return {name: weight.clone() for name, weight in self._natural().items()}

    def rebuilt(self, weights: Weights) -> "HookedTransformer":
        """The same model in the same view with other natural weights; a copy.

        Raises:
            MechprobeError: the weights do not fit.
        """
        twin: HookedTransformer = self.family.assemble(self.config, weights, self.cfg.widened)
        twin.doubts = self.doubts
        return twin

    def with_dtype(self, dtype: torch.dtype) -> "HookedTransformer":
        """A copy in another floating-point type."""
        weights = self.weights().items()
        return self.rebuilt({n: w.to(dtype) if w.is_floating_point() else w for n, w in weights})

    def task(self) -> Task:
        """What the model is asked."""
        return task_from(self.config.task_data, self._natural())

    @property
    def interface(self) -> Interface:
        """What the model reads and answers, which its task has to fit."""
        cfg, vectors = self.cfg, self.parts.takes_vectors
        return Interface(
            n_ctx=cfg.n_ctx,
            vectors=vectors,
            d_in=cfg.d_vocab if vectors else len(self.W_E),
            d_out=cfg.d_vocab_out,
            causal=cfg.causal,
        )

    def fingerprint(self) -> str:
        """Hash of configuration and weights, 16 hex digits.

        Raises:
            MechprobeError: the model carries hooks, so that it is not what its weights say.
        """
        refuse_altered(self, "named by a fingerprint")
        return fingerprint(self.config.model_dump_json(), self.weights())

    def __deepcopy__(self, memo: dict[int, object]) -> "HookedTransformer":
        # Hook points refer back to the root module, so a copy is built anew.
        twin = self.rebuilt(self.weights())
        for mine, other in zip(self.parameters(), twin.parameters(), strict=True):
            other.requires_grad_(mine.requires_grad)
        twin.train(self.training)
        memo[id(self)] = twin
        return twin

    def _natural(self) -> Weights:
        """The natural weights themselves, detached."""
        named = self.family.natural(self.config, self.parts)
        return {name: weight.detach() for name, weight in named.items()}


# Of families that name no class of their own.
Family.model_class = HookedTransformer


def copy_with(model: HookedTransformer, **changed: Tensor) -> HookedTransformer:
    """A copy of a model with some natural weights replaced.

    Raises:
        MechprobeError: a replaced weight does not fit.
    """
    return model.rebuilt(model.weights() | changed)
