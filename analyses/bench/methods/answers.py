"""What a labeller answers, what the truth is, and the files they are exchanged in."""

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from mechprobe.models import MechprobeError
from mechprobe.models.base.reading import read_bytes
from mechprobe.models.base.registry import nearest
from mechprobe.models.base.safe.documents import parse_json
from mechprobe.models.base.validation import validated

__all__ = ["KINDS", "Answer", "Answers", "Truth", "TruthFile", "read_answers", "read_truth"]

TRUTH = "truth.json"
FORMAT: Literal["mechprobe-bench-1"] = "mechprobe-bench-1"
MOST = 1e30  # absolute value of a score; squares of larger ones overflow
Score = Annotated[float, Field(ge=-MOST, le=MOST, allow_inf_nan=False)]
Kind = Literal[
    "relation-based", "inventory-based", "mixed", "opposed", "positional", "other", "unsolved"
]
KINDS: tuple[Kind, ...] = get_args(Kind)  # in the order of tables
Name = Annotated[str, Field(pattern=r"^[\w.+-]+( [\w.+-]+)*$", max_length=80)]
Half = Literal["tune", "test"]


class Strict(BaseModel):
    """Unknown names are refused."""

    model_config = ConfigDict(extra="forbid")


class Answer(Strict):
    """What a labeller said of one model.

    Args:
        scores: a number for each kind that it considers, the highest wins; none of them: it
            abstains.
        seconds: that it took; None where it is not known.
        why: it abstained, if it says so.
    """

    scores: dict[str, Score] = {}
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    why: str | None = None

    @property
    def kind(self) -> str | None:
        """The kind of the highest score, of equal ones the first in KINDS; None: it abstained."""
        if not self.scores:
            return None
        return max(self.scores, key=lambda kind: (self.scores[kind], -KINDS.index(kind)))


class Truth(Strict):
    """What is known of one model.

    Args:
        kind: how it counts.
        also: further kinds that name it rightly, where it lies between two by their definitions.
        part: of the population.
        half: "tune", decision thresholds may be fitted on it; "test", methods are judged on it.
        tuned: a method's own rule was made with models like it in view.
        T, L: alphabet size and sequence length.
    """

    kind: Kind
    also: list[Kind] = []
    part: str
    half: Half
    tuned: bool
    T: int
    L: int

    def right(self, kind: str | None) -> bool:
        """Whether a kind names the model rightly."""
        return kind is not None and kind in (self.kind, *self.also)


class TruthFile(Strict):
    """`truth.json` of an exported population: models by the name of their folder."""

    format: Literal["mechprobe-bench-1"]
    kinds: list[str]
    models: Annotated[dict[str, Truth], Field(min_length=1)]


class Answers(Strict):
    """A file of answers: those of one labeller, by the name of the model's folder.

    Args:
        method: what tables call it.
        probabilities: the scores are probabilities, and judged as such too.
        answers: a model that is left out, or null, is one it abstained on.
    """

    method: Name
    probabilities: bool = False
    answers: dict[str, Answer | None]


def read_truth(folder: Path) -> dict[str, Truth]:
    """The truth of an exported population.

    Raises:
        MechprobeError: there is none in that folder, or it cannot be read.
    """
    file = folder / TRUTH
    if not file.is_file():
        raise MechprobeError(
            f"{folder}: holds no {TRUTH}; `mechprobe bench methods --export {folder}` writes one"
        )
    return validated(TruthFile, _read(file), str(file)).models


def read_answers(file: Path, known: dict[str, Truth]) -> Answers:
    """Answers made elsewhere.

    Args:
        file: as `Answers` describes it, JSON.
        known: models that there are.

    Raises:
        MechprobeError: the file cannot be read, or names a model or a kind that there is not.
    """
    found = validated(Answers, _read(file), str(file))
    for name, answer in found.answers.items():
        if name not in known:
            raise MechprobeError(f"{file}: model {name!r} is unknown; {nearest(name, known)}")
        for kind in () if answer is None else answer.scores:
            if kind not in KINDS:
                raise MechprobeError(
                    f"{file}: model {name!r}: kind {kind!r} is unknown; {nearest(kind, KINDS)}"
                )
        if answer is not None and found.probabilities and not _probable(answer.scores):
            raise MechprobeError(
                f"{file}: model {name!r}: probabilities lie between 0 and 1 and add up to 1 at most"
            )
    return found


def _probable(scores: dict[str, float]) -> bool:
    return all(value >= 0 for value in scores.values()) and sum(scores.values()) <= 1 + 1e-6


def _read(file: Path) -> object:
    try:
        return parse_json(read_bytes(file))
    except OSError as error:
        raise MechprobeError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise MechprobeError(f"{file}: is no JSON ({error})") from None
