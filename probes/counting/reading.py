"""How models that count are measured, labelled and shown."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from mechprobe.models import HistogramTask
from mechprobe.probes.axes import Column, Item, Performance
from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.dynamics import FOLLOWED
from mechprobe.probes.counting.kinds import AXES, TOKENS
from mechprobe.probes.counting.label.rule import HALF, MOST
from mechprobe.probes.counting.label.verdict import label_in
from mechprobe.probes.counting.label.verdict import version as version_of_rule
from mechprobe.probes.effects import LEAST, ONE_SIDED
from mechprobe.probes.followed import Followed
from mechprobe.probes.reading import TaskReading, task_reading
from mechprobe.probes.results import MechanismLabel

if TYPE_CHECKING:
    from mechprobe.models import HookedTransformer

# Sizes of the conformance kit's models, and constructions: mixing with BOS, by comparing tokens,
# and by a constant matrix.
T, L = 6, 5
COUNTING = ("bos+sftm", "dot-lookup", "lin")
ACCURACY = Column("Accuracy", lambda label: label.accuracy, "share")


@task_reading("histogram")
class Counting(TaskReading):
    """Models that count tokens."""

    title = "Models that count"
    axes = AXES
    columns = (
        Column("Mechanism", lambda label: label.kind("counting")),
        Column("Attention", lambda label: label.kind("attention")),
        Column("Confidence", lambda label: label.certainty, "confidence"),
        Column("Counters", lambda label: label.counters, "number"),
        ACCURACY,
    )
    sizes = {
        "T": "alphabet size",
        "L": "sequence length",
        "d": "width of the embeddings",
        "p": "hidden neurons",
    }
    decided = {
        "counting": (
            "The count that the model has written for one token is patched into another token's"
            " residual stream. Where both tokens follow each other's counts they share a counter;"
            " where they do not, each has its own. Every token is placed that way, and a model's"
            f" mechanism is what at least {100 * MOST:.0f}\u00a0% of its tokens do; short of that"
            " it is mixed. More causal checks have to agree: a relation-based model needs what its"
            " tokens write in common, and an inventory-based one keeps more than"
            f" {100 * (1 - HALF):.0f}\u00a0% of its accuracy above chance without it. A model that"
            " counts, but whose count is neither found in the residual stream nor read from"
            " positions, counts by another mechanism; the reason says what was ruled out. The"
            " confidence is a calibrated probability that the mechanism is right; beyond the"
            " models that it was calibrated on it is capped, and the label says why."
        ),
        "attention": (
            "Attention is judged apart from that, because a model may compare tokens in attention"
            " and still look the count up. It is judged by what the answers need: queries and keys"
            " are split into a part due to positions and a part due to content, and a part counts"
            f" if it changes at least {100 * LEAST:.0f}\u00a0% as many answers as the whole"
            " attention does; where both count, one"
            f" that has {100 * ONE_SIDED:.0f}\u00a0% of the sum of their effects makes a pure"
            " label. The verdict names both axes."
        ),
    }
    item = "token"
    performance = Performance(ACCURACY, higher_is_better=True)
    source = "arXiv:2407.11542"
    leading = ("count-transport", "remove-shared-count", "keep-source", "patch-count")

    def context(self, model: "HookedTransformer", task: HistogramTask, seed: int) -> CountContext:
        """Balanced sequences, count means, transport."""
        return CountContext(model, task, seed)

    def label(self, context: CountContext) -> MechanismLabel:
        """Which mechanism a model counts by, and what its attention depends on."""
        return label_in(context)

    def rule_version(self) -> str:
        """Of the rule, its constants and its calibration."""
        return version_of_rule()

    def subjects(self) -> "Iterator[tuple[str, HookedTransformer]]":
        """Constructions, two untrained transformers, a counter in a TransformerBridge."""
        from mechprobe.models import HookedTransformer, TransformerConfig, construct
        from mechprobe.models.families.foreign import compiled_counter
        from mechprobe.models.families.transformer import initial

        # With random weights: what a probe says of them has to be finite, no more.
        of = TransformerConfig
        transformers = {
            "two blocks of two heads": of.standard(T=T, L=L, d=8, p=12, n_layers=2, n_heads=2),
            "tokens and positions in halves": of.positional_semantic(
                "only_pos", T=T, L=L, d=8, p=12
            ),
        }
        for name in COUNTING:
            yield name, construct(name, T=T, L=L)
        for name, shape in transformers.items():
            generator = torch.Generator().manual_seed(0)
            yield name, HookedTransformer(shape, initial(shape, generator))
        yield "a TransformerBridge", compiled_counter(T=T, L=L)

    def items(self, label: MechanismLabel) -> list[Item]:
        """Every token, and whose count it follows."""
        return [TOKENS[kind] for kind in label.tokens if kind in TOKENS]

    def follow(self) -> Followed:
        """Kappa of the tokens, counters, geometry, and what the rule would say below its bar."""
        return FOLLOWED
