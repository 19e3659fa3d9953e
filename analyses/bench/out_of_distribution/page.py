"""The page: what was done, the numbers, and what they say; written anew by the command."""

from collections.abc import Iterator
from textwrap import fill

import numpy as np
import pandas as pd

from mechprobe.analyses.bench.out_of_distribution.contrast import Contrast, contrast
from mechprobe.analyses.bench.out_of_distribution.plan import Plan
from mechprobe.analyses.bench.out_of_distribution.table import SOLVED
from mechprobe.probes.draws import generator

RELATION = "relation-based"
OUTCOMES = {
    "withheld": "withheld cells",
    "right at -2": "two positions shorter",
    "right at +2": "two positions longer",
    "uniform": "uniform sampler",
}
STRATA = {
    "all together": (),
    "within an architecture": ("architecture",),
    "within an architecture and p": ("architecture", "p"),
}
FEW = 0.05  # probability above which nothing is said to differ


def page(plan: Plan, models: pd.DataFrame, anchors: pd.DataFrame, seed: int) -> str:
    """The page in Markdown.

    Args:
        plan: what was trained.
        models: a row a model.
        anchors: the same of constructions, which are built and not trained.
        seed: of resampling.
    """
    solved = models[(models["seen"] >= SOLVED) & (models["label"] != "unsolved")]
    found = dict(contrasts(solved, seed))
    lines = [
        "# Does the label predict behaviour out of distribution?",
        "",
        "    mechprobe bench out-of-distribution --out runs/out_of_distribution",
        "",
        "The command writes this page and its picture. A stopped run goes on where it was.",
        "",
        "## What is asked",
        "",
        "A label says how a model counts on sequences like those it was trained on. If that is an"
        " algorithm, it should say what the model does elsewhere. The sharpest question: some"
        " (token, count) cells never occur in training. A counter that tokens share has seen that"
        " count with other tokens and should answer; a look-up of each token's own has not.",
        "",
        f"{len(models)} models: {', '.join(plan.architectures)}; T={plan.T}, L={plan.L},"
        f" d in {plan.widths}, p in {plan.neurons}, seeds 0 to {plan.seeds - 1},"
        f" {plan.training.steps} steps of {plan.training.batch}, peak rate {plan.training.lr:g},"
        " cosine. Each shape and seed is trained twice: *lacking*, where half of the tokens never"
        " have one count drawn from 2 to L - 2 (sequences that hold such a cell are left out), and"
        " *whole*. Lacking models are asked about withheld cells, whole ones about other lengths"
        " and independent tokens. Right answers are counted where the count is one that training"
        " had. Mixing by a constant matrix has no other lengths.",
        "",
        f"Asked are models with at least {100 * SOLVED:.0f} % right on what they saw and a label"
        f" other than unsolved: {len(solved)} of {len(models)}.",
        "",
        "## What came out",
        "",
        *(f"- {sentence}" for sentence in said(solved, found)),
        "",
        "![Right answers on withheld cells, on longer and shorter sequences and under the uniform"
        " sampler, by label and architecture](images/out_of_distribution.png)",
        "",
        "## Does being relation-based make a difference?",
        "",
        "Mean share of right answers of relation-based models less that of all other solved ones,"
        " averaged over strata. Brackets: 95 % of 2,000 bootstrap samples of models within strata."
        " p: share of 2,000 exchanges of labels within strata with so large a difference.",
        "",
        *_contrast_table(found),
        "",
        "## By label",
        "",
        *_markdown(by_label(solved)),
        "",
        "By neurons: right on withheld cells.",
        "",
        *_markdown(by_neurons(solved)),
        "",
        "## Constructions",
        "",
        "Built with known mechanism, not trained; an anchor for lengths and samplers.",
        "",
        *_markdown(anchors),
        "",
        "## When it misleads",
        "",
        "- Labels are not dealt out by chance: architecture and p decide much of them. The rows"
        " within both compare like with like, and few strata have both groups.",
        "- A lacking model's label is measured on all cells, the withheld ones included.",
        "- A withheld count lies between counts that the token had: a look-up may interpolate.",
        "- One size of task, one schedule. Unsolved models are left out.",
    ]
    return "\n".join(_wrapped(line) for line in lines) + "\n"


