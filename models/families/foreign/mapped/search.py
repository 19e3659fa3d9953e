"""The choice with which our model of a module's weights does what the module does.

Submodules say how far a choice goes with the module: field after field is settled by the hooks that
agree. Where no submodule can be matched with a hook, every choice is tried by its answers alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.foreign.description import TaskDescription
from mechprobe.models.families.foreign.mapped.choices import Axes, tried
from mechprobe.models.families.foreign.mapped.mapping import NameMapping
from mechprobe.models.families.foreign.mapped.names import Found
from mechprobe.models.families.foreign.mapped.parting import (
    TOLERANCE,
    Kept,
    Parting,
    kept_of,
    parting,
)
from mechprobe.models.families.foreign.mapped.running import answers_of, difference
from mechprobe.models.families.foreign.mapped.translated import Choice, translated
from mechprobe.models.families.transformer import TransformerConfig, forward
from mechprobe.models.hooked import HookedTransformer

ROUNDS = 2  # over the fields of a choice
# Fields that show at one place together, where heads have read.
TOGETHER = ("qkv_order", "scale", "heads")
FEW = 3  # hooks that agree, below which submodules tell too little


@dataclass(frozen=True)
class Trial:
    """A module on some sequences, and what its tensors are.

    Args:
        found: its tensors by part.
        mapping, description: as they were given.
        tokens: the sequences.
        wanted: the module's answers at scored positions, in our classes.
        kept: what goes through its submodules.
    """

    found: Found
    mapping: NameMapping
    description: TaskDescription
    tokens: Tensor
    wanted: Tensor
    kept: Kept

    @classmethod
    def of(
        cls,
        module: nn.Module,
        found: Found,
        mapping: NameMapping,
        description: TaskDescription,
        tokens: Tensor,
    ) -> "Trial":
        """Run the module.

        Raises:
            MechprobeError: it does not run on its task.
        """
        wanted = answers_of(module, description, tokens)
        kept = kept_of(module, found, description, tokens)
        return cls(found, mapping, description, tokens, wanted, kept)

    def made(self, choice: Choice) -> tuple[TransformerConfig, Weights]:
        """Configuration and weights of a choice.

        Raises:
            MechprobeError: there is no such model.
        """
        return translated(self.found, self.mapping, self.description, choice)

    def off(self, choice: Choice) -> float:
        """How far answers are from the module's."""
        with torch.no_grad():
            return self.off_of(forward(*self.made(choice), self.tokens))

    def off_of(self, answers: Tensor) -> float:
        """The same of answers [sequence, pos, classes]; without count 0 where the module has no
        answer for it."""
        first = 0 if self.description.answers == "classes" else 1
        scored = answers[:, -self.description.L :]
        return difference(scored[..., first:], self.wanted[..., first:])

    def part(self, choice: Choice) -> Parting:
        """Where a choice and the module part."""
        model = HookedTransformer(*self.made(choice))
        return parting(self.kept, model, self.found, choice, self.tokens)


def settled_choice(axes: Axes, trial: Trial) -> tuple[Choice, str]:
    """The choice that goes with a module farthest, and where both part.

    Args:
        axes: fields that are open, with their values.
        trial: of the module.

    Raises:
        MechprobeError: no choice makes a model; the fault of the first.
    """
    choice, best = _farthest(axes, trial)
    if choice is not None and (best.agreed >= FEW or trial.off(choice) <= TOLERANCE):
        return choice, best.words
    return _nearest(axes, trial), best.words


def _farthest(axes: Axes, trial: Trial) -> tuple[Choice | None, Parting]:
    """Field after field, what makes more hooks agree."""
    choice = next(tried(axes))
    best = _parted(trial, choice)
    for _ in range(ROUNDS):
        before = best.agreed
        for changes in _changes(axes):
            for change in changes:
                if best.whole:
                    return choice, best
                other = replace(choice, **change)
                found = _parted(trial, other)
                if found.agreed > best.agreed:
                    choice, best = other, found
                    break  # these fields show at one place, which agrees now
        if best.agreed == before:
            break
    return (None if best.agreed < 0 else choice), best


def _parted(trial: Trial, choice: Choice) -> Parting:
    try:
        return trial.part(choice)
    except MechprobeError:  # no such model
        return Parting(-1, "nothing could be compared")


def _changes(axes: Axes) -> Iterator[list[dict[str, Any]]]:
    """What each field may be changed to, and those that show together; heads change fastest."""
    yield [dict(zip(TOGETHER, one, strict=True)) for one in product(*(axes[n] for n in TOGETHER))]
    for name in axes:
        if name not in TOGETHER and len(axes[name]) > 1:
            yield [{name: value} for value in axes[name]]


def _nearest(axes: Axes, trial: Trial) -> Choice:
    """Of all choices the first that answers as the module does, or else the nearest."""
    best: tuple[float, Choice] | None = None
    fault: MechprobeError | None = None
    for choice in tried(axes):
        try:
            off = trial.off(choice)
        except MechprobeError as error:
            fault = fault or error
            continue
        if best is None or off < best[0]:
            best = off, choice
        if off <= TOLERANCE:
            break
    if best is None:
        raise fault or MechprobeError("mapping: no such model can be made of the module's tensors")
    return best[1]
