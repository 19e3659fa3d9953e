"""Random draws: a generator alone decides them, whatever torch's defaults are.

torch's own functions draw other numbers when its default type or device is changed. Every draw
of ours goes through here, where both are named.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError


def draw_uniform(
    shape: Sequence[int], generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "..."]:
    """Uniform numbers in [0, 1).

    Args:
        shape: of the numbers, () for a single one.
        generator: source of randomness, on the CPU.
        dtype: of the numbers; another one draws others.

    Raises:
        MechprobeError: the generator lies on another device.
    """
    _on_cpu(generator)
    return torch.rand(tuple(shape), generator=generator, dtype=dtype, device="cpu")


def draw_normal(
    shape: Sequence[int], generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "..."]:
    """Normal numbers of mean 0 and variance 1; arguments and errors as `draw_uniform`."""
    _on_cpu(generator)
    return torch.randn(tuple(shape), generator=generator, dtype=dtype, device="cpu")


def draw_integers(
    high: int, shape: Sequence[int], generator: torch.Generator
) -> Int[Tensor, "..."]:
    """Whole numbers from 0 to high - 1, each equally often; errors as `draw_uniform`."""
    _on_cpu(generator)
    return torch.randint(high, tuple(shape), generator=generator, dtype=torch.int64, device="cpu")


def draw_order(n: int, generator: torch.Generator) -> Int[Tensor, " n"]:
    """The numbers 0 to n - 1 in random order; errors as `draw_uniform`."""
    _on_cpu(generator)
    return torch.randperm(n, generator=generator, dtype=torch.int64, device="cpu")


def _on_cpu(generator: torch.Generator) -> None:
    if generator.device.type != "cpu":
        raise MechprobeError(
            f"a generator on {generator.device}: draws are made on the CPU, so that they are the"
            " same everywhere; give torch.Generator()"
        )
