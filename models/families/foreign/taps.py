"""Hook points of our own on a model made elsewhere, under the standard names, fed as it runs.

The model itself stays clean: its hook points carry ours only for the time of a run.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformer_lens.hook_points import HookPoint

BLOCK = (
    "hook_resid_pre",
    "ln1.hook_scale",
    "ln1.hook_normalized",
    "attn.hook_q",
    "attn.hook_k",
    "attn.hook_v",
    "attn.hook_attn_scores",
    "attn.hook_pattern",
    "attn.hook_z",
    "hook_attn_out",
    "hook_resid_mid",
    "ln2.hook_scale",
    "ln2.hook_normalized",
    "mlp.hook_pre",
    "mlp.hook_post",
    "hook_mlp_out",
    "hook_resid_post",
)
# TransformerLens's handles are removed by level; users' contexts count from 1.
LEVEL = -7411


def is_bridge(model: object) -> bool:
    """Whether a model is a TransformerBridge."""
    # Importing that class takes long, and who has such a model has done it.
    module = sys.modules.get("transformer_lens.model_bridge")
    return module is not None and isinstance(model, module.TransformerBridge)


class Reached(Exception):  # noqa: N818 (a way out, not a fault)
    """A run came to the hook point where it is to end."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value


class Taps:
    """Our hook points, by standard name, and what feeds them.

    Of a TransformerBridge three things are mended on the way: hook_attn_scores, where it keeps
    the pattern, gets q k^T / scale, and what is written there goes through the softmax; what is
    written to hook_resid_mid reaches the skip around the feed-forward layer as well; a block of
    attention alone gets a hook_resid_mid, which is its end.

    Args:
        model: a TransformerBridge or a HookedRootModule.
        n_layers: its blocks.
        attn_only: its blocks have no feed-forward layer.
        scale: what its scores are divided by.
    """

    def __init__(self, model: Any, n_layers: int, attn_only: bool, scale: float) -> None:
        self.is_bridge = is_bridge(model)
        self.scale = scale
        blocks = [f"blocks.{layer}.{name}" for layer in range(n_layers) for name in BLOCK]
        final = ["ln_final.hook_scale", "ln_final.hook_normalized"]
        find = model.get_hook_point if self.is_bridge else model.hook_dict.get
        found = {name: find(name) for name in ("hook_embed", "hook_pos_embed", *blocks, *final)}
        self.sources: dict[str, HookPoint] = {n: p for n, p in found.items() if p is not None}
        self.ends: set[str] = set()
        for layer in range(n_layers):
            post = f"blocks.{layer}.hook_resid_post"
            if attn_only and post in self.sources:
                self.sources.pop(mid := f"blocks.{layer}.hook_resid_mid", None)
                self.ends.add(mid)
        names = [n for n in found if n in self.sources or n in self.ends]
        self.points = {name: HookPoint() for name in names}
        for name, point in self.points.items():
            point.name = name
        self.fired: set[str] = set()
        self._kept: dict[str, Tensor] = {}

    @contextmanager
    def attached(
        self, until: str | None = None, without: tuple[str, ...] = (), read: bool = True
    ) -> Iterator[None]:
        """While this lasts, the model's hook points feed ours.

        Args:
            until: name of the hook point that raises `Reached`.
            without: names that are not fed.
            read: whether the point that ends the run is fed before.
        """
        self.fired.clear()
        try:
            for name, source in self.sources.items():
                # The bridge's own scores come after the pattern; ours are made before it.
                if name in without or (self.is_bridge and name.endswith("hook_attn_scores")):
                    continue
                feed = self._feed(name, until) if read or name != until else self._end
                source.add_hook(feed, level=LEVEL)
            yield
        finally:
            for source in self.sources.values():
                source.remove_hooks("fwd", level=LEVEL)
            self._kept.clear()

    def fire(self, name: str, value: Tensor) -> Tensor:
        """Hand a value to our hook point and take what its hooks make of it."""
        self.fired.add(name)
        passed: Tensor = self.points[name](value)
        return passed

    def _feed(self, name: str, until: str | None) -> Callable[..., Tensor | None]:
        stem, _, last = name.rpartition(".")
        pass_on: Callable[[str, Tensor], Tensor] = {
            "hook_q": self._keep,
            "hook_k": self._keep,
            "hook_pattern": self._pattern,
            "hook_resid_mid": self._resid_mid,
            "hook_resid_post": self._resid_post,
        }.get(last, self.fire)
        ends = {name, f"{stem}.hook_resid_mid"} if last == "hook_resid_post" else {name}

        def feed(value: Tensor, hook: HookPoint) -> Tensor | None:
            passed = pass_on(name, value)
            if until in ends and until in self.fired:
                raise Reached(self._kept.pop(until, passed))
            # What was not changed is not written: some of the bridge's hooks mind.
            return None if passed is value else passed

        return feed

    @staticmethod
    def _end(value: Tensor, hook: HookPoint) -> None:
        raise Reached(value)

    def _keep(self, name: str, value: Tensor) -> Tensor:
        passed = self.fire(name, value)
        self._kept[name] = passed
        return passed

    def _pattern(self, name: str, value: Tensor) -> Tensor:
        stem = name.removesuffix("hook_pattern")
        query, key = (self._kept.pop(stem + part, None) for part in ("hook_q", "hook_k"))
        if self.is_bridge and query is not None and key is not None:
            scores = scores_of(query, key, self.scale)
            point = self.points[stem + "hook_attn_scores"]
            if point.has_hooks("fwd"):
                edited = self.fire(stem + "hook_attn_scores", scores.clone())
                if not torch.equal(edited, scores):
                    value = edited.softmax(-1)
        return self.fire(name, value)

    def _resid_mid(self, name: str, value: Tensor) -> Tensor:
        if not (self.is_bridge and self.points[name].has_hooks("fwd")):
            return self.fire(name, value)
        # A copy, for hooks may write in place, and the skip holds the same tensor.
        passed = self.fire(name, value.clone())
        if torch.equal(passed, value):
            return value
        self._kept[name + " moved"] = passed - value
        return passed

    def _resid_post(self, name: str, value: Tensor) -> Tensor:
        mid = name.replace("resid_post", "resid_mid")
        if mid in self.ends:
            value = self._kept[mid] = self.fire(mid, value)
        moved = self._kept.pop(mid + " moved", None)
        return self.fire(name, value if moved is None else value + moved)


def scores_of(query: Tensor, key: Tensor, scale: float) -> Tensor:
    """q k^T / scale, [batch head q k]; keys that several heads share are repeated."""
    key = key.repeat_interleave(query.shape[2] // key.shape[2], 2)
    return torch.einsum("bqhe,bkhe->bhqk", query, key) / scale
