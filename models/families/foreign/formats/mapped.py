"""Weights of one's own with a mapping of names: counter.pt and counter.toml or mapping.toml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.safe.reading import CONFIG_FILE, has
from mechprobe.models.base.validation import validated
from mechprobe.models.checkpoints.asking import Settings, asked
from mechprobe.models.checkpoints.place import MAPPING_FILE, Place, only_weights_file
from mechprobe.models.checkpoints.registry import checkpoint_format
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.families.foreign.mapped.mapping import NameMapping, mapping_of
from mechprobe.models.families.foreign.mapped.reading import of_state, read_state
from mechprobe.models.hooked import HookedTransformer

# What `--task` may say in place of the mapping, where that says nothing of the task.
OF_TASK = ("T", "L", "bos", "sampler")


@checkpoint_format(
    "mapped",
    f"NAME.pt (.pth, .bin, .ckpt, .safetensors) with NAME.toml or {MAPPING_FILE}: a model of your"
    " own, and which of its names is which part",
)
class Mapped:
    """State dicts of any names, with a mapping."""

    def recognises_place(self, place: Place) -> bool:
        """By the mapping; a folder with a configuration is somebody else's."""
        named = place.file or only_weights_file(place.folder)
        ours = place.file is not None or not has(place.folder, CONFIG_FILE)
        return place.mapping is not None and named is not None and ours

    def recognises(self, folder: Path, config: Mapping[str, Any]) -> bool:
        """Never by a folder alone; see `recognises_place`."""
        return False

    def recognises_file(self, file: Path) -> bool:
        """Never by a file alone; see `recognises_place`."""
        return False

    def read(self, folder: Path, config: Mapping[str, Any]) -> HookedTransformer:
        """The model in a folder; see `read_place`."""
        return self.read_place(Place(folder, folder, None, config), {})

    def read_place(self, place: Place, settings: Settings) -> HookedTransformer:
        """The model, as the mapping says.

        Raises:
            MechprobeError: a damaged or unsafe file, a mapping that is none or leaves something
                open, or weights that do not fit it.
        """
        name = place.file or only_weights_file(place.folder)
        if name is None or place.mapping is None:
            raise MechprobeError(f"{place.path}: no single file of weights with a mapping")
        mapping = mapping_of(place.mapping)
        description, left = _description(mapping, settings, place.mapping)
        model = of_state(read_state(place.folder / name, mapping), mapping, description)
        whole = asked(model, left)
        whole.taken, whole.doubts = model.taken, model.doubts
        return whole


def _description(
    mapping: NameMapping, settings: Settings, file: Path
) -> tuple[TaskDescription, Settings]:
    """What the model is asked, and the settings that are still to be applied."""
    if mapping.task is not None:
        return mapping.task, settings
    own = {name: value for name, value in settings.items() if name in OF_TASK}
    if not {"T", "L"} <= own.keys():
        raise MechprobeError(
            f"{file}: does not say what the model was asked; add [task] with T = 16 and L = 10, or"
            " say it: --task T=16,L=10"
        )
    rest = {name: value for name, value in settings.items() if name not in OF_TASK}
    return validated(TaskDescription, own, f"{file}: task"), rest
