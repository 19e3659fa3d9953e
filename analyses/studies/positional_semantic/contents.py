"""What the study found: plain numbers, no models (arXiv:2402.03902, section 3)."""

from statistics import fmean, stdev
from typing import Literal

from pydantic import BaseModel, ConfigDict

Start = Literal["only_pos", "only_sem", "both"]
RESTRICTED: dict[Start, str] = {"only_pos": "positional", "only_sem": "semantic"}


class Schema(BaseModel):
    """Frozen, and nothing beyond its fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shares(Schema):
    """Shares of the variance of attention scores; None where all scores are alike.

    Args:
        positional, semantic: due to positions alone, to tokens alone.
        cross: due to a position and a token at once.
        key_position, key_token: the parts of the first two that depend on the key alone.
    """

    positional: float | None
    semantic: float | None
    cross: float | None
    key_position: float | None
    key_token: float | None


class Kept(Schema):
    """Accuracy on the probe's sequences: untouched, and with one source of attention kept."""

    everything: float
    positional: float
    semantic: float
    neither: float
    chance: float


class Model(Schema):
    """One model at the end of one stage of its training.

    Args:
        name: of its checkpoint and of its result in the run.
        start: what attention saw in the first stage.
        seed: of weights and data.
        freed: whether this is after unfreezing.
        epochs: of this stage.
        accuracy: on the sequences held out.
        moved: distance over this stage, the sum over tensors of Euclidean norms.
        noise: distance that the noise made before it; None without noise.
        shares, m_like, theta_like: of the scores; the last two are roots of the positional and of
            the semantic variance.
        position_identity, token_identity: cosines of the position-position and of the
            token-token part with the identity; None where there is next to none.
        kept: accuracies with one source.
        attention, agreement: the label and the share of bootstrap replicates that give it.
        verdict: both axes of the label.
        patterns: attention on the example sequences, [sequence][query][key].
    """

    name: str
    start: Start
    seed: int
    freed: bool
    epochs: int
    accuracy: float
    moved: float
    noise: float | None
    shares: Shares
    m_like: float
    theta_like: float
    position_identity: float | None
    token_identity: float | None
    kept: Kept
    attention: str
    agreement: float
    verdict: str
    patterns: list[list[list[float]]]

    @property
    def right(self) -> bool | None:
        """Whether the label is what attention was made for; None of a free model."""
        wanted = RESTRICTED.get(self.start)
        return None if wanted is None else self.attention == wanted


class Spread(Schema):
    """Mean and standard deviation over runs (None of a single one)."""

    mean: float
    sd: float | None
    runs: int

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Of at least one number."""
        return cls(
            mean=fmean(values), sd=stdev(values) if len(values) > 1 else None, runs=len(values)
        )


class Published(Schema):
    """What the paper reports of one solution: accuracy; distances as in `Model.moved`; epochs of
    the first stage and after unfreezing."""

    accuracy: Spread
    from_start: Spread
    freed: Spread
    epochs: tuple[int, int]


class Setting(Schema):
    """One line of the budget."""

    name: str
    here: str
    published: str


class Demand(Schema):
    """What the study is to show.

    Args:
        name: in words.
        found: what was found, in words.
        met: None where it is not asked of this budget.
    """

    name: str
    found: str
    met: bool | None


class Ranges(Schema):
    """Shares that free models are expected to have, in whole per cent, ends included."""

    positional: tuple[int, int]
    semantic: tuple[int, int]

    def hold(self, shares: Shares) -> bool:
        """Whether both shares, rounded to whole per cent, lie within."""
        if shares.positional is None or shares.semantic is None:
            return False
        return all(
            low <= round(100 * share) <= high
            for share, (low, high) in (
                (shares.positional, self.positional),
                (shares.semantic, self.semantic),
            )
        )


class PositionalSemantic(Schema):
    """Everything on the page.

    Args:
        title, command, seed, versions: what it is, and how to make it again.
        quick: whether the budget was the small one.
        budget: of training.
        examples: token ids of the example sequences.
        models: in the order of start, seed and stage.
        published, ranges: what is compared with.
        demands: with what was found.
        problems: a line for each probe that failed.
    """

    title: str
    command: str
    seed: int
    versions: dict[str, str]
    quick: bool
    budget: list[Setting]
    examples: list[list[int]]
    models: list[Model]
    published: dict[Start, Published]
    ranges: Ranges
    demands: list[Demand]
    problems: list[str] = []

    def stage(self, start: Start, freed: bool = False) -> list[Model]:
        """Models of one start at one stage, by seed."""
        found = [m for m in self.models if m.start == start and m.freed == freed]
        return sorted(found, key=lambda model: model.seed)

    @property
    def solutions(self) -> list[tuple[Start, Model, Model]]:
        """Restricted models before and after unfreezing."""
        return [
            (start, before, after)
            for start in RESTRICTED
            for before, after in zip(self.stage(start), self.stage(start, True), strict=True)
        ]
