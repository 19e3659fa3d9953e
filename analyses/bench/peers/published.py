"""The published training script, run from a checkout that the user gives.

github.com/SPOC-group/counting-attention, memory_exp.py. Its reports to wandb go nowhere and its
device, a name of the module, is the processor; nothing else of it is touched.
"""

import contextlib
import importlib.util
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from mechprobe.models import CountingConfig
from mechprobe.models.base.errors import MechprobeError

SCRIPT = "memory_exp.py"


def script_in(folder: Path) -> Path:
    """The script in a checkout.

    Raises:
        MechprobeError: it is not there.
    """
    path = folder / SCRIPT
    if not path.is_file():
        raise MechprobeError(
            f"{folder}: holds no {SCRIPT}; give a checkout of SPOC-group/counting-attention"
        )
    return path


def peer_trainer(folder: Path, config: CountingConfig, seed: int, n: int) -> Callable[[], object]:
    """A published model at its start; every call is an epoch of its own `train`, which draws n
    sequences, trains on them and tests on 0.3 n more.

    Raises:
        MechprobeError: the script is not there, or not the published one.
    """
    path = script_in(folder)
    with _told(path):
        published: Any = _imported(path)
        published.device = "cpu"
        kind = "SampleBackwardWithBOS" if config.bos else "SampleBackward"
        dataset = getattr(published, f"HistogramDataset{kind}")
        torch.manual_seed(seed)
        np.random.seed(seed)
        model = published.TransformerSeq2Seq(
            T=config.n_vocab,
            model_dim=config.d,
            p=config.p,
            n_classes=config.n_classes,
            L=config.L,
            attention_input="linear" if config.mixing == "lin" else "only_sem",
            use_softmax=config.softmax,
        )
        published.model = model  # its `train` reads the module's name
        tested = dataset(config.L, config.T, max(1, int(0.3 * n)), seed=12)

    def epoch() -> object:
        with _told(path), contextlib.redirect_stdout(io.StringIO()):
            return published.train(
                model,
                lambda: dataset(config.L, config.T, n),
                tested,
                config.n_classes,
                config.bos,
                n_epochs=1,
                optimizer="Adam",
            )

    return epoch


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Whatever another script may do ends in one line."""
    try:
        yield
    except Exception as error:
        raise MechprobeError(
            f"{path}: does not run as the published script ({type(error).__name__}: {error})"
        ) from error


def _imported(path: Path) -> ModuleType:
    silent: Any = ModuleType("wandb")
    silent.log = lambda *_: None
    sys.modules["wandb"] = silent
    spec = importlib.util.spec_from_file_location("memory_exp", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
