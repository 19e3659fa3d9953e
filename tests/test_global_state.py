"""Same bits whatever state torch, numpy and Python are in, and that state is left as it was."""

import json
import os
import random
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch

from tests.global_state import pieces


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """torch's default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def deterministic() -> Iterator[None]:
    """torch's deterministic algorithms only."""
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """torch's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def other_random_numbers() -> Iterator[None]:
    """The global generators elsewhere, and moving on."""
    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(17)
    np.random.seed(17)
    torch.manual_seed(17)
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.set_rng_state(kept[2])


# The device "meta" stands for any other default device: what is made there has no numbers.
STATES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "again": lambda: warnings.catch_warnings(),
    "float64": partial(default_dtype, torch.float64),
    "bfloat16": partial(default_dtype, torch.bfloat16),
    "another device": lambda: torch.device("meta"),
    "inference mode": lambda: torch.inference_mode(),
    "no gradients": lambda: torch.no_grad(),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "deterministic": deterministic,
    "four threads": partial(threads, 4),
    "other random numbers": other_random_numbers,
    "numpy raises": lambda: np.errstate(all="raise"),
}


# torch adds up in another order where it splits a sum among threads.
ROUNDED = {"four threads": {"transformer training", "foreign training"}}


@pytest.fixture(scope="module")
def plain() -> dict[str, str]:
    """Fingerprints in the state that torch starts in."""
    return pieces()


def state() -> dict[str, object]:
    """What others may rely on."""
    return {
        "type": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "torch's numbers": torch.get_rng_state().tolist(),
        "numpy's numbers": np.random.get_state()[1].tolist(),
        "numpy's errors": np.geterr(),
        "warnings": list(warnings.filters),
        "figures": dict(matplotlib.rcParams),
    }


@pytest.mark.parametrize("name", STATES)
def test_bits_do_not_depend_on_the_callers_state(name: str, plain: dict[str, str]) -> None:
    with STATES[name]():
        before = state()
        found = pieces()
        after = state()
    differing = {piece for piece in plain if plain[piece] != found[piece]}
    assert differing <= ROUNDED.get(name, set())
    assert [part for part in before if before[part] != after[part]] == []


def test_bits_do_not_depend_on_the_order_of_hashes(plain: dict[str, str]) -> None:
    """Sets and dictionaries of strings come in another order in another process."""
    root = Path(__file__).parents[1]
    env = os.environ | {"PYTHONHASHSEED": "17", "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.global_state"],
        cwd=root, env=env | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert [piece for piece in plain if plain[piece] != told["pieces"][piece]] == []
    assert told["moved"] == []  # Python's numbers are asked here: the tests' type checks draw some
