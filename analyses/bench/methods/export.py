"""A population as a folder, for labellers that are run elsewhere."""

from collections.abc import Mapping
from pathlib import Path

from mechprobe.analyses.bench.methods.answers import FORMAT, KINDS, TRUTH, Truth, TruthFile
from mechprobe.analyses.bench.methods.population import Entry, disguised
from mechprobe.models import MechprobeError, save
from mechprobe.models.base.files import write_text
from mechprobe.models.base.folders import names_in

__all__ = ["begin", "export", "truth_text"]

MODELS, README = "models", "README.md"
SAYS = """\
# Models whose mechanism is known

`models/NAME` is a checkpoint each, for `mechprobe.load`: `config.json` and `weights.safetensors`.
`truth.json` has for every NAME the `kind`, one of

{kinds},

kinds that would `also` be right, the `part` of the population, its `half`, whether a method's own
rule was `tuned` on models like it, and the sizes T (alphabet) and L (sequence length). Thresholds
may be fitted on the half "tune"; what counts is "test". A labeller that looks at a truth of that
half has no score.

Answers are a JSON file:

    {{"method": "mine", "answers": {{"NAME": {{"scores": {{"mixed": 0.9, "other": 0.1}}}}}}}}

A score is any finite number, the highest wins. Leave kinds out that your labeller does not know,
and models that it abstains on. `"seconds": 0.2` beside the scores is what a model took,
`"probabilities": true` beside the method's name says that scores are probabilities, to be judged
as such. Then

    mechprobe bench score FOLDER ANSWERS.json

prints, for the half "test" and each of its parts: the share of wrong kinds, as your labeller says
and by a multinomial logistic regression of the truth on its scores, fitted on the half "tune",
each with Wilson's 95 % interval; the area under the ROC of relation-based against inventory-based
(difference of the two scores), and of other against all named kinds; abstentions, which are wrong,
and half right in an area; the expected calibration error; the median time.
"""


def begin(folder: Path) -> None:
    """Say in the folder what there will be; before the models are made, which takes a while.

    Raises:
        MechprobeError: the folder holds something else, or cannot be written.
    """
    if names_in(folder) and not {TRUTH, README} & names_in(folder):
        raise MechprobeError(f"{folder}: holds other files; choose a new folder")
    write_text(folder / README, SAYS.format(kinds=", ".join(KINDS)))


def export(folder: Path, models: Mapping[str, Entry], truth: Mapping[str, Truth]) -> None:
    """Write the models, `truth.json` and what there is to know.

    Args:
        folder: new or empty, or an earlier export, which is replaced model by model.
        models, truth: by name.

    Raises:
        MechprobeError: the folder holds something else, or cannot be written.
    """
    begin(folder)
    write_text(folder / TRUTH, truth_text(truth))
    for name, entry in models.items():
        save(
            disguised(entry.member),
            folder / MODELS / name,
            {"origin": "mechprobe bench", "name": name},
        )


def truth_text(truth: Mapping[str, Truth]) -> str:
    """The text of `truth.json`."""
    whole = TruthFile(format=FORMAT, kinds=list(KINDS), models=dict(truth))
    return whole.model_dump_json(indent=1) + "\n"
