"""The axes of labels of models that count, and what their kinds mean."""

from typing import Literal

from mechprobe.probes.attention import ATTENTION
from mechprobe.probes.axes import Axis, Item, Kind

Mechanism = Literal[
    "relation-based", "inventory-based", "mixed", "opposed", "positional", "other", "unsolved"
]
TokenKind = Literal["shared", "private", "partial", "opposed", "silent"]

COUNTING = Axis(
    "counting",
    "Mechanism",
    {
        "relation-based": Kind(
            "The count lies along a direction that all tokens share: one counter (or a few), read"
            " for every token in the same way.",
            "relation-based counting",
            "#0072b2",
        ),
        "inventory-based": Kind(
            "The count of each token lies along a direction of that token's own, and is looked up"
            " there token by token: there are about as many counters as tokens.",
            "inventory-based counting",
            "#e69f00",
        ),
        "mixed": Kind(
            "Between the two: some tokens share a counter and others have their own, or tokens"
            " follow each other's counts in part, or the causal checks disagree; the reasons say"
            " which.",
            "mixed counting",
            "#cc79a7",
        ),
        "opposed": Kind(
            "Tokens write their counts along a common direction, but each reads the others' with"
            " the opposite sign: another token's count lowers the answer. Taking out what they have"
            " in common costs the model its accuracy.",
            "opposed counting",
            "#d55e00",
        ),
        "positional": Kind(
            "The count is read from which positions attention comes, whatever tokens stand there:"
            " the answers stay right when every value is the mean over tokens at its position, and"
            " are lost when positions look alike too.",
            "positional counting",
            "#56b4e9",
        ),
        "other": Kind(
            "The model counts, but none of the known mechanisms explains it. The reason says which"
            " were ruled out, and by which numbers.",
            "counting by another mechanism",
            "#8b4513",
        ),
        "unsolved": Kind(
            "The model does not count well enough to have a counting mechanism. Its evidence is"
            " shown all the same: it may lean one way.",
            "counting unsolved",
            "#5f6770",
        ),
    },
)
AXES = (COUNTING, ATTENTION)

# Kinds of tokens, in the order that legends list them.
TOKENS: dict[str, Item] = {
    item.kind: item
    for item in (
        Item("shared", "S", "follows the count written for other tokens", "#0072b2"),
        Item("private", "P", "follows its own count only", "#e69f00"),
        Item("partial", "½", "follows others' counts in part", "#cc79a7"),
        Item("opposed", "−", "moves against others' counts", "#d55e00"),
        Item("silent", "0", "does not follow even its own count", "#5f6770"),
    )
}
