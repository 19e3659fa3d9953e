"""What the makers of a model have to tell about it: its tokens, its BOS, how it answers."""

import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.validation import validated
from mechprobe.models.tasks import HistogramTask, Task, TaskData, described, task_from
from mechprobe.models.tasks.histogram import Sampler
from mechprobe.models.tasks.inputs import checked_ids
from mechprobe.models.tasks.samplers import KNOWN, OWN, is_file

Id = Annotated[int, Field(ge=0, le=10_000_000)]
# How far below the least of the counts 1..L count 0 is put, where a model has no answer for it.
BELOW = 10.0


class TaskDescription(BaseModel):
    """How a model that was made elsewhere does its task, counting unless another is named.

    Attributes:
        task: "histogram", or name and settings of another task, in our own token ids and with
            answers among the classes 0..L.
        L: sequence length without BOS (at least 2).
        tokens: the model's ids of the tokens that are counted, at least two; data may say T in
            its place, for ids 0 to T-1.
        bos: the model's id of BOS, which stands first; None where there is none. Data may say
            true, for id T.
        answers: "classes" (logit c says count c), or the model's ids of every count 1..L.
        sampler: the distribution of the sequences the model was trained on, "partition" or
            "uniform", or in data the path of a file of sequences, see `HistogramTask`; accuracy
            and probes are measured on it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    task: Literal["histogram"] | Annotated[TaskData, Field(strict=False)] = "histogram"
    L: Annotated[int, Field(ge=2, le=10_000)]
    tokens: Annotated[tuple[Id, ...], Field(min_length=2, max_length=100_000, strict=False)]
    bos: Id | None = None
    answers: Literal["classes"] | dict[int, tuple[Id, ...]] = "classes"
    sampler: Sampler = "partition"

    @field_validator("answers", mode="before")
    @classmethod
    def _counts_are_numbers(cls, answers: object) -> object:
        # JSON knows only strings for keys, and lists for tuples.
        if not isinstance(answers, dict):
            return answers
        plain = {
            int(count) if re.fullmatch(r"0|[1-9][0-9]{0,5}", str(count)) else count: tuple(ids)
            if isinstance(ids, list)
            else ids
            for count, ids in answers.items()
        }
        if len(plain) < len(answers):
            raise ValueError("a count stands there twice")
        return plain

    @model_validator(mode="before")
    @classmethod
    def _spelled_out(cls, data: object) -> object:
        # T tokens with ids 0 to T-1, and BOS = T.
        if not isinstance(data, dict):
            return data
        whole = dict(data)
        T = whole.pop("T", None)
        if T is not None:
            if "tokens" in whole:
                raise ValueError("T and tokens say the same; give one")
            if type(T) is not int or not 2 <= T <= 100_000:
                raise ValueError("T: a number of tokens is wanted, 2 to 100000")
            whole["tokens"] = tuple(range(T))
        if is_file(file := whole.get("sampler")):
            whole["task"] = _asked(whole, str(file))
            del whole["sampler"]
        if whole.get("bos") is True:
            whole["bos"] = T
        elif whole.get("bos") is False:
            whole["bos"] = None
        return whole

    @model_validator(mode="after")
    def _makes_sense(self) -> "TaskDescription":
        if (again := _twice(self.tokens)) is not None:
            raise ValueError(f"tokens: id {again} stands there twice")
        if self.bos is not None and self.bos in self.tokens:
            raise ValueError(f"bos: id {self.bos} is one of the tokens")
        if isinstance(self.answers, dict):
            wanted = set(range(1, self.L + 1))
            if self.answers.keys() != wanted:
                off = min(wanted ^ self.answers.keys())
                what = "is missing" if off in wanted else "is never right"
                raise ValueError(f"answers: count {off} {what}; counts 1..{self.L} are wanted")
            empty = next((count for count, ids in self.answers.items() if not ids), None)
            if empty is not None:
                raise ValueError(f"answers: count {empty} has no ids")
            if (again := _twice(chain.from_iterable(self.answers.values()))) is not None:
                raise ValueError(f"answers: id {again} stands there twice")
        return self

    @classmethod
    def checked(cls, data: object, where: str = "task description") -> "TaskDescription":
        """Validate outside data.

        Raises:
            MechprobeError: with the faults in one line.
        """
        return validated(cls, data, where)

    @classmethod
    def of(
        cls,
        *,
        L: int,
        tokens: Iterable[int],
        bos: int | None = None,
        answers: Literal["classes"] | Mapping[int, Iterable[int]] = "classes",
        sampler: Sampler = "partition",
    ) -> "TaskDescription":
        """A description in Python; the arguments are the attributes.

        Raises:
            MechprobeError: with the faults in one line.
        """
        if not isinstance(answers, str):
            answers = {count: tuple(ids) for count, ids in answers.items()}
        fields = {"L": L, "tokens": tuple(tokens), "bos": bos, "answers": answers}
        return cls.checked(fields | {"sampler": sampler})

    @property
    def T(self) -> int:
        """Number of tokens."""
        return len(self.tokens)

    @property
    def n_ctx(self) -> int:
        """Positions of a sequence, BOS included."""
        return self.L + int(self.bos is not None)

    @property
    def task_data(self) -> dict[str, Any]:
        """Name and settings of the task, in our own ids."""
        if self.task != "histogram":
            return self.task.model_dump()
        bos = self.bos is not None
        return HistogramTask(T=self.T, L=self.L, bos=bos, sampler=self.sampler).describe()

    def made(self) -> Task:
        """The task itself, in our own ids."""
        return task_from(self.task_data)

    def ids(self) -> Int[Tensor, " n_vocab"]:
        """The model's id of each of ours: tokens 0..T-1, BOS last."""
        bos = () if self.bos is None else (self.bos,)
        return torch.tensor([*self.tokens, *bos], dtype=torch.int64, device="cpu")

    def to_ids(self, tokens: Any) -> Int[Tensor, "..."]:
        """Our token ids (0..T-1, BOS = T) as the model's; any shape.

        Raises:
            MechprobeError: they are no tensor of integers, or one is none of ours.
        """
        ids = self.ids()
        checked = checked_ids(tokens, len(ids), "tokens")
        return ids.to(checked.device)[checked]

    def to_classes(self, logits: Float[Tensor, "... n_logits"]) -> Float[Tensor, "... classes"]:
        """The model's logits as ours, one a count 0..L.

        Several ids of a count are combined by logsumexp. A model that answers with ids has none
        for count 0, which is never right: it gets 10 less than the least of the others.
        """
        if self.answers == "classes":
            return logits[..., : self.L + 1]
        parts = [
            logits[..., list(self.answers[count])].logsumexp(-1) for count in range(1, self.L + 1)
        ]
        counts = torch.stack(parts, -1)
        return torch.cat([counts.amin(-1, keepdim=True) - BELOW, counts], -1)

    def fits(self, d_vocab: int, n_logits: int) -> None:
        """Compare with a model's vocabulary and answers.

        Raises:
            MechprobeError: an id or a count is beyond them.
        """
        top = int(self.ids().max())
        if top >= d_vocab:
            raise MechprobeError(
                f"task description: id {top} is beyond the model's vocabulary of {d_vocab}"
            )
        needed = self.L if self.answers == "classes" else max(map(max, self.answers.values()))
        if needed >= n_logits:
            raise MechprobeError(
                f"task description: answer {needed} is beyond the model's {n_logits} logits"
            )


