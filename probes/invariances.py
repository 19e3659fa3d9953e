"""What a probe may say it does not see: the symmetries of counting models, by name."""

from collections.abc import Iterable

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.registry import nearest

__all__ = [
    "INVARIANCES",
    "all_but",
]

# Functions of the family's symmetries.py; "rotation" is residual_gl with an orthogonal matrix.
INVARIANCES = (
    "residual_gl",
    "rotation",
    "qk_gauge",
    "permute_neurons",
    "rescale_neurons",
    "split_neurons",
    "add_dead_neurons",
    "relabel_tokens",
    "shift_logits",
    "shift_scores",
)


def all_but(*names: str) -> tuple[str, ...]:
    """Every invariance save the named ones.

    Raises:
        MechprobeError: a name is unknown.
    """
    left_out = checked(names, "all_but")
    return tuple(name for name in INVARIANCES if name not in left_out)


def checked(names: Iterable[str], where: str) -> tuple[str, ...]:
    """The names as they are, if all are known.

    Args:
        names: invariances.
        where: what an error message starts with.

    Raises:
        MechprobeError: an unknown name, with the nearest spelling.
    """
    given = tuple(names)
    for name in given:
        if name not in INVARIANCES:
            raise MechprobeError(
                f"{where}: invariance {name!r} is unknown; {nearest(name, INVARIANCES)}"
            )
    return given
