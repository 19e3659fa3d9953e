"""Values that programs stumble over, in place of the right ones."""

from random import Random
from typing import Any

# What stands in JSON, TOML or a cell of a table in place of the right value.
SCALARS: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 99, 2**31, 2**63, 10**30, -(10**9), 0.5, -0.0, 8.0, 6.5,
    1e-300, 1e300, "", " ", "6", "-1", "nan", "bos", "../x", "/dev/zero", "\x1b[2J", "\u202etxt",
    "a\x00b", "two\nlines", "x" * 5000, "<script>alert(1)</script>", [], {}, [[]], [-5], ["a"],
    {"a": 1}, [1, 2, 3], [None], list(range(300)),
)  # fmt: skip
# Raw JSON that no writer of ours makes.
RAW = ("NaN", "-Infinity", "1e999", "9" * 5000, "[" * 500 + "]" * 500, '"\\ud800"', "tru", "01")
# Words of a command line in place of the right one.
WORDS = (
    "", " ", "-", "--", "-1", "0", "1", "2.5", "nan", "inf", "-inf", "1e309", "9" * 5000, "1,2,3",
    "1,,2", "4,4", "0:1:3", "1:0:2", "::", "0.1:0.2:1", "T=4", "T=4,L=3", "T=4,T=5", "=", "all",
    "bos", "dot", "bos+sftm", "x" * 5000, "\x1b[31mred", "\u202eabc", "\u200b", "ä", "\udcff",
    "../x", "/", "/dev/zero", "/dev/null", "/proc/self/mem", "~", ".", "..", "a/b/c", "{}", "[]",
    "'", '"', "$(id)", "%s", "{0}", "\\", "a b",
)  # fmt: skip

NAMES = ("", "x", "T", "schema_version", "../x", "é", "x" * 300, "\x1b[2J", "a.b")


def a_word(rng: Random) -> str:
    """One of the words, or a few characters of any kind."""
    if rng.random() < 0.7:
        return rng.choice(WORDS)
    # No command line holds the null character, nor half of a surrogate pair.
    points = (rng.choice((rng.randint(1, 126), rng.randint(127, 0xD7FF))) for _ in range(8))
    return "".join(map(chr, points))[: rng.randint(0, 8)]
