"""Numbers of interchange interventions, each with its controls: one place for all tasks.

What would come out if there were nothing to find (Arora et al., arXiv:2402.12560)? Every probe and
label that states how well a causal model answers states the same number three times more, and
names it `name_control`.
"""

from collections.abc import Callable, Iterable, Mapping

CONTROLS = ("untrained", "shuffled", "random")


def named_with(plain: Mapping[str, str], controls: Mapping[str, str]) -> dict[str, str]:
    """Names and meanings of numbers, each followed by its controls.

    Args:
        plain: meaning by name.
        controls: what each of `CONTROLS` is, in words.
    """
    return {
        name + suffix: text + words
        for name, text in plain.items()
        for suffix, words in (("", ""), *((f"_{c}", f"; {controls[c]}") for c in CONTROLS))
    }


def largest_control(name: str, number: Callable[[str], float | None]) -> float:
    """The largest control of a number that is defined.

    Args:
        name: of the number.
        number: gives a number by its name, None for one that is not defined.
    """
    found = (number(f"{name}_{control}") for control in CONTROLS)
    return max(value for value in found if value is not None)


def best(names: Iterable[str], number: Callable[[str], float]) -> tuple[str, float]:
    """The causal model that answers most (of equals the first: the simplest), and the largest of
    its controls.

    Args:
        names: of the causal models, the simplest first.
        number: gives a number by its name.
    """
    found = max(names, key=number)
    return found, largest_control(found, number)