def _wrapped(line: str) -> str:
    """Prose at the width of the other pages; tables, pictures and code as they are."""
    if line.startswith(("|", "!", "    ", "#")):
        return line
    return fill(line, 110, subsequent_indent="  " * line.startswith("- "))


def contrasts(solved: pd.DataFrame, seed: int) -> Iterator[tuple[tuple[str, str], Contrast | None]]:
    """Of every outcome in every choice of strata."""
    for outcome in OUTCOMES:
        some = solved[solved[outcome].notna()] if outcome in solved else solved[:0]
        group = (some["label"] == RELATION).to_numpy(dtype=bool)
        for name, strata in STRATA.items():
            source = generator(seed, f"{outcome}/{name}")
            yield (outcome, name), contrast(some, outcome, group, strata, source)


def said(solved: pd.DataFrame, found: dict[tuple[str, str], Contrast | None]) -> Iterator[str]:
    """The findings, a sentence each, from the numbers alone."""
    last = list(STRATA)[-1]
    for outcome, title in OUTCOMES.items():
        raw, fair = found[outcome, "within an architecture"], found[outcome, last]
        if raw is None:
            yield f"{title[0].upper()}{title[1:]}: no architecture has both kinds of models."
            continue
        verdict = "differ" if raw.chance <= FEW else "do not differ measurably"
        more = "; with p equal as well there is nothing to compare"
        if fair is not None:
            also = "they still do" if fair.chance <= FEW else "they do not measurably"
            more = f"; with p equal as well {also} ({fair.effect:+.2f}, p = {fair.chance:.2g})"
        yield (
            f"{title[0].upper()}{title[1:]}: within an architecture, relation-based models and"
            f" others {verdict} ({raw.effect:+.2f}, {raw.low:+.2f} to {raw.high:+.2f},"
            f" p = {raw.chance:.2g}){more}."
        )
    cells = solved[solved["withheld"].notna()]
    means = cells.groupby(cells["label"] == RELATION)["withheld"].mean()
    if True in means.index:
        yield (
            f"A shared counter is no guarantee: relation-based models answer"
            f" {100 * means[True]:.0f} % of the withheld cells."
        )
    looked = cells[cells["label"] == "inventory-based"].groupby("architecture")["withheld"].mean()
    if len(looked):
        listed = ", ".join(f"{name} {100 * value:.0f} %" for name, value in looked.items())
        yield f"Nor does a look-up always fail: inventory-based models answer {listed}."
    few = cells.groupby("p")["withheld"].mean()
    if len(few) > 1:
        listed = ", ".join(f"p={p} {100 * value:.0f} %" for p, value in few.items())
        yield f"The number of neurons: {listed} of the withheld cells are answered."


def by_label(solved: pd.DataFrame) -> pd.DataFrame:
    """Means of every architecture and label."""
    columns = {**OUTCOMES, "off at +2": "off by, longer", "greatest at +2": "greatest for more"}
    known = {name: title for name, title in columns.items() if name in solved}
    grouped = solved.groupby(["architecture", "label"])
    table = grouped[list(known)].mean()
    table.columns = pd.Index(known.values())
    table.insert(0, "models", grouped.size())
    return table.reset_index()


def by_neurons(solved: pd.DataFrame) -> pd.DataFrame:
    """Right on withheld cells for every architecture and p."""
    some = solved[solved["withheld"].notna()]
    table = some.pivot_table(index="architecture", columns="p", values="withheld")
    table.columns = pd.Index([f"p={p}" for p in table.columns])
    return table.reset_index()


def _contrast_table(found: dict[tuple[str, str], Contrast | None]) -> list[str]:
    lines = ["| asked | compared | difference | p | models | strata |", "|---|---|---|---|---|---|"]
    for (outcome, strata), one in found.items():
        told = "– | – | – | 0"
        if one is not None:
            told = (
                f"{one.effect:+.2f} ({one.low:+.2f} to {one.high:+.2f}) | {one.chance:.2g} |"
                f" {one.ones} and {one.zeros} | {one.strata}"
            )
        lines.append(f"| {OUTCOMES[outcome]} | {strata} | {told} |")
    return lines


def _markdown(table: pd.DataFrame) -> list[str]:
    def cell(value: object) -> str:
        if isinstance(value, float):
            return "–" if np.isnan(value) else f"{value:.2f}"
        return str(value)

    head = [str(name) for name in table.columns]
    rows = [[cell(value) for value in row] for row in table.itertuples(index=False)]
    return ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]
