"""Counting over several blocks as causal models: after which block is the count of a token kept?

A causal model of a deep network has the variables N_g^l: the count that counter g holds after the
attention of block l. Models differ in the first block that holds the count, and in who shares it
(models/tasks/causal_models.py):

- from the first block on, in one counter or in one for each token;
- later: no block before some later one holds it (later storage);
- made common: one counter for each token at first, one for all after the last block.

An interchange at a block that holds the count changes the answer as the counters there say; at a
block that does not it changes nothing.
"""

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.tasks.causal_models import CausalModel, inventory, relation


@dataclass(frozen=True, eq=False)
class StorageModel:
    """What every block of a network holds of the count.

    Args:
        name: what the model is called.
        stored: of each block which counters it has, None where it holds no count.

    Raises:
        MechprobeError: no block holds the count.
    """

    name: str
    stored: tuple[CausalModel | None, ...]

    def __post_init__(self) -> None:
        if not any(self.stored):
            raise MechprobeError(f"causal model {self.name!r}: no block holds the count")

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the counters, N_g^l, block by block."""
        return tuple(
            f"{name}^{block}"
            for block, counters in enumerate(self.stored)
            for name in (() if counters is None else counters.variables)
        )

    def answer(
        self,
        block: int,
        target: Int[Tensor, "*pair"],
        count: Int[Tensor, "*pair"],
        source: Int[Tensor, "*pair"],
        source_count: Int[Tensor, "*pair"],
    ) -> Int[Tensor, "*pair"]:
        """What the model answers after an interchange at a block; see `CausalModel.answer`."""
        counters = self.stored[block]
        if counters is None:
            return count
        return counters.answer(target, count, source, source_count)


def storage_models(T: int, blocks: int) -> list[StorageModel]:
    """All models that are compared in a network of several blocks, those of one name together.

    Args:
        T: alphabet size.
        blocks: at least 2.
    """
    shared, own = relation(T), inventory(T)
    found = []
    for name, counters in (("relation", shared), ("inventory", own)):
        for first in range(blocks):
            when = "first" if first == 0 else "later"
            stored = (None,) * first + (counters,) * (blocks - first)
            found.append(StorageModel(f"{when}_{name}", stored))
    for first in range(blocks - 1):
        stored = (None,) * first + (own,) * (blocks - 1 - first) + (shared,)
        found.append(StorageModel("made_common", stored))
    return found
