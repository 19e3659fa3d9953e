"""The attention axis, which labels of several tasks share."""

from typing import Literal

from mechprobe.probes.axes import Axis, Kind

AttentionKind = Literal["semantic", "positional", "mixed", "uninformed"]

ATTENTION = Axis(
    "attention",
    "Attention",
    {
        "semantic": Kind(
            "Where attention goes depends on which tokens stand there.",
            "semantic attention",
            "#009e73",
        ),
        "positional": Kind(
            "Where attention goes depends on the positions alone.",
            "positional attention",
            "#56b4e9",
        ),
        "mixed": Kind(
            "Where attention goes depends on tokens and on positions.",
            "mixed attention",
            "#cc79a7",
        ),
        "uninformed": Kind(
            "Where attention goes depends on neither tokens nor positions: every position is"
            " treated alike.",
            "uninformed attention",
            "#8a929b",
        ),
    },
)
