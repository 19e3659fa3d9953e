"""Draws by their generator alone."""

import pytest
import torch

from mechprobe.models import HistogramTask, MechprobeError
from mechprobe.models.base.draws import draw_integers, draw_normal, draw_order, draw_uniform
from tests.test_global_state import default_dtype


def seeded() -> torch.Generator:
    """A new generator, the same each time."""
    return torch.Generator().manual_seed(0)


def test_sequences_of_a_seed_stay_the_same() -> None:
    """What the seed has always drawn, also where torch's default type is another."""
    wanted = [[1, 0, 7, 0, 0, 6], [7, 7, 7, 2, 4, 7]]
    assert HistogramTask(T=8, L=6).sample(2, seeded()).tolist() == wanted
    with default_dtype(torch.float64):
        assert HistogramTask(T=8, L=6).sample(2, seeded()).tolist() == wanted


def test_draws_are_torchs_own() -> None:
    assert torch.equal(draw_uniform((2, 3), seeded()), torch.rand(2, 3, generator=seeded()))
    assert torch.equal(draw_normal((4,), seeded()), torch.randn(4, generator=seeded()))
    assert torch.equal(draw_order(5, seeded()), torch.randperm(5, generator=seeded()))
    assert torch.equal(draw_integers(9, (5,), seeded()), torch.randint(9, (5,), generator=seeded()))
    assert draw_uniform((), seeded(), torch.float64).dtype == torch.float64


def test_types_and_device_do_not_depend_on_defaults() -> None:
    with default_dtype(torch.float16), torch.device("meta"):
        for made in (draw_uniform((2,), seeded()), draw_normal((2,), seeded())):
            assert (made.dtype, made.device.type) == (torch.float32, "cpu")
        for made in (draw_integers(3, (2,), seeded()), draw_order(2, seeded())):
            assert (made.dtype, made.device.type) == (torch.int64, "cpu")


def test_a_generator_elsewhere_is_refused() -> None:
    class Elsewhere(torch.Generator):
        device = torch.device("cuda", 0)

    with pytest.raises(MechprobeError, match=r"generator on cuda:0: .*give torch\.Generator\(\)"):
        draw_uniform((2,), Elsewhere())
