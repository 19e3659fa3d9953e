"""Models at initialisation, and a registry of one's own."""

from collections.abc import Callable, Iterator

import pytest
import torch

from mechprobe.models import CountingConfig, HookedTransformer
from mechprobe.models.base.registry import Registry
from mechprobe.models.families.counting import initial
from mechprobe.probes.registry import PROBES, Probe


@pytest.fixture
def untrained() -> Callable[..., HookedTransformer]:
    """Makes a model at initialisation."""

    def make(architecture: str, T: int, L: int, d: int, p: int, seed: int) -> HookedTransformer:
        config = CountingConfig.of(architecture, T=T, L=L, d=d, p=p)
        return HookedTransformer(config, initial(config, torch.Generator().manual_seed(seed)))

    return make


@pytest.fixture
def own_registry() -> Iterator[Registry[Probe]]:
    """The probes; what a test adds is gone when it ends."""
    with PROBES.isolated():
        yield PROBES
