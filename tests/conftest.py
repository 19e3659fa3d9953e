"""Every test runs with array shapes checked: annotations of our packages are contracts."""

import os
from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

import tests.typechecker
from tests.browser import browser as browser

os.environ["MPLBACKEND"] = "Agg"

# Before anything of ours is imported.
install_import_hook(["mechprobe"], f"{tests.typechecker.__name__}.checked")

torch.set_num_threads(1)
settings.register_profile(
    "mechprobe",
    deadline=None,
    derandomize=True,
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("mechprobe")


@pytest.fixture(autouse=True)
def _no_notices_of_other_tests() -> Iterator[None]:
    """What one test has the command tell at its end is not told by the next."""
    from mechprobe.models.base import notices

    yield
    notices.forget()
