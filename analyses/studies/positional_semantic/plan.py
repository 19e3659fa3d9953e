"""What is trained and with which budget, beside what the paper reports (arXiv:2402.03902)."""

from dataclasses import dataclass

from mechprobe.analyses.studies.positional_semantic.contents import (
    Published,
    Ranges,
    Setting,
    Spread,
    Start,
)
from mechprobe.models.families.transformer import Plan, TransformerConfig

NOISE = 1e-3
STARTS: tuple[Start, ...] = ("only_pos", "only_sem", "both")
# Of figure 5: BBCCDDBBBB, LMDMMMAHHB, ONMLKJIHGF.
EXAMPLES = (
    (1, 1, 2, 2, 3, 3, 1, 1, 1, 1),
    (11, 12, 3, 12, 12, 12, 0, 7, 7, 1),
    (14, 13, 12, 11, 10, 9, 8, 7, 6, 5),
)
EPOCHS = (200, 100)  # of theirs, before and after unfreezing
PUBLISHED: dict[Start, Published] = {
    "only_pos": Published(
        accuracy=Spread(mean=0.9988, sd=0.0004, runs=10),
        from_start=Spread(mean=158.9, sd=4.4, runs=10),
        freed=Spread(mean=0.612, sd=0.126, runs=10),
        epochs=EPOCHS,
    ),
    "only_sem": Published(
        accuracy=Spread(mean=0.9989, sd=0.0012, runs=10),
        from_start=Spread(mean=163.7, sd=8.9, runs=10),
        freed=Spread(mean=0.465, sd=0.237, runs=10),
        epochs=EPOCHS,
    ),
}
LEAST_ACCURACY = 0.998
RANGES = Ranges(positional=(42, 45), semantic=(50, 54))


@dataclass(frozen=True)
class Budget:
    """Sizes and training of all models.

    Args:
        T, L, d, p: of the models.
        sequences: drawn; duplicates are removed, 70 % are trained on.
        first: training from initial weights.
        then: training after unfreezing.
        quick: whether it is the small one, of which less is asked.
    """

    T: int
    L: int
    d: int
    p: int
    sequences: int
    first: Plan
    then: Plan
    quick: bool

    def config(self, start: Start) -> TransformerConfig:
        """Of a model whose attention sees this in the first stage."""
        return TransformerConfig.positional_semantic(start, T=self.T, L=self.L, d=self.d, p=self.p)

    @property
    def examples(self) -> list[list[int]]:
        """The paper's sequences, cut to the models' sizes."""
        return [[token % self.T for token in tokens[: self.L]] for tokens in EXAMPLES]

    def settings(self, seeds: int, free: int) -> list[Setting]:
        """For the page, beside the published ones."""
        sizes = f"T = {self.T}, L = {self.L}, d = {self.d}, p = {self.p}"
        same = "rate 0.001, batch 32"
        rest = ", duplicates removed, 70 % trained on"
        rows = {
            "Sizes": (sizes, "T = 15, L = 10, d = 64, p = 128"),
            "Sequences": (f"{self.sequences:,}{rest}", f"50,000{rest}"),
            "First stage": (_plan_text(self.first), f"{EPOCHS[0]} epochs, Adam, {same}"),
            "After unfreezing": (_plan_text(self.then), f"{EPOCHS[1]} epochs, SGD, {same}"),
            "Noise": (f"{NOISE:g} on Q, K and embeddings", "0.001 on Q, K and embeddings"),
            "Free models": ("as the first stage", "–"),
            "Runs": (f"{seeds} of only_pos and only_sem, {free} free", "10 of each"),
        }
        return [Setting(name=n, here=here, published=known) for n, (here, known) in rows.items()]


def _plan_text(plan: Plan) -> str:
    name = {"adam": "Adam", "sgd": "SGD"}[plan.optimizer]
    falling = " falling to 0 (cosine)" if plan.schedule == "cosine" else ""
    return f"{plan.epochs} epochs, {name}, rate {plan.lr:g}{falling}, batch {plan.batch}"


FULL = Budget(
    T=15, L=10, d=64, p=128, sequences=50_000, quick=False,
    first=Plan(epochs=40, batch=32, lr=1e-3, schedule="cosine"),
    then=Plan(epochs=30, batch=32, lr=1e-3, optimizer="sgd"),
)  # fmt: skip
PAPER = Budget(
    T=15, L=10, d=64, p=128, sequences=50_000, quick=False,
    first=Plan(epochs=200, batch=32, lr=1e-3),
    then=Plan(epochs=100, batch=32, lr=1e-3, optimizer="sgd"),
)  # fmt: skip
QUICK = Budget(
    T=15, L=10, d=64, p=128, sequences=10_000, quick=True,
    first=Plan(epochs=40, batch=32, lr=1e-3),
    then=Plan(epochs=10, batch=32, lr=1e-3, optimizer="sgd"),
)  # fmt: skip
