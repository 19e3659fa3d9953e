"""Checkpoints of models made elsewhere with TransformerLens; models/foreign reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mechprobe.models.base.safe.reading import TASK_FILE, has
from mechprobe.models.checkpoints.registry import checkpoint_format
from mechprobe.models.hooked import HookedTransformer


@checkpoint_format(
    "foreign", f"a folder with {TASK_FILE}: a TransformerLens model and what it was asked"
)
class Foreign:
    """TransformerLens models with a task description."""

    def recognises(self, folder: Path, config: Mapping[str, Any]) -> bool:
        """By the task description."""
        return has(folder, TASK_FILE)

    def read(self, folder: Path, config: Mapping[str, Any]) -> HookedTransformer:
        """The model.

        Raises:
            MechprobeError: damaged or hostile content, or a model that cannot be read.
        """
        # Only who reads such a model imports TransformerLens's bridge.
        from mechprobe.models.families.foreign.folder import load_foreign

        return load_foreign(folder)
