"""Models at initialisation, and a registry of one's own."""

from collections.abc import Callable

import pytest
import torch

from models import CountingConfig, HookedTransformer
from models.counting import initial
from probes import registry
from probes.registry import Probe


@pytest.fixture
def untrained() -> Callable[..., HookedTransformer]:
    """Makes a model at initialisation."""

    def make(architecture: str, T: int, L: int, d: int, p: int, seed: int) -> HookedTransformer:
        config = CountingConfig.of(architecture, T=T, L=L, d=d, p=p)
        return HookedTransformer(config, initial(config, torch.Generator().manual_seed(seed)))

    return make


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, Probe]:
    """The registry, with what a test adds taken out again."""
    registry.all_probes()  # ours register once and for all; they must not go into the copy alone
    copy = dict(registry._PROBES)
    monkeypatch.setattr(registry, "_PROBES", copy)
    return copy
