"""The study as a whole: findings, the published runs, and how they compare with theory."""

from typing import Literal

from mechprobe.analyses.studies.attention_phase_transition.results import (
    Branch,
    Minima,
    Number,
    Paths,
    Schema,
    Stopped,
    TheoryPair,
    TransitionLine,
)

Observable = Literal["overlap", "loss", "test error"]
Source = Literal["ours", "published"]


class Comparison(Schema):
    """One observable of one start at one alpha against theory.

    Args:
        mean, error: over runs that stayed on the branch, and its standard error (None: not
            published).
        spread: standard deviation over runs.
        theory: None where the branch does not exist.
        z: (mean - theory) / error, errors of both sides.
        allowed: two standard errors and 2 % of theory.
        stayed, runs: how many runs stayed on their branch (None: not published), of how many.
    """

    source: Source
    branch: Branch
    alpha: float
    observable: Observable
    mean: float
    error: float | None
    spread: float | None
    theory: Number | None
    z: float | None
    allowed: float | None
    stayed: int | None
    runs: int

    @property
    def passed(self) -> bool | None:
        """Whether the mean lies within what is allowed; None where there is no theory."""
        if self.theory is None or self.allowed is None:
            return None
        return abs(self.mean - self.theory.value) <= self.allowed


class PublishedRow(Schema):
    """A row of the published table; loss is per d here."""

    alpha: float
    start: Branch
    m: float
    theta: float
    loss: float
    test_error: float
    linear_error: float
    m_spread: float
    theta_spread: float
    test_error_spread: float


class PhaseTransition(Schema):
    """Everything the page shows.

    Args:
        omega: of parts (a), (c), (d) and (f).
        mixings: the matrices A by name.
        settings: sizes of the study in words, by name.
        curve, others, plane: theory at omega with the first A, with the second, over the plane.
        plane_lines: transitions read off the plane's grid, their errors unknown.
        lines: transitions searched on their own, elsewhere than at omega.
        here: those at omega, searched on their own or read off the curve.
        quick: whether the budget was the small one.
        published_runs: runs a published mean is of.
        passes_from: least alpha of the demanded agreement.
    """

    title: str
    command: str
    seed: int
    versions: dict[str, str]
    settings: dict[str, str]
    omega: float
    mixings: dict[str, list[list[float]]]
    curve: list[TheoryPair]
    others: list[TheoryPair]
    plane: list[TheoryPair]
    plane_lines: list[TransitionLine]
    lines: list[TransitionLine]
    here: TransitionLine
    minima: list[Minima]
    other_minima: list[Minima]
    scaling: list[Minima]
    scaling_theory: TheoryPair
    paths: list[Paths]
    stopped: list[Stopped]
    published: list[PublishedRow]
    published_runs: int
    passes_from: float
    quick: bool
    comparisons: list[Comparison]
