"""A module of any shape behind the standard hook names, by the submodules where activations stand.

What goes into a submodule, or comes out of it, is handed to a hook point and on; the module's own
code does the rest. Its read-out is run by writing vectors to hook_resid_mid of a whole run.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens import HookedRootModule
from transformer_lens.hook_points import HookPoint

from mechprobe.models.base.errors import MechprobeError, short
from mechprobe.models.base.foreign import foreign
from mechprobe.models.families.foreign.description import TaskDescription

# What may be named, and the hook it is; those of a block have its number in front.
NAMES = {
    "embed": "hook_embed",
    "resid_pre": "hook_resid_pre",
    "scores": "attn.hook_attn_scores",
    "pattern": "attn.hook_pattern",
    "resid_mid": "hook_resid_mid",
    "post": "mlp.hook_post",
    "resid_post": "hook_resid_post",
}
MID = NAMES["resid_mid"]
BEHIND = (NAMES["post"], NAMES["resid_post"])  # what a read-out goes through
NEEDED = ("embed", "resid_mid", "post")
BLOCKS = 16
INPUT = ":input"
ORDERS = 4  # sequences whose order is changed, to see whether it matters
SLACK = 1e-4  # of the largest answer


class NamedModule(HookedRootModule):  # type: ignore[misc]
    """A module with hook points at named submodules; a `HookedRootModule` that `wrap` takes.

    Args:
        module: kept, not copied.
        hooks: names of submodules by what stands at their output, or with ":input" behind the name
            at their input; `{block}` stands for a block's number.
        description: of its task.
        mends: whether what is written to an input at resid_mid is added to resid_post as well, for
            a skip that starts before it.

    Raises:
        MechprobeError: an unknown or missing name, or a run that does not go through it.
    """

    def __init__(
        self,
        module: nn.Module,
        hooks: Mapping[str, str],
        description: TaskDescription,
        mends: bool = False,
    ) -> None:
        super().__init__()
        self.module = module
        self.mends = mends
        self.places = dict(_places(module, hooks))
        self.hook_dict = {name: HookPoint() for name in self.places}
        self.mod_dict = dict(self.hook_dict)
        for name, point in self.hook_dict.items():
            point.name = name
        self.n_ctx = description.n_ctx
        self.ids = description.ids()
        self.written: Tensor | None = None
        self.reading: tuple[int, ...] | None = None  # leading axes of what is read out
        self.cfg: Any = SimpleNamespace()
        self._measure(description)

    def _measure(self, description: TaskDescription) -> None:
        """Sizes, by a run."""
        drawn = description.made().sample(ORDERS, torch.Generator().manual_seed(0))
        tokens = description.to_ids(drawn)
        kept: dict[str, Tensor] = {}

        def keep(value: Tensor, hook: HookPoint) -> None:
            kept[str(hook.name)] = value

        looking = self.hooks(fwd_hooks=[(name, keep) for name in self.hook_dict])
        with torch.no_grad(), looking, foreign("the module does not run on its task"):
            self(tokens)
        lost = [name for name in self.hook_dict if name not in kept]
        if lost:
            raise MechprobeError(f"hooks: a run of the module does not go through {lost[0]}")
        layers = _layers(self.places)
        mid, post = (kept[f"blocks.{layers - 1}.{NAMES[n]}"] for n in ("resid_mid", "post"))
        pattern = kept.get(f"blocks.0.{NAMES['pattern']}")
        shapes = {"resid_mid": mid, "post": post}
        for name, value in shapes.items():
            if value.ndim != 3 or tuple(value.shape[:2]) != tuple(tokens.shape):
                raise MechprobeError(
                    f"hooks: {name} has shape {tuple(value.shape)}; one vector for each of the"
                    f" {tuple(tokens.shape)} positions is wanted"
                )
        if pattern is not None and (pattern.ndim != 4 or pattern.shape[-1] != self.n_ctx):
            raise MechprobeError(
                f"hooks: pattern has shape {tuple(pattern.shape)}; (sequences, heads,"
                f" {self.n_ctx}, {self.n_ctx}) is wanted"
            )
        heads = 1 if pattern is None else pattern.shape[1]
        self.cfg = SimpleNamespace(
            n_layers=layers,
            n_heads=heads,
            d_head=mid.shape[-1] // heads or 1,
            d_model=mid.shape[-1],
            d_mlp=post.shape[-1],
            n_ctx=self.n_ctx,
            act_fn=type(self.module).__name__,
        )
        self.ordered = self._order_matters(description)

    def _order_matters(self, description: TaskDescription) -> bool:
        """Whether answers change when a sequence is put into another order."""
        task = description.made()
        tokens = task.sample(ORDERS, torch.Generator().manual_seed(1))
        bos = tokens.shape[1] - description.L
        turned = torch.cat([tokens[:, :bos], tokens[:, bos:].flip(1)], 1)
        with torch.no_grad():
            one, other = (self(description.to_ids(some))[:, bos:] for some in (tokens, turned))
        return bool((one - other.flip(1)).abs().max() > SLACK * one.abs().max().clamp(min=1))

    def forward(self, ids: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos classes"]:
        """The module's logits."""
        with ExitStack() as stack:
            moved: dict[str, Tensor] = {}
            named = dict(self.module.named_modules())
            for hook, (name, side) in self.places.items():
                act = self._passing(hook, side, moved)
                register: Any = (
                    named[name].register_forward_pre_hook
                    if side == "input"
                    else named[name].register_forward_hook
                )
                stack.callback(register(act).remove)
            given: Any = self.module(ids)
        logits = given[0] if isinstance(given, tuple | list) else given
        return logits  # type: ignore[no-any-return]

    def _passing(self, hook: str, side: str, moved: dict[str, Tensor]) -> Callable[..., Any]:
        point, block = self.hook_dict[hook], hook.rpartition(".hook_resid")[0]

        def passed(value: Tensor) -> Tensor:
            before = value
            last = f"blocks.{self.cfg.n_layers - 1}." if self.written is not None else ""
            behind = hook.startswith(last) and hook.endswith(BEHIND)
            if self.written is not None and not behind:
                # What comes before the vectors that are read is not looked at.
                return self._written(hook, value, moved, block) if hook == last + MID else value
            if hook.endswith("hook_resid_post") and block in moved:
                value = value + moved.pop(block)
            out = self._at(point, value.clone() if self.mends else value)
            if self.mends and hook.endswith("hook_resid_mid"):
                moved[block] = out - before
            return out

        def at_input(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            return (passed(inputs[0]), *inputs[1:])

        def at_output(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
            if isinstance(output, tuple):
                return (passed(output[0]), *output[1:])
            return passed(output)

        return at_input if side == "input" else at_output

    def _written(self, hook: str, value: Tensor, moved: dict[str, Tensor], block: str) -> Tensor:
        """The vectors that are read out, in place of what a run has there."""
        assert self.written is not None
        if self.mends:
            moved[block] = self.written - value
        return self.written

    def _at(self, point: HookPoint, value: Tensor) -> Tensor:
        """What hooks make of a value; in a read-out they see it with the axes of what is read."""
        if self.reading is None:
            passed: Tensor = point(value)
            return passed
        number = math.prod(self.reading)
        flat = value.flatten(0, 1)
        seen = point(flat[:number].view(*self.reading, *flat.shape[1:]))
        whole = torch.cat([seen.reshape(number, *flat.shape[1:]), flat[number:]])
        return whole.view(value.shape)

    def read_out(self, resid_mid: Float[Tensor, "... d_model"]) -> Float[Tensor, "... classes"]:
        """Logits from the last hook_resid_mid, as many vectors a run as there are positions."""
        flat = resid_mid.reshape(-1, resid_mid.shape[-1])
        rows = -(-len(flat) // self.n_ctx)
        padded = nn.functional.pad(flat, (0, 0, 0, rows * self.n_ctx - len(flat)))
        vectors = padded.view(rows, self.n_ctx, -1)

        tokens = self.ids[:1].expand(rows, self.n_ctx)
        self.written = vectors
        self.reading = tuple(resid_mid.shape[:-1])
        try:
            logits = self(tokens)
        finally:
            self.written = self.reading = None
        found: Tensor = logits.flatten(0, 1)[: len(flat)].view(*resid_mid.shape[:-1], -1)
        return found

    @property
    def embed(self) -> nn.Module:
        """The submodule that embeds tokens."""
        found: nn.Module = dict(self.module.named_modules())[self.places["hook_embed"][0]]
        return found

    @property
    def W_E(self) -> Float[Tensor, "vocab d"]:
        """Token embeddings, as the submodule named so has them."""
        if not isinstance(self.embed, nn.Embedding):
            kind = type(self.embed).__name__
            raise MechprobeError(f"hooks: embed is a {kind}, a torch.nn.Embedding is wanted")
        return self.embed.weight


def _places(module: nn.Module, hooks: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Hooks with the submodule and the side where each stands."""
    strange = [name for name in hooks if name not in NAMES]
    missing = [name for name in NEEDED if name not in hooks]
    if strange or missing:
        fault = f"{short(strange[0])} is none" if strange else f"{missing[0]} is missing"
        raise MechprobeError(f"hooks: {fault}; names are {', '.join(NAMES)}")
    named = dict(module.named_modules())
    for name, given in hooks.items():
        side = "input" if given.endswith(INPUT) else "output"
        plain = given.removesuffix(INPUT)
        found = [plain.replace("{block}", str(i)) for i in range(BLOCKS)]
        found = [one for one in dict.fromkeys(found) if one in named]
        if not found:
            raise MechprobeError(
                f"hooks: {name} = {short(repr(given))} is no submodule; some are"
                f" {', '.join(list(named)[1:9])}"
            )
        if name == "embed":
            yield NAMES[name], (found[0], side)
            continue
        for i, one in enumerate(found):
            yield f"blocks.{i}.{NAMES[name]}", (one, side)


def _layers(places: Mapping[str, tuple[str, str]]) -> int:
    return sum(hook.endswith(NAMES["resid_mid"]) for hook in places)
