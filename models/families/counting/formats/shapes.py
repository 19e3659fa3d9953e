"""Arguments of a published counting model whose file stands alone: sizes from its shapes, the rest
from what a user says."""

from pathlib import Path

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.counting.formats.arguments import (
    OPTION,
    PublishedConfig,
    Told,
    refuse_lacking,
)

POSITIONS = "positional_emb.embedding.weight"


def from_shapes(state: Weights, told: Told, file: Path) -> PublishedConfig:
    """The arguments a file was made with.

    Args:
        state: of the file, or its header; with the names of a single block.
        told: what the user says.
        file: for messages.

    Raises:
        MechprobeError: something is neither told nor to be seen, or what is told contradicts the
            shapes.
    """
    rows, d = _matrix(state, "semantic_emb.weight", file)
    p, _ = _matrix(state, "fc1.weight", file)
    linear = "token_mixer.A" in state
    if linear != (told.attention_input == "linear") and told.attention_input is not None:
        held = "token_mixer.A, a constant matrix" if linear else "token_mixer.Q and .K"
        raise MechprobeError(
            f"{file}: {OPTION} says attention_input={told.attention_input}, the file has {held}"
        )
    seen = _matrix(state, POSITIONS, file)[0] if POSITIONS in state else None
    if seen is None and linear:
        seen = _matrix(state, "token_mixer.A", file)[0] - int(bool(told.bos))
    length = told.L if seen is None else seen
    lacking = {
        "T": (told.T is None and told.bos is None, str(rows)),
        "L": (length is None, "10"),
        "softmax": (told.softmax is None, "yes"),
        "attention_input": (told.attention_input is None and not linear, "only_sem"),
        "sampler": (told.sampler is None, "partition"),
    }
    refuse_lacking({name: value for name, (lacks, value) in lacking.items() if lacks}, file)
    if told.L not in (None, length):
        raise MechprobeError(f"{file}: {OPTION} says L={told.L}, its shapes say L={length}")
    T = rows - int(bool(told.bos)) if told.T is None else told.T
    bos = rows == T + 1 if told.bos is None else told.bos
    if rows != T + int(bos):
        raise MechprobeError(
            f"{file}: {OPTION} says T={T}{'' if told.bos is None else f' and bos={bos}'}, but"
            f" semantic_emb.weight has {rows} rows: T of them, and one more with BOS"
        )
    return PublishedConfig.read(
        {
            "T": T,
            "seq_len": length,
            "model_dim": d,
            "p": p,
            "attention_input": "linear" if linear else told.attention_input,
            "no_softmax": not told.softmax,
            "dataset_type": _dataset(bos, told.sampler == "uniform"),
        },
        str(file),
    )


def _dataset(bos: bool, uniform: bool) -> str:
    """The published name; a uniform sampler with BOS has none, and is asked for afterwards."""
    if bos:
        return "backward_BOS"
    return "forward" if uniform else "backward"


def _matrix(state: Weights, name: str, file: Path) -> tuple[int, int]:
    if name not in state:
        raise MechprobeError(f"{file}: {name} missing from the state dict")
    shape = tuple(state[name].shape)
    if len(shape) != 2:
        raise MechprobeError(f"{file}: {name} has shape {shape}, a matrix is wanted")
    return shape[0], shape[1]
