"""What queries and keys are made of, and which part of the scores' variance each product gives.

With q = q0 + qP(position) + qC(content) + qR and keys alike (two-way analysis, parts centred and
uncorrelated) a score (q0 + qP + qC + qR) . (k0 + kP + kC + kR) / scale is a sum of products. For
independent queries and keys the products are uncorrelated, so that their variances add up, and
each is a trace: Var(a . b) = tr(Cov(a) Cov(b)).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

ROUNDING = 1e-12  # of the squared sizes of queries and keys
TERMS = (
    "position_position",
    "token_token",
    "cross",
    "key_position",
    "key_token",
    "query_position",
    "query_token",
    "residual",
)
POSITIONAL = ("position_position", "key_position", "query_position")
SEMANTIC = ("token_token", "key_token", "query_token")
SOURCES = {
    "positional": POSITIONAL,
    "semantic": SEMANTIC,
    "cross": ("cross",),
    "residual": ("residual",),
}

Square = Float[Tensor, "*batch head e e"]


@dataclass(frozen=True)
class Moments:
    """Second moments of the queries, or of the keys, of every head of a block.

    Args:
        mean: q0 q0^T.
        position, content, rest: covariances of the parts; they add up to the whole covariance.
    """

    mean: Square
    position: Square
    content: Square
    rest: Square

    @property
    def whole(self) -> Square:
        """Covariance of queries (keys)."""
        return self.position + self.content + self.rest


def balanced(table: Float[Tensor, "token pos head e"]) -> Moments:
    """Moments of queries (keys) known for every token at every position: exact."""
    mean = table.mean((0, 1))
    position, content = table.mean(0) - mean, table.mean(1) - mean
    rest = table - mean - position - content.unsqueeze(1)
    return Moments(
        mean=_outer(mean.unsqueeze(0)),
        position=_outer(position),
        content=_outer(content),
        rest=_outer(rest.flatten(0, 1)),
    )


@dataclass(frozen=True)
class Sums:
    """Sums over sequences that `resampled` makes moments of; sums of sums are sums of all.

    Args:
        n: sequences.
        mean: of the sequences' means, and `mean_squares` of their outer products.
        place: of the means at each position less the sequence's own, and `place_squares` of the
            outer products of these, a mean over positions.
        content: of the mean products of an item's queries in two different orders.
        square: of the mean outer products.
    """

    n: Float[Tensor, "*batch"]
    mean: Float[Tensor, "*batch head e"]
    mean_squares: Square
    place: Float[Tensor, "*batch pos head e"]
    place_squares: Square
    content: Square
    square: Square

    @classmethod
    def of(
        cls,
        found: Float[Tensor, "group seq order pos head e"],
        items: Float[Tensor, "group seq order item head e"],
    ) -> "Sums":
        """Sums over the sequences of each group.

        Args:
            found: queries (keys) by position.
            items: the same by item of the sequence.
        """
        orders, L = found.shape[2], found.shape[3]
        place = found.mean(2)
        mean = place.mean(2)
        place = place - mean.unsqueeze(2)
        total = items.sum(2)
        square = torch.einsum("gnrahe,gnrahf->ghef", items, items)
        product = torch.einsum("gnahe,gnahf->ghef", total, total) - square
        return cls(
            n=torch.full((len(found),), float(found.shape[1]), dtype=found.dtype),
            mean=mean.sum(1),
            mean_squares=torch.einsum("gnhe,gnhf->ghef", mean, mean),
            place=place.sum(1),
            place_squares=torch.einsum("gnlhe,gnlhf->ghef", place, place) / L,
            content=product / (orders * (orders - 1) * L),
            square=square / (orders * L),
        )

    def whole(self) -> "Sums":
        """All groups together."""
        return Sums(*(value.sum(0) for value in vars(self).values()))

    def without_one(self) -> "Sums":
        """All groups but one, for each: what a jackknife needs."""
        return Sums(*(value.sum(0) - value for value in vars(self).values()))


def resampled(sums: Sums) -> Moments:
    """Moments of queries (keys) of sampled sequences in random orders, without bias.

    Products of different sequences give the mean and, at equal positions, the positional part;
    products of one item in two orders (pick-freeze) give the content's; the rest is what remains.
    """
    n = sums.n.view(*sums.n.shape, 1, 1, 1)
    pairs = n * (n - 1)
    mean = (_product(sums.mean) - sums.mean_squares) / pairs
    L = sums.place.shape[-3]
    places = torch.einsum("...lhe,...lhf->...hef", sums.place, sums.place) / L
    position = (places - sums.place_squares) / pairs
    content = sums.content / n - mean
    return Moments(mean, position, content, sums.square / n - mean - position - content)


def without_positions(found: Moments) -> Moments:
    """Moments of a model without positions: all that varies is content, by architecture."""
    none = torch.zeros_like(found.mean)
    return Moments(found.mean, none, found.whole, none)


def variances(
    q: Moments, k: Moments, scale: float, softmax: bool
) -> Float[Tensor, "*batch head term"]:
    """Variance of each of TERMS; those of the query alone are 0 where a softmax hides them."""
    visible = 0.0 if softmax else 1.0
    terms = {
        "position_position": _trace(q.position, k.position),
        "token_token": _trace(q.content, k.content),
        "cross": _trace(q.position, k.content) + _trace(q.content, k.position),
        "key_position": _trace(q.mean, k.position),
        "key_token": _trace(q.mean, k.content),
        "query_position": _trace(q.position, k.mean) * visible,
        "query_token": _trace(q.content, k.mean) * visible,
        "residual": _trace(q.rest, k.whole)
        + _trace(q.position + q.content, k.rest)
        + _trace(q.mean, k.rest)
        + _trace(q.rest, k.mean) * visible,
    }
    return torch.stack([terms[name] for name in TERMS], -1) / scale**2


def rounding(q: Moments, k: Moments, scale: float) -> Float[Tensor, "*batch head"]:
    """Variance below which there is nothing but rounding of numbers of this size."""
    return ROUNDING * _size(q) * _size(k) / scale**2


def constant(scores: Float[Tensor, "head q k"], softmax: bool) -> Float[Tensor, "head term"]:
    """Variances of a constant matrix of scores: all of it is positional."""
    rows, columns = scores.mean(-1, keepdim=True), scores.mean(-2, keepdim=True)
    mean = scores.mean((-2, -1), keepdim=True)
    found = torch.zeros(len(scores), len(TERMS), dtype=scores.dtype)
    parts = {
        "position_position": scores - rows - columns + mean,
        "key_position": columns - mean,
        "query_position": (rows - mean) * (0.0 if softmax else 1.0),
    }
    for name, part in parts.items():
        found[:, TERMS.index(name)] = part.square().mean((-2, -1))
    return found


def identity_cosine(matrix: Float[Tensor, "n n"]) -> float:
    """Cosine of a matrix of centred rows and columns with the centred identity."""
    centred = torch.eye(len(matrix), dtype=matrix.dtype) - 1 / len(matrix)
    return float((matrix * centred).sum() / (matrix.norm() * centred.norm()))


def _outer(part: Float[Tensor, "n head e"]) -> Square:
    return torch.einsum("nhe,nhf->hef", part, part) / len(part)


def _product(vector: Float[Tensor, "*batch head e"]) -> Square:
    return vector.unsqueeze(-1) * vector.unsqueeze(-2)


def _trace(a: Square, b: Square) -> Float[Tensor, "*batch head"]:
    return (a * b).sum((-2, -1))  # of the product, for both are symmetric


def _size(part: Moments) -> Float[Tensor, "*batch head"]:
    return (part.mean + part.whole).diagonal(dim1=-2, dim2=-1).sum(-1)
