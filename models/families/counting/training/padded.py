"""Models of different width in one stack: every weight padded with zeros to a common shape.

Zeros stay exactly zero: an empty neuron is silent, an empty dimension of the embedding neither
reads nor writes, and Adam does not move a weight whose gradient was never anything but zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mechprobe.models.families.counting.config import CountingConfig
from mechprobe.models.families.counting.weights import shapes

NARROWEST = 16


def padded_width(size: int) -> int:
    """The next power of two, at least 16: few shapes, and the same one in every stack."""
    return max(NARROWEST, 1 << (size - 1).bit_length())


@dataclass(frozen=True)
class Padded:
    """The common shape of a stack.

    Args:
        configs: of its models.
        shapes: name and padded shape of every weight.
    """

    configs: tuple[CountingConfig, ...]
    shapes: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, configs: Sequence[CountingConfig]) -> "Padded":
        """Wide enough for all of them."""
        widths = {"d": padded_width(max(c.d for c in configs))}
        widths["p"] = padded_width(max(c.p for c in configs))
        wide = configs[0].model_copy(update=widths)
        return cls(tuple(configs), shapes(wide))

    def stacked(self, flats: Sequence[Float[np.ndarray, " _"]]) -> Float[Tensor, "stack wide"]:
        """Each model's flat weights, padded, a row a model."""
        rows = [
            torch.cat([part.reshape(-1) for part in self._padded(config, flat)])
            for config, flat in zip(self.configs, flats, strict=True)
        ]
        return torch.stack(rows)

    def single(self, stacked: Float[Tensor, "stack wide"]) -> list[Float[np.ndarray, " _"]]:
        """The inverse: each model's own flat weights."""
        views = self.views(stacked)
        found = []
        for i, config in enumerate(self.configs):
            own = shapes(config).items()
            parts = [views[n][i][tuple(slice(s) for s in shape)].reshape(-1) for n, shape in own]
            found.append(torch.cat(parts).numpy())
        return found

    def views(self, stacked: Float[Tensor, "stack wide"]) -> dict[str, Tensor]:
        """Every weight [stack, ...] within the flat rows."""
        sizes = [int(np.prod(shape)) for shape in self.shapes.values()]
        parts = torch.split(stacked, sizes, 1)
        return {
            name: part.view(-1, *shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def _padded(self, config: CountingConfig, flat: Float[np.ndarray, " n"]) -> list[Tensor]:
        at, parts = 0, []
        for name, shape in shapes(config).items():
            length = int(np.prod(shape))
            part = torch.from_numpy(flat[at : at + length]).view(shape)
            wide = part.new_zeros(self.shapes[name])
            wide[tuple(slice(s) for s in shape)] = part
            parts.append(wide)
            at += length
        return parts
