"""Shards one after another in the test's process: their work is the same, and starts at once."""

import importlib
from pathlib import Path

import pytest

from mechprobe.analyses.sweeps.shards import Shard
from mechprobe.analyses.sweeps.work import do_shard


def here(patch: pytest.MonkeyPatch, stop_after: int | None = None) -> None:
    """Let sweeps work in this process, and be stopped after so many shards."""

    def work(folder: Path, shards: list[Shard], *_: object) -> None:
        for number, shard in enumerate(shards):
            if number == stop_after:
                raise KeyboardInterrupt
            do_shard(folder, shard)

    # The package gives the function of this name; the module is meant.
    patch.setattr(importlib.import_module("mechprobe.analyses.sweeps.run"), "run_shards", work)
