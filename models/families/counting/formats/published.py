"""Checkpoints of the published counting code: transformer.pt, beside it perhaps its arguments.

The state dict holds semantic_emb.weight, positional_emb.*, token_mixer.Q and .K or token_mixer.A,
fc1.* and fc2.*. config.json, which the scripts do not write themselves, holds their arguments;
without it sizes are read off shapes and the user says the rest.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mechprobe.models.base.safe.reading import has, read_json
from mechprobe.models.base.safe.told import tell
from mechprobe.models.base.safe.weight_files import read_tensors
from mechprobe.models.base.weights import Weights
from mechprobe.models.checkpoints.asking import Settings, asked
from mechprobe.models.checkpoints.place import Place, holds, only_torch_file, weights_of
from mechprobe.models.checkpoints.registry import checkpoint_format
from mechprobe.models.families.counting import CountingConfig
from mechprobe.models.families.counting.formats.arguments import PublishedConfig, Told
from mechprobe.models.families.counting.formats.given import GIVEN, given_embeddings
from mechprobe.models.families.counting.formats.shapes import from_shapes
from mechprobe.models.families.counting.formats.translated import of_one_block, translated
from mechprobe.models.families.transformer import TransformerConfig
from mechprobe.models.hooked import HookedTransformer

WEIGHTS_FILE, SUMMARY_FILE = "transformer.pt", "wandb-summary.json"
# What the code of the positional and semantic models does not have.
OWN_ARGUMENTS = ("no_softmax", "dataset_type")
# What a user says of a file beside the settings of its task.
OWN_SETTINGS = ("softmax", "attention_input")


@checkpoint_format(
    "counting",
    f"{WEIGHTS_FILE} with token_mixer.*, perhaps with config.json: the published code of Counting"
    " in Small Transformers (arXiv:2407.11542)",
)
class Counting:
    """The published counting code's."""

    advice = (
        "perhaps --task says otherwise than it was trained, or it is of the code with fixed random"
        " embeddings: that saves a semantic_emb that was never used, and wants mus.npy beside it"
    )

    def recognises(self, folder: Path, config: Mapping[str, Any]) -> bool:
        """By the weights' file and arguments of its own; without any, by the names of weights."""
        if not config:
            name = only_torch_file(folder)
            return name is not None and self.recognises_file(folder / name)
        own = any(name in config for name in OWN_ARGUMENTS)
        return has(folder, WEIGHTS_FILE) and (own or config.get("attention_input") == "linear")

    def recognises_file(self, file: Path) -> bool:
        """By the names of weights."""
        return holds(file, lambda names: any(n.startswith("token_mixer.") for n in names))

    def read(self, folder: Path, config: Mapping[str, Any]) -> HookedTransformer:
        """The model in a folder; see `read_place`."""
        return self.read_place(Place(folder, folder, None, config), {})

    def read_place(self, place: Place, settings: Settings) -> HookedTransformer:
        """The model.

        Raises:
            MechprobeError: unsupported or unknown arguments, something that neither they nor the
                settings say, an unsafe or damaged file, weights that do not fit.
        """
        file, config = weights_of(place, WEIGHTS_FILE)
        where = str(place.folder / "config.json") if config else str(file)
        arguments = PublishedConfig.read(config, where) if config else None
        told = Told() if config else Told.of(settings)

        def made(state: Weights) -> tuple[CountingConfig | TransformerConfig, Weights]:
            state = of_one_block(state)
            known = arguments or from_shapes(state, told, file)
            rows = known.T + int(known.bos)
            given = given_embeddings(place.folder, config, rows, known.model_dim)
            return translated(known, state, given, file, where)

        state = read_tensors(file, made)
        model = HookedTransformer(*made(state))
        if of_one_block(state) is not state:
            tell(f"{file.name}: read is the second block alone; the first never reaches the answer")
        if has(place.folder, GIVEN):
            tell(f"{file.name}: embeddings are those of {GIVEN}, semantic_emb was never used")
        asks = {name: value for name, value in settings.items() if name not in OWN_SETTINGS}
        return asked(model, settings if config else asks)

    def claimed(self, place: Place) -> float | None:
        """The validation accuracy that the script logged, in percent: in the arguments, to which
        the notebooks' tables add it, or in the summary of its log."""
        _, config = weights_of(place, WEIGHTS_FILE)
        if "val_acc" not in config and has(place.folder, SUMMARY_FILE):
            config = read_json(place.folder, SUMMARY_FILE)
        logged = config.get("val_acc")
        if not isinstance(logged, int | float):
            return None
        # One percent at most is no accuracy of such a task: then it is a share.
        return logged / 100 if logged > 1 else float(logged)
