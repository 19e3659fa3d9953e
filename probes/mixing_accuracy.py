"""How far answers after interchanges are those of causal models of attention, with controls.

One place for models that count and for students of a teacher, for probes and for labels. What a
model of attention says is in `models/tasks/mixing_models.py`.
"""

from collections.abc import Mapping

from mechprobe.models.tasks.mixing_models import MIXING
from mechprobe.probes.attention import AttentionKind
from mechprobe.probes.controls import CONTROLS, largest_control, named_with

NAMES = tuple(model.name for model in MIXING)
HALF = 0.5  # accuracy below which a causal model does not describe a network
EQUAL = 0.02  # by which accuracies differ at most of models that do equally well
AHEAD = 0.05  # by which another causal model is better, or an untrained network as good

BESIDE = {
    "untrained": "in an untrained network",
    "shuffled": "with shuffled positions",
}
Numbers = Mapping[str, float | None]  # by the names of `told`


def told(what: str, random: str) -> dict[str, str]:
    """What is told, each number followed by its controls: by name, in words.

    Args:
        what: the numbers are, up to the causal model that they are of.
        random: what the random control is.
    """
    plain = {name: f"{what} {name} attention" for name in NAMES}
    return named_with(plain, BESIDE | {"random": random})


def joined(found: Numbers, controls: Mapping[str, Numbers]) -> Numbers:
    """Every number of a network, and under `name_control` the same of each control."""
    return {
        **found,
        **{f"{name}_{c}": value for c in CONTROLS for name, value in controls[c].items()},
    }


def nothing() -> Numbers:
    """Where interchanges do not tell the causal models apart."""
    return dict.fromkeys(n + c for n in NAMES for c in ("", *(f"_{c}" for c in CONTROLS)))


def rivals(kind: str) -> list[str]:
    """Names of the causal models that one is compared with: mixed attention has both pure kinds as
    special cases and is none of their rivals."""
    pure = kind in ("positional", "semantic")
    return [name for name in NAMES if name != kind and not (pure and name == "mixed")]


def best(values: Mapping[str, float]) -> str:
    """Name of the causal model that does best; of those that do equally well the simplest."""
    most = max(values[name] for name in NAMES)
    return next(name for name in NAMES if values[name] >= most - EQUAL)


def better(numbers: Numbers, kind: str) -> str | None:
    """Name of a causal model that describes the network clearly better than the one that a label
    names; None where there is none."""
    values = _known(numbers)
    if kind not in values:
        return None
    first = best(values)
    return first if values[first] >= values[kind] + AHEAD else None


def sentence(numbers: Numbers, kind: AttentionKind, intro: str) -> str:
    """Accuracy of the causal model that a label names and of its rivals, each with the largest of
    its controls; empty where interchanges do not tell causal models apart.

    Args:
        numbers: by the names of `told`.
        kind: that the label names.
        intro: what stands before its name.
    """
    values = _known(numbers)
    if kind not in values:
        return ""

    def share(name: str) -> str:
        above = largest_control(name, numbers.__getitem__)
        return f"{name} attention {values[name]:.0%} (controls: at most {above:.0%})"

    text = f"{intro} {share(kind)}; of its rivals {', '.join(share(name) for name in rivals(kind))}"
    if other := better(numbers, kind):
        text += f"; by this {other} attention describes the network better"
    if max(values[name] for name in NAMES) < HALF:
        text += "; none of them describes the network"
    if values.get(f"{kind}_untrained", 0.0) >= 1 - AHEAD:
        text += "; an untrained network has it, too"
    elif values[kind] < largest_control(kind, numbers.__getitem__) + AHEAD:
        text += "; that is no more than a control has"
    return text


def _known(numbers: Numbers) -> dict[str, float]:
    return {name: value for name, value in numbers.items() if value is not None}
