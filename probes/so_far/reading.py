"""How models that count so far are measured: as those that count, at the last position.

There the count so far is the count of the whole sequence, so that everything that is patched and
compared means the same as in models that see all of it; accuracy is that of every position.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from mechprobe.models.tasks import HistogramTask, SoFarTask
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.reading import Counting
from mechprobe.probes.reading import task_reading

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer

T, L = 6, 5  # of the conformance kit's models


class SoFarContext(CountContext):
    """A model that counts so far."""

    @property
    def positions(self) -> list[int] | None:
        """The last position alone: before it the greatest counts are not possible."""
        return [self.task.L + int(self.task.bos) - 1]

    @property
    def chance(self) -> float:
        """Of the best constant answer at the last position: before it small counts are common."""
        last = self.task.targets(self.tokens)[:, -1]
        return float(last.bincount().max() / len(last))


@task_reading("histogram-so-far")
class SoFar(Counting):
    """Models that count tokens up to each position."""

    title = "Models that count so far"

    def context(self, model: "HookedTransformer", task: HistogramTask, seed: int) -> SoFarContext:
        """Balanced sequences, count means, transport, all at the last position."""
        return SoFarContext(model, task, seed)

    def subjects(self) -> Iterator[tuple[str, "HookedTransformer"]]:
        """A causal transformer with random weights."""
        from mechprobe.models import HookedTransformer, TransformerConfig
        from mechprobe.models.families import transformer

        asked = SoFarTask(T=T, L=L, bos=True).describe()
        shape = TransformerConfig.standard(
            T=T, L=L, d=8, p=12, n_heads=2, bos=True, causal=True, asked=asked
        )
        generator = torch.Generator().manual_seed(0)
        weights = transformer.initial(shape, generator)
        yield "a causal transformer", HookedTransformer(shape, weights)
