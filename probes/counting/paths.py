"""What each component recovers of an answer, by TransformerLens's activation patching.

A share is (metric patched - metric unpatched) / (metric of the partner - metric unpatched), means
over all sequences of the logit of the partner's count less that of the own. Since every pair is
patched both ways, what a component recovers is also what is lost when it alone is held back.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.probes.context import act_name
from mechprobe.probes.counting.pairs import CountPairs

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint

    from mechprobe.models import HookedTransformer

ERRORS = 3.0  # standard errors that the gap must be above zero for shares to mean anything
ROUNDING = 1e-6  # of the largest logit; a gap below is none
READ = ("z", "attn_out", "mlp_out", "resid_pre", "q", "k", "v")

Head = tuple[int, int]  # block, head
Hook = tuple[str, Callable[..., Any]]
Cached = dict[str, Tensor]


class CountPaths:
    """Patches between paired sequences.

    Args:
        model: hooked model that counts.
        pairs: what is patched between.
    """

    def __init__(self, model: "HookedTransformer", pairs: CountPairs) -> None:
        self.model = model
        self.pairs = pairs
        self.layers: int = model.cfg.n_layers
        # Without heads what mixes a block's positions is taken whole, as if it were one.
        self.by_head = all(
            mixing.hooks.get("z") == act_name("z", block)
            for block, mixing in enumerate(model.mixers)
        )
        self.heads: int = model.cfg.n_heads if self.by_head else 1
        logits, cache = model.run_with_cache(
            pairs.tokens,
            names_filter=lambda name: name.split("hook_")[-1] in READ,
            return_cache_object=False,
        )
        self.logits: Tensor = logits
        self.cache: Cached = cache
        self.partners: Cached = {name: pairs.partner(value) for name, value in cache.items()}

    # -- the answers ----------------------------------------------------------------------------

    @cached_property
    def right(self) -> float:
        """Share of pairs with both answers right."""
        right = self.logits[:, self.pairs.position].argmax(-1) == self.pairs.counts
        return (right & self.pairs.partner(right)).double().mean().item()

    @cached_property
    def gap(self) -> float:
        """Metric of the partners less metric of the sequences, in logits."""
        return self._gaps.mean().item()

    @property
    def followed(self) -> bool:
        """Whether the answers follow the count at all, beyond what chance and rounding give."""
        n = len(self._gaps) // 2  # both halves say the same
        noise = ERRORS * self._gaps.std().item() / n**0.5
        return bool(self.gap > max(noise, ROUNDING * self.logits.abs().max().item()))

    @cached_property
    def _gaps(self) -> Float[Tensor, " batch"]:
        own = self.pairs.preference(self.logits)
        return -self.pairs.partner(own) - own

    def share(self, logits: Float[Tensor, "batch pos classes"]) -> Float[Tensor, ""]:
        """Share recovered in a patched run; 0 is the sequence's own answer, 1 its partner's."""
        moved = self.pairs.preference(logits) - self.pairs.preference(self.logits)
        return moved.mean() / self.gap

    def taken(self, logits: Float[Tensor, "batch pos classes"]) -> Float[Tensor, ""]:
        """Share of answers that are the partner's count in a patched run."""
        answered = logits[:, self.pairs.position].argmax(-1)
        return (answered == self.pairs.wanted).double().mean()

    # -- TransformerLens's sweeps ---------------------------------------------------------------

    def sweep(self, name: str, source: Cached, rows: Sequence[tuple[int, ...]] = ()) -> Tensor:
        """`patching.get_act_patch_<name>` of what `source` holds, in shares.

        Args:
            name: of TransformerLens's function.
            source: activations to patch in, by hook name.
            rows: (block, position, ...) to patch one by one; all where left out.
        """
        import pandas as pd
        from transformer_lens import patching

        sweep = getattr(patching, f"get_act_patch_{name}")
        options: dict[str, Any] = {"patch_setter": _copying(sweep.keywords["patch_setter"])}
        if rows:
            axes = list(sweep.keywords["index_axis_names"])
            options |= {"index_axis_names": None, "index_df": pd.DataFrame(rows, columns=axes)}
        with _quiet():
            found: Tensor = sweep(self.model, self.pairs.tokens, source, self.share, **options)
        return found.double()

    def heads_here(self) -> Float[Tensor, "layer head"]:
        """Each head's output at the marked position."""
        if not self.by_head:
            return self.here("attn_out", self.partners).unsqueeze(1)
        rows = [(b, self.pairs.position, h) for b in range(self.layers) for h in range(self.heads)]
        found = self.sweep("attn_head_out_by_pos", self.partners, rows)
        return found.view(self.layers, self.heads)

    def heads_everywhere(self) -> Float[Tensor, "layer head"]:
        """Each head's output at all positions."""
        if not self.by_head:
            names = [act_name("attn_out", block) for block in range(self.layers)]
            shares = [self.share(self.run([(name, self._partners)])) for name in names]
            return torch.stack(shares).unsqueeze(1).double()
        return self.sweep("attn_head_out_all_pos", self.partners)

    def here(self, part: str, source: Cached) -> Float[Tensor, " layer"]:
        """What a part of each block ("attn_out", "mlp_out", "resid_pre") holds at the marked
        position; NaN where blocks have no such part."""
        if act_name(part, 0) not in source:
            return torch.full((self.layers,), torch.nan, dtype=torch.float64)
        rows = [(b, self.pairs.position) for b in range(self.layers)]
        return self.sweep(part, source, rows)

    def elsewhere(self, part: str) -> Float[Tensor, " layer"]:
        """The same at all other positions at once."""
        names = [act_name(part, b) for b in range(self.layers)]
        if names[0] not in self.partners:
            return torch.full((self.layers,), torch.nan, dtype=torch.float64)
        shares = [self.share(self.run([(name, self._others)])) for name in names]
        return torch.stack(shares)

    def read_by_heads(self, part: str) -> Float[Tensor, "layer head"]:
        """What each head takes in by its queries, keys or values ("q", "k", "v") of what the
        attention of earlier blocks wrote; NaN where there are none."""
        if act_name(part, 0) not in self.written:
            return torch.full((self.layers, self.heads), torch.nan, dtype=torch.float64)
        if self.layers == 1:  # there are no earlier blocks
            return torch.zeros(1, self.heads, dtype=torch.float64)
        found = self.sweep(f"attn_head_{part}_all_pos", self.written)
        return found.repeat_interleave(self.heads // found.shape[1], 1)

    def read_by_mixers(self) -> Float[Tensor, "layer 1"]:
        """The same of mixers without heads, each taken whole: what it writes at all positions."""
        names, written = [act_name("attn_out", b) for b in range(self.layers)], self.written

        def write(value: Tensor, hook: "HookPoint") -> Tensor:
            return written[str(hook.name)]

        shares = [self.share(self.run([(name, write)])) for name in names]
        return torch.stack(shares).unsqueeze(1).double()

    # -- paths of two hooks and more --------------------------------------------------------------

    @property
    def read_directly(self) -> float:
        """What goes from the attention to the answer past all feed-forward layers."""
        return self._direct[0]

    @property
    def written(self) -> Cached:
        """Queries, keys, values, outputs of mixers and of feed-forward layers that see what the
        partner's attention wrote: embeddings and feed-forward layers before them are the
        sequence's own."""
        return self._direct[1]

    @cached_property
    def _direct(self) -> tuple[float, Cached]:
        kept: Cached = {}

        def keep(value: Tensor, hook: "HookPoint") -> Tensor:
            kept[str(hook.name)] = value.clone()
            return self.cache[str(hook.name)] if "mlp_out" in str(hook.name) else value

        def replace(value: Tensor, hook: "HookPoint") -> Tensor:
            kept[str(hook.name)] = value.clone()
            return self.partners[str(hook.name)]

        hooks: list[Hook] = []
        for block in range(self.layers):
            hooks.append((act_name("attn_out", block), replace))
            names = (act_name(part, block) for part in ("q", "k", "v", "mlp_out"))
            hooks += [(name, keep) for name in names if name in self.cache]
        return self.share(self.run(hooks)).item(), kept

    def together(self, heads: Sequence[Head]) -> Float[Tensor, "batch pos classes"]:
        """Answers with the outputs of several heads patched at the marked position."""
        at = self.pairs.position

        def write(chosen: list[int] | slice, value: Tensor, hook: "HookPoint") -> Tensor:
            out = value.clone()
            out[:, at, chosen] = self.partners[str(hook.name)][:, at, chosen]
            return out

        hooks: list[Hook] = []
        for block in range(self.layers):
            chosen = [head for b, head in heads if b == block]
            if chosen and self.by_head:
                hooks.append((act_name("z", block), partial(write, chosen)))
            elif chosen:
                hooks.append((act_name("attn_out", block), partial(write, slice(None))))
        return self.run(hooks)

    def _partners(self, value: Tensor, hook: "HookPoint") -> Tensor:
        return self.partners[str(hook.name)]

    def _others(self, value: Tensor, hook: "HookPoint") -> Tensor:
        out = self.partners[str(hook.name)].clone()
        out[:, self.pairs.position] = value[:, self.pairs.position]
        return out

    def run(self, hooks: Sequence[Hook]) -> Float[Tensor, "batch pos classes"]:
        """Answers with hooks on."""
        logits: Tensor = self.model.run_with_hooks(self.pairs.tokens, fwd_hooks=list(hooks))
        return logits


def _copying(setter: Callable[..., Tensor]) -> Callable[..., Tensor]:
    # TransformerLens's setters write in place where no gradient is asked for; values that are the
    # embeddings as they are would take the residual stream along.
    def patch(value: Tensor, index: Sequence[int], source: Tensor) -> Tensor:
        return setter(value.clone(), index, source)

    return patch


@contextmanager
def _quiet() -> Iterator[None]:
    from transformer_lens import patching

    # Each sweep shows a progress bar of its own; there is no option against it.
    shown = patching.tqdm
    patching.tqdm = iter
    try:
        yield
    finally:
        patching.tqdm = shown
