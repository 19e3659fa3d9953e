"""Shape and kind of a counting transformer (arXiv:2407.11542, section 2)."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.tasks import AskedConfig, HistogramTask

# Whether the token embeddings are learned, or drawn once and left as they are.
Embeddings = Literal["trained", "fixed"]
Architecture = Literal["bos", "bos+sftm", "dot", "dot+sftm", "lin", "lin+sftm"]
ARCHITECTURES: tuple[Architecture, ...] = (
    "bos",
    "bos+sftm",
    "dot",
    "dot+sftm",
    "lin",
    "lin+sftm",
)


class CountingConfig(AskedConfig):
    """One-layer counting transformer without positions.

    Attributes:
        T: alphabet size (at least 2).
        L: sequence length without BOS (at least 2).
        d: width of the embeddings (at least 2; one dimension has no geometry).
        p: hidden neurons (at least 1).
        mixing: "dot" (<x_i W_Q, x_j W_K> / sqrt(d)) or "lin" (a learned constant matrix).
        softmax: whether the mixing scores pass a softmax over j.
        bos: whether token id T is prepended.
        n_classes: width of the answer; L + 1 unless a checkpoint stores more.
        embeddings: "trained", or "fixed": drawn from N(0, 1/d) and never changed, a variant of the
            paper's appendix; left out of JSON where they are trained.
        asked: the task in place of counting.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    family: Literal["counting"] = "counting"
    T: Annotated[int, Field(ge=2, le=100_000)]
    L: Annotated[int, Field(ge=2, le=10_000)]
    d: Annotated[int, Field(ge=2, le=100_000)]
    p: Annotated[int, Field(ge=1, le=1_000_000)]
    mixing: Literal["dot", "lin"]
    softmax: bool
    bos: bool
    n_classes: int = 0
    # Left out where it is the usual one: configurations and fingerprints of old stay as they are.
    embeddings: Embeddings = Field(default="trained", exclude_if=lambda kind: kind == "trained")

    @model_validator(mode="before")
    @classmethod
    def _default_classes(cls, data: object) -> object:
        if isinstance(data, dict) and not data.get("n_classes") and isinstance(data.get("L"), int):
            return {**data, "n_classes": data["L"] + 1}
        return data

    @model_validator(mode="after")
    def _enough_classes(self) -> "CountingConfig":
        if self.n_classes < self.L + 1:
            raise ValueError(f"n_classes={self.n_classes} is less than L+1={self.L + 1}")
        return self

    @classmethod
    def of(
        cls, architecture: str, *, T: int, L: int, d: int, p: int, embeddings: str = "trained"
    ) -> "CountingConfig":
        """The configuration of one of the six architectures of the paper.

        Raises:
            MechprobeError: unknown architecture, or a size out of range.
        """
        if architecture not in ARCHITECTURES:
            raise MechprobeError(
                f"architecture {architecture!r} is unknown; choose from {', '.join(ARCHITECTURES)}"
            )
        kind = architecture.removesuffix("+sftm")
        return cls.checked(
            {
                "T": T,
                "L": L,
                "d": d,
                "p": p,
                "mixing": "lin" if kind == "lin" else "dot",
                "softmax": architecture.endswith("+sftm"),
                "bos": kind == "bos",
                "embeddings": embeddings,
            }
        )

    @property
    def architecture(self) -> str:
        """The paper's name; a constant matrix together with BOS is "lin(bos)"."""
        if self.mixing == "lin":
            base = "lin(bos)" if self.bos else "lin"
        else:
            base = "bos" if self.bos else "dot"
        return base + ("+sftm" if self.softmax else "")

    @property
    def n_vocab(self) -> int:
        """T, and one more with BOS."""
        return self.T + int(self.bos)

    @property
    def n_ctx(self) -> int:
        """Positions of a sequence, BOS included."""
        return self.L + int(self.bos)

    @property
    def sizes(self) -> dict[str, int]:
        """The four sizes by name."""
        return {"T": self.T, "L": self.L, "d": self.d, "p": self.p}

    @property
    def usual_task(self) -> dict[str, Any]:
        """Counting of tokens."""
        return HistogramTask(T=self.T, L=self.L, bos=self.bos).describe()
