"""Transformations of the weights that keep what a counting transformer computes.

Each takes a hooked model and returns a new one with the same answers (relabelling apart). Probes
must not depend on them, or say that they do: values are the raw embeddings and there is no
LayerNorm, so that the residual stream has the full GL(d) as its gauge group.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.models.base.draws import draw_normal, draw_order, draw_uniform
from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.settled import settled
from mechprobe.models.base.weights import Weights
from mechprobe.models.hooked import HookedTransformer, copy_with


@settled()
def residual_gl(model: HookedTransformer, G: Float[Tensor, "d d"]) -> HookedTransformer:
    """Change the basis of the residual stream: W_E -> W_E G; W_Q, W_K, W_in -> G^-1 W.

    Raises:
        MechprobeError: G is singular.
    """
    inverse = _inverse(G, "residual_gl: G")
    w = _counting(model)
    changed = {name: inverse @ w[name] for name in ("W_Q", "W_K", "W_in") if name in w}
    return copy_with(model, W_E=w["W_E"] @ G, **changed)


@settled()
def qk_gauge(model: HookedTransformer, H: Float[Tensor, "d d"]) -> HookedTransformer:
    """W_Q -> W_Q H, W_K -> W_K H^-T: the same scores.

    Raises:
        MechprobeError: the model has a constant mixing matrix, or H is singular.
    """
    w = _counting(model)
    if "W_Q" not in w:
        raise MechprobeError(f"qk_gauge: a {model.config.architecture} model has no W_Q and W_K")
    inverse = _inverse(H, "qk_gauge: H")
    return copy_with(model, W_Q=w["W_Q"] @ H, W_K=w["W_K"] @ inverse.T)


@settled()
def permute_neurons(model: HookedTransformer, order: Int[Tensor, " p"]) -> HookedTransformer:
    """Reorder the hidden neurons.

    Raises:
        MechprobeError: `order` is not a permutation of the neurons.
    """
    _check_permutation(order, model.config.p, "permute_neurons: order")
    w = _counting(model)
    return copy_with(
        model, W_in=w["W_in"][:, order], b_in=w["b_in"][order], W_out=w["W_out"][order]
    )


@settled()
def rescale_neurons(model: HookedTransformer, scale: Float[Tensor, " p"]) -> HookedTransformer:
    """Multiply each neuron's input and divide its output by a positive number.

    Raises:
        MechprobeError: a scale is not positive.
    """
    if not (scale > 0).all():
        raise MechprobeError("rescale_neurons: scales must be positive, relu keeps no sign")
    w = _counting(model)
    return copy_with(
        model,
        W_in=w["W_in"] * scale,
        b_in=w["b_in"] * scale,
        W_out=w["W_out"] / scale.unsqueeze(-1),
    )


@settled()
def split_neurons(
    model: HookedTransformer, neurons: Int[Tensor, " k"], share: Float[Tensor, " k"]
) -> HookedTransformer:
    """Add twins of some neurons; a twin takes over `share` of its original's output.

    Raises:
        MechprobeError: a neuron is named twice.
    """
    if len(set(neurons.tolist())) < len(neurons):
        raise MechprobeError("split_neurons: name each neuron once; split again for more twins")
    w = _counting(model)
    kept = w["W_out"].clone()
    kept[neurons] *= (1 - share).unsqueeze(-1)
    return _with_neurons(
        model,
        torch.cat([w["W_in"], w["W_in"][:, neurons]], dim=1),
        torch.cat([w["b_in"], w["b_in"][neurons]]),
        torch.cat([kept, w["W_out"][neurons] * share.unsqueeze(-1)]),
    )


@settled()
def add_dead_neurons(
    model: HookedTransformer, number: int, generator: torch.Generator
) -> HookedTransformer:
    """Add neurons that never fire: zero input weights and a negative bias."""
    w = _counting(model)
    dtype = w["W_in"].dtype
    noise = draw_normal((number, w["W_out"].shape[1]), generator).to(dtype)
    return _with_neurons(
        model,
        torch.cat([w["W_in"], w["W_in"].new_zeros(w["W_in"].shape[0], number)], dim=1),
        torch.cat([w["b_in"], w["b_in"].new_full((number,), -1.0)]),
        torch.cat([w["W_out"], noise]),
    )


@settled()
def relabel_tokens(model: HookedTransformer, order: Int[Tensor, " T"]) -> HookedTransformer:
    """Token t of the new model is token order[t] of the old one; BOS stays.

    Raises:
        MechprobeError: `order` is not a permutation of the tokens.
    """
    T = model.config.T
    _check_permutation(order, T, "relabel_tokens: order")
    w = _counting(model)
    return copy_with(model, W_E=torch.cat([w["W_E"][:T][order], w["W_E"][T:]]))


@settled()
def shift_logits(model: HookedTransformer, constant: float) -> HookedTransformer:
    """Add a constant to every logit."""
    return copy_with(model, b_out=model.weights()["b_out"] + constant)


@settled()
def shift_scores(
    model: HookedTransformer, row: Float[Tensor, " rows"] | Float[Tensor, " d"]
) -> HookedTransformer:
    """Add a constant to each row of the scores; a softmax does not see it.

    For a constant matrix `row` holds one number a position. For dot mixing the constant of
    query x is <x, row>: it needs a direction that all keys have in common, which embeddings
    have only if they lie on a hyperplane off the origin.

    Raises:
        MechprobeError: the model has no softmax, or its keys have no such direction.
    """
    if not model.config.softmax:
        raise MechprobeError("shift_scores: without a softmax the scores are the weights")
    w = _counting(model)
    if model.config.mixing == "lin":
        return copy_with(model, W_mix=w["W_mix"] + row.unsqueeze(-1))
    common = common_direction(model)
    if common is None:
        raise MechprobeError("shift_scores: the embeddings lie on no hyperplane off the origin")
    u, s, vt = torch.linalg.svd(
        (w["W_Q"] @ w["W_K"].T).double() + torch.outer(row.double(), common) * model.cfg.attn_scale
    )
    dtype = w["W_Q"].dtype
    return copy_with(model, W_Q=(u * s.sqrt()).to(dtype), W_K=(vt.T * s.sqrt()).to(dtype))


def common_direction(model: HookedTransformer) -> Float[Tensor, " d"] | None:
    """The vector n with <e, n> = 1 for every embedding, if there is one."""
    E = model.weights()["W_E"].double()
    ones = torch.ones(E.shape[0], dtype=torch.float64)
    n = torch.linalg.pinv(E) @ ones
    return n if (E @ n - ones).abs().max() < 1e-6 else None


def random_invertible(d: int, generator: torch.Generator) -> Float[Tensor, "d d"]:
    """A random matrix with singular values between 1/2 and 2 (condition number at most 4)."""
    u, _ = torch.linalg.qr(draw_normal((d, d), generator, torch.float64))
    v, _ = torch.linalg.qr(draw_normal((d, d), generator, torch.float64))
    s = 2 ** (2 * draw_uniform((d,), generator, torch.float64) - 1)
    product: Tensor = (u * s) @ v
    return product


@settled()
def random_symmetry(
    model: HookedTransformer, generator: torch.Generator, relabel: bool = True
) -> HookedTransformer:
    """A random product of every symmetry that applies to this model, in float64 throughout.

    Args:
        model: any view; the result has the same type and view.
        generator: source of randomness.
        relabel: whether tokens are renamed too.
    """
    dtype = model.cfg.dtype
    c = model.config
    out = model.with_dtype(torch.float64)
    if c.softmax and (c.mixing == "lin" or common_direction(out) is not None):
        length = c.n_ctx if c.mixing == "lin" else c.d
        out = shift_scores(out, draw_normal((length,), generator, torch.float64))
    out = residual_gl(out, random_invertible(c.d, generator))
    if c.mixing == "dot":
        out = qk_gauge(out, random_invertible(c.d, generator))
    twins = draw_order(c.p, generator)[: max(1, c.p // 4)]
    out = split_neurons(out, twins, draw_uniform((len(twins),), generator).double())
    out = add_dead_neurons(out, 2, generator)
    p = out.config.p
    out = permute_neurons(out, draw_order(p, generator))
    out = rescale_neurons(out, 0.2 + 3 * draw_uniform((p,), generator).double())
    out = shift_logits(out, draw_normal((), generator).item())
    if relabel:
        out = relabel_tokens(out, draw_order(c.T, generator))
    return out.with_dtype(dtype)


def _inverse(matrix: Float[Tensor, "d d"], what: str) -> Float[Tensor, "d d"]:
    s = torch.linalg.svdvals(matrix)
    if not s[-1] > s[0] * len(s) * torch.finfo(matrix.dtype).eps:
        raise MechprobeError(f"{what} is singular; give an invertible matrix")
    inverse: Tensor = torch.linalg.inv(matrix)
    return inverse


def _check_permutation(order: Int[Tensor, " n"], n: int, what: str) -> None:
    if not torch.equal(order.sort().values, torch.arange(n)):
        raise MechprobeError(f"{what} is not a permutation of 0..{n - 1}")


def _with_neurons(
    model: HookedTransformer,
    W_in: Float[Tensor, "d p"],
    b_in: Float[Tensor, " p"],
    W_out: Float[Tensor, "p classes"],
) -> HookedTransformer:
    config = model.config.model_copy(update={"p": W_in.shape[1]})
    weights = model.weights() | {"W_in": W_in, "b_in": b_in, "W_out": W_out}
    return HookedTransformer(config, weights, model.cfg.widened)


def _counting(model: HookedTransformer) -> Weights:
    """A counting model's weights; these symmetries are those of no other family."""
    if model.config.family != "counting":
        raise MechprobeError(
            f"symmetries of counting models do not hold for a {model.config.architecture} model"
        )
    return model.weights()
