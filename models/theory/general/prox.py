"""The proximal step of the general attention theory, for many points at once.

Rows of h are tokens, columns the student's rank; loss ell(h) = 1/2 sum_ij s_j (S_ij - T_ij)^2
with S = softmax(h h^T) by rows and s_j the variance of token j (arXiv:2402.03902, any L, rank).
"""

import torch
from jaxtyping import Float
from torch import Tensor

CHUNK = 4096  # problems solved at once: what fits the processor's cache
STEPS = 60
DECREMENT = 1e-11  # of the objective, by one more Newton step


def attention_loss(
    h: Float[Tensor, "n L r"], target: Float[Tensor, "n L L"], s: Float[Tensor, " L"]
) -> Float[Tensor, " n"]:
    """ell(h) of each point."""
    return 0.5 * (((h @ h.mT).softmax(-1) - target).square() * s).sum((-2, -1))


def minimise(
    start: Float[Tensor, "k n L r"],
    w: Float[Tensor, "n L r"],
    stiffness: Float[Tensor, "L r r"],
    target: Float[Tensor, "n L L"],
    s: Float[Tensor, " L"],
) -> Float[Tensor, "n L r"]:
    """The best minimum of 1/2 sum_l (X_l - w_l) stiffness_l (X_l - w_l)^T + ell(X) that k starts
    lead to, by Newton's method (Gauss-Newton where the curvature is not positive)."""
    found = []
    size = max(1, CHUNK // len(start))
    for i in range(0, len(w), size):
        x, w_, target_ = start[:, i : i + size], w[i : i + size], target[i : i + size]
        k, n = x.shape[:2]
        ends, values = _descend(
            x.flatten(0, 1), w_.repeat(k, 1, 1), stiffness, target_.repeat(k, 1, 1), s
        )
        best = values.view(k, n).argmin(0)
        found.append(ends.view(k, n, *w.shape[1:])[best, torch.arange(n)])
    return torch.cat(found)


def starts(
    w: Float[Tensor, "n L r"], y: Float[Tensor, "n L t"], previous: Float[Tensor, "n L r"] | None
) -> Float[Tensor, "k n L r"]:
    """Where minima are sought: the field, shrunk, mirrored or with a token at zero; the teacher's
    field (small loss) turned as near as it gets and mirrored; the last iteration's minimum."""
    u, _, v = torch.linalg.svd(y.mT @ w, full_matrices=False)
    near = y @ (u @ v)
    silent = [w * (torch.arange(w.shape[1]) != i).view(-1, 1) for i in range(w.shape[1])]
    return torch.stack(
        [w, w / 2, -w, near, -near, *silent, *([] if previous is None else [previous])]
    )


def _objective(
    x: Float[Tensor, "n L r"],
    w: Float[Tensor, "n L r"],
    stiffness: Float[Tensor, "L r r"],
    target: Float[Tensor, "n L L"],
    s: Float[Tensor, " L"],
) -> Float[Tensor, " n"]:
    spring = torch.einsum("nla,lab,nlb->n", x - w, stiffness, x - w)
    return 0.5 * spring + attention_loss(x, target, s)


def _descend(
    start: Float[Tensor, "n L r"],
    w: Float[Tensor, "n L r"],
    stiffness: Float[Tensor, "L r r"],
    target: Float[Tensor, "n L L"],
    s: Float[Tensor, " L"],
) -> tuple[Float[Tensor, "n L r"], Float[Tensor, " n"]]:
    """End and objective of a damped Newton descent from each start."""
    x, value = start.clone(), _objective(start, w, stiffness, target, s)
    damping = torch.zeros_like(value)
    unit = torch.linalg.eigvalsh(stiffness).max() * torch.eye(w[0].numel(), dtype=w.dtype)
    active = torch.arange(len(x))
    for _ in range(STEPS):
        here = x[active]
        gradient, newton, gauss = _derivatives(here, w[active], stiffness, target[active], s)
        shift = damping[active].view(-1, 1, 1) * unit
        factor, failed = torch.linalg.cholesky_ex(newton + shift)
        if (bad := failed > 0).any():
            factor[bad] = torch.linalg.cholesky_ex(gauss[bad] + shift[bad]).L
        step = torch.cholesky_solve(gradient.unsqueeze(-1), factor).squeeze(-1)
        new = here - step.view_as(here)
        reached = _objective(new, w[active], stiffness, target[active], s)
        better = reached <= value[active] + 1e-15
        x[active[better]], value[active[better]] = new[better], reached[better]
        old = damping[active]
        damping[active] = torch.where(better, 0.1 * old * (old > 1e-3), (8 * old).clamp(min=0.1))
        active = active[(gradient * step).sum(-1) > DECREMENT]
        if not len(active):
            break
    return x, value


def _derivatives(
    x: Float[Tensor, "n L r"],
    w: Float[Tensor, "n L r"],
    stiffness: Float[Tensor, "L r r"],
    target: Float[Tensor, "n L L"],
    s: Float[Tensor, " L"],
) -> tuple[Float[Tensor, "n Lr"], Float[Tensor, "n Lr Lr"], Float[Tensor, "n Lr Lr"]]:
    """Gradient of the objective, its Hessian, and the Gauss-Newton part, which is positive."""
    n, L, r = x.shape
    S = (x @ x.mT).softmax(-1)
    F = (S - target) * s
    # d ell / d(h h^T), and the curvature of ell in each row of h h^T.
    P = S * (F - (S * F).sum(-1, keepdim=True))
    J = torch.diag_embed(S) - S.unsqueeze(-1) * S.unsqueeze(-2)
    flat = (J * s) @ J
    cross = P.unsqueeze(-1) * S.unsqueeze(-2)
    both = torch.stack([flat + torch.diag_embed(P) - cross - cross.mT, flat])
    Wh = both @ x.unsqueeze(1)
    mixed = torch.einsum("cnija,nib->cniajb", Wh, x)
    H = mixed + mixed.permute(0, 1, 4, 5, 2, 3)
    H = H + torch.einsum("nla,cnlij,nlb->cniajb", x, both, x)
    tokens = torch.arange(L)
    H[:, :, tokens, :, tokens] += (x.mT.unsqueeze(1) @ Wh + stiffness).permute(2, 0, 1, 3, 4)
    bent = P + P.mT
    H[0] += torch.einsum("nij,ab->niajb", bent, torch.eye(r, dtype=x.dtype))
    gradient = bent @ x + torch.einsum("lab,nlb->nla", stiffness, x - w)
    newton, gauss = H.reshape(2, n, L * r, L * r)
    return gradient.reshape(n, L * r), newton, gauss
