"""Whether a foreign model can be read exactly through its hooks; measured, not believed."""

import warnings

import torch
from torch import Tensor
from transformer_lens.hook_points import HookPoint

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.families.foreign.config import RUN_NUMBERS
from mechprobe.models.families.foreign.submodules import NamedModule
from mechprobe.models.families.foreign.wrapped import ForeignTransformer

# What a causal model can be asked, and how it is read.
SO_FAR = (
    ", but so far: mechprobe.from_torch(module, names, mechprobe.SoFarTask(T=16, L=10)) reads such"
    " a model in plain PyTorch"
)
N_SEQUENCES = 4  # that are tried, fewer where they are long
# Largest difference of patterns (of probabilities), and of logits relative to the greatest.
TOLERANCE = 1e-4
LOOSE = 5e-2  # of types shorter than float32


def verify(model: ForeignTransformer) -> None:
    """Run a model on one to four sequences and compare what its hooks say with what it does.

    Checked: its vocabulary and answers; numbers are finite; attention is not causal; the
    softmax of its scores is its pattern; the pattern that is written is the one that mixes the
    values; `read_out` after `resid_mid` gives its answers, and so does a run in which
    hook_resid_mid was written.

    Raises:
        MechprobeError: the first check that fails, in one line.
    """
    number = min(N_SEQUENCES, max(1, RUN_NUMBERS // model.config.run_numbers))
    tokens = model.task().sample(number, torch.Generator().manual_seed(0))
    model.description.fits(len(model.inner.W_E), _width(model, tokens))
    with torch.no_grad():
        answers, cache = model.run_with_cache(tokens, return_cache_object=False)
        for name, value in {**cache, "answers": answers}.items():
            if not value.isfinite().all():
                raise MechprobeError(f"the model's {name} is not finite on its own task")
        patterns = [cache[name] for name in cache if name.endswith("attn.hook_pattern")]
        if patterns and all(pattern.triu(1).abs().max() == 0 for pattern in patterns):
            raise MechprobeError(
                "the model's attention is causal: a position that does not see those after it"
                f" cannot count{SO_FAR}"
            )
        for layer in range(model.cfg.n_layers):
            _scores(model, cache, layer)
        del cache, patterns
        _written_patterns(model, tokens)
        _read_out(model, tokens, answers)


def _width(model: ForeignTransformer, tokens: Tensor) -> int:
    ids = model.description.ids()
    if int(ids.max()) >= len(model.inner.W_E):
        return 0  # `fits` says so
    try:
        with torch.no_grad():
            logits = model.inner(model.to_ids(tokens))
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise MechprobeError(f"the model does not run on its task ({error})") from None
    if not isinstance(logits, Tensor) or logits.shape[:2] != tokens.shape or logits.ndim != 3:
        raise MechprobeError("the model does not answer with logits for every position")
    return int(logits.shape[-1])


def _scores(model: ForeignTransformer, cache: dict[str, Tensor], layer: int) -> None:
    names = [f"blocks.{layer}.attn.{n}" for n in ("hook_attn_scores", "hook_pattern")]
    if names[0] not in cache and isinstance(model.inner, NamedModule):
        return  # nothing is said of scores
    missing = [name for name in names if name not in cache]
    if missing:
        raise MechprobeError(f"the model's run does not give {missing[0]}")
    scores, pattern = (cache[name] for name in names)
    if (scores.softmax(-1) - pattern).abs().max() <= _tolerance(model):
        return
    if torch.equal(scores, pattern):
        model.cfg.softmax = False
        return
    off = (scores.softmax(-1) - pattern).abs().max().item()
    raise MechprobeError(
        f"block {layer}: the softmax of q k^T / {model.cfg.attn_scale:.3g} is not the model's"
        f" pattern (difference {off:.2g}); rotary or relative positions, capped or masked scores"
        " are not read"
    )


def _written_patterns(model: ForeignTransformer, tokens: Tensor) -> None:
    stems = [f"blocks.{layer}.attn." for layer in range(model.cfg.n_layers)]
    if isinstance(model.inner, NamedModule):
        _reaching(model, tokens, [f"{stem}hook_pattern" for stem in stems])
        return
    kept: dict[str, Tensor] = {}

    def flat(value: Tensor, hook: HookPoint) -> Tensor:
        return torch.full_like(value, 1 / value.shape[-1])

    def keep(value: Tensor, hook: HookPoint) -> None:
        kept[str(hook.name)] = value

    hooks = [("hook_pattern", flat), ("hook_v", keep), ("hook_z", keep)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the bridge's, of what is found below
        model.run_with_hooks(tokens, fwd_hooks=[(s + n, fn) for s in stems for n, fn in hooks])
    for layer, stem in enumerate(stems):
        z, value = kept[stem + "hook_z"], kept[stem + "hook_v"]
        mean = value.mean(1, keepdim=True).repeat_interleave(z.shape[2] // value.shape[2], 2)
        if (z - mean).abs().max() > _tolerance(model) * mean.abs().max().clamp(min=1):
            raise MechprobeError(
                f"block {layer}: a pattern written to hook_pattern does not reach the values; this"
                " model's attention can only be read"
            )


def _reaching(model: ForeignTransformer, tokens: Tensor, names: list[str]) -> None:
    """Whether patterns that are written change what is read; values were not named."""

    def upside_down(value: Tensor, hook: HookPoint) -> Tensor:
        return value.flip(-1)

    plain = model.resid_mid(tokens)
    for name in names:
        if name not in model.taps.points:
            continue
        kept: list[Tensor] = []

        def keep(value: Tensor, hook: HookPoint, kept: list[Tensor] = kept) -> None:
            kept.append(value)

        hooks = [(name, upside_down), (model.place, keep)]
        model.run_with_hooks(tokens, fwd_hooks=hooks)
        if (kept[0] - plain).abs().max() <= _tolerance(model) * plain.abs().max().clamp(min=1):
            raise MechprobeError(
                f"{name}: a pattern written there reaches nothing; name a submodule that it goes"
                " through on its way to the values"
            )


def _read_out(model: ForeignTransformer, tokens: Tensor, answers: Tensor) -> None:
    size = answers.abs().max().clamp(min=1)
    mid = model.resid_mid(tokens)
    off = (model.read_out(mid) - answers).abs().max() / size
    if off > _tolerance(model):
        raise MechprobeError(
            f"the model's answers are not read from {model.place} by its block's feed-forward"
            f" layer, ln_final and unembed (relative difference {off.item():.2g})"
        )
    _each_alone(model, mid, answers, size)
    moved = mid.roll((1, 1), (0, 1))  # there may be one sequence alone

    def write(value: Tensor, hook: HookPoint) -> Tensor:
        return moved

    run = model.run_with_hooks(tokens, fwd_hooks=[(model.place, write)])
    off = (model.read_out(moved) - run).abs().max() / size
    if off > _tolerance(model):
        raise MechprobeError(
            f"what is written to {model.place} does not reach all that follows (relative"
            f" difference {off.item():.2g})"
        )


def _each_alone(model: ForeignTransformer, mid: Tensor, answers: Tensor, size: Tensor) -> None:
    """Whether every position is read alone, wherever it stands."""
    rolled = model.read_out(mid.roll(1, 1)).roll(-1, 1)
    off = (rolled - answers).abs().max() / size
    if off > _tolerance(model):
        raise MechprobeError(
            f"answers to {model.place} depend on where it stands (relative difference"
            f" {off.item():.2g}): behind it positions have to be read alone"
        )


def _tolerance(model: ForeignTransformer) -> float:
    return TOLERANCE if model.cfg.dtype in (torch.float32, torch.float64) else LOOSE