def _asked(data: Mapping[str, Any], file: str) -> dict[str, Any]:
    """The task on sequences of a file."""
    tokens, bos = data.get("tokens", ()), data.get("bos")
    has_bos = bos is not None and bos is not False
    sizes = {"T": len(tokens) if isinstance(tokens, list | tuple) else 0, "L": data.get("L")}
    return {"name": "histogram", **sizes, "bos": has_bos, "sampler": file}


def description_of(task: Any) -> TaskDescription:
    """The description of a model that is asked a task in the task's own ids and classes.

    Raises:
        MechprobeError: the task has no tokens to count, T, L and perhaps bos.
    """
    if isinstance(task, TaskDescription):
        return task
    T, L = getattr(task, "T", None), getattr(task, "L", None)
    if not (isinstance(task, Task) and isinstance(T, int) and isinstance(L, int)):
        raise MechprobeError(
            f"a {type(task).__name__} is given as the task; one over tokens is wanted, such as"
            " mechprobe.HistogramTask(T=16, L=10), or a mechprobe.TaskDescription"
        )
    data = described(task)
    usual = {"T": T, "L": L, "bos": bool(getattr(task, "bos", False))}
    sampler = str(data.get("sampler", ""))
    if sampler.startswith(OWN):
        raise MechprobeError(
            f"sampler {sampler}: a function is not stored with a model; make it without, and give"
            " the task when you label: mechprobe.label(model, task)"
        )
    if task.name == "histogram" and sampler in KNOWN:
        return TaskDescription.checked({**usual, "sampler": data["sampler"]})
    return TaskDescription.checked({**usual, "task": data})


def _twice(ids: Iterable[int]) -> int | None:
    """The first that has been there before; None where all differ."""
    seen: set[int] = set()
    for i in ids:
        if i in seen:
            return i
        seen.add(i)
    return None
