"""Who takes part in a counter: a token has to read what others write, and to write what they read.

A token that reads without writing only listens: the count that it answers is kept elsewhere. Both
are medians over single other tokens, each at the size it writes, so that a few loud ones do not
speak for all.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

LEAST_SLOPE = 0.05  # own slope below which a token does not follow its own count


@dataclass(frozen=True)
class Sharing:
    """What tokens receive and send, relative to the receiver's slope on its own count. The last
    axis holds two pools of others: all, and those of the token's counter (NaN where it is alone).

    Args:
        received: slope of a token's answer on another's count, median over the others.
        sent: slope of another's answer on the token's count, median over the others.
    """

    received: Float[np.ndarray, "*batch token 2"]
    sent: Float[np.ndarray, "*batch token 2"]

    @classmethod
    def of(
        cls, X: Float[np.ndarray, "*batch target source"], counters: Int[np.ndarray, " token"]
    ) -> "Sharing":
        """From the matrix of slopes, or from many of them.

        Args:
            X: slope at each target of each source.
            counters: cluster of each token.
        """
        own = np.diagonal(X, axis1=-2, axis2=-1)
        follows = own > LEAST_SLOPE
        relative = X / np.where(follows, own, np.nan)[..., None]
        other = ~np.eye(len(counters), dtype=bool)
        pools = (other, other & (counters[:, None] == counters))
        received = [_medians(relative, pool) for pool in pools]
        sent = [_medians(np.swapaxes(relative, -1, -2), pool) for pool in pools]
        return cls(np.stack(received, -1), np.stack(sent, -1))

    def kappa(self) -> Float[np.ndarray, "*batch token"]:
        """Geometric mean of what a token receives and sends, each counted up to 1; 0 where the two
        have different signs. By the pool where it is larger. NaN where the token does not follow
        its own count."""
        agreed = self._agreed()
        return np.where(self._silent(), np.nan, np.fmax(agreed[..., 0], agreed[..., 1]))

    def among(self) -> Float[np.ndarray, "*batch token"]:
        """The same among all other tokens, whatever those of its counter do."""
        return np.where(self._silent(), np.nan, self._agreed()[..., 0])

    def _agreed(self) -> Float[np.ndarray, "*batch token 2"]:
        sizes = np.minimum(np.abs(self.received), 1) * np.minimum(np.abs(self.sent), 1)
        mean: Float[np.ndarray, "*batch token 2"] = np.sqrt(sizes) * np.sign(self.received)
        mean[self.received * self.sent < 0] = 0.0
        mean[np.isnan(self.received) | np.isnan(self.sent)] = np.nan
        return mean

    def _silent(self) -> Bool[np.ndarray, "*batch token"]:
        return np.asarray(np.isnan(self.received[..., 0]))

    def listens(self, least: float) -> Bool[np.ndarray, "*batch token"]:
        """Whether tokens receive at least so much, in either pool, from others or from all."""
        found = np.fmax(self.received[..., 0], self.received[..., 1]) >= least
        return np.asarray(found)


def _medians(
    values: Float[np.ndarray, "*batch row column"], pool: Bool[np.ndarray, "row column"]
) -> Float[np.ndarray, "*batch row"]:
    """Median of each row over its pool, without those that are not known; NaN where none is."""
    known = pool & ~np.isnan(values)
    ordered = np.sort(np.where(known, values, np.inf), axis=-1)
    number = known.sum(-1)
    middle = np.stack([np.maximum(number - 1, 0) // 2, number // 2], -1)
    middle = np.minimum(middle, values.shape[-1] - 1)
    found = np.take_along_axis(ordered, middle, -1)
    return np.where(number > 0, np.where(np.isfinite(found), found, 0.0).mean(-1), np.nan)
