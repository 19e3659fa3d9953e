"""How often labels of trained models near the borders change when nothing that matters does.

    mechprobe bench stability --out DIR [--models 40]

Labels models that were trained towards a causal model and models that were trained to count and
to nothing else, takes those of least confidence, half of either sort, and labels them again under
every disturbance. Writes flips.csv; exit code 1 where more than 2 % of the labels change, or one of
a confidence of .8 and more. What is there already is kept: the same command goes on.
"""

from pathlib import Path

import pandas as pd

from mechprobe.analyses.bench.siit.store import by_name
from mechprobe.analyses.bench.stability.job import First, Look, Shake, Shaken, Subject
from mechprobe.analyses.common.resume import finish
from mechprobe.models import ARCHITECTURES
from mechprobe.models.base.files import write_text
from mechprobe.models.tasks import HistogramTask
from mechprobe.probes.labelling import rule_version

MOST_FLIPS, SURE = 0.02, 0.8
WIDTHS = (8, 14, 24)  # d of ordinary models, and their p: around T=16, where mechanisms change
VERSION = 1


def ordinary() -> list[Subject]:
    """Models trained to count, of widths around the size of the alphabet."""
    return [
        Subject(architecture=architecture, T=16, L=6, d=d, p=p, seed=3 * i + j)
        for architecture in ARCHITECTURES
        for i, d in enumerate(WIDTHS)
        for j, p in enumerate(WIDTHS)
    ]


def flips(first: dict[Subject, Look], shaken: dict[Subject, Shaken]) -> pd.DataFrame:
    """One row a try: model, disturbance, label before and after, confidence before."""
    return pd.DataFrame(
        [
            {
                "model": subject.name or repr(subject),
                "trained towards": "a causal model" if subject.name else "counting alone",
                "disturbance": disturbance,
                "before": first[subject].kind,
                "after": kind,
                "confidence": first[subject].confidence,
                "flipped": kind != first[subject].kind,
            }
            for subject, found in shaken.items()
            for disturbance, kinds in found.kinds.items()
            for kind in kinds
        ]
    )


def borders(first: dict[Subject, Look], number: int) -> list[Subject]:
    """The models of least confidence, half of either sort as far as there are enough."""
    chosen: list[Subject] = []
    for packaged in (True, False):
        group = [subject for subject in first if bool(subject.name) == packaged]
        chosen += sorted(group, key=lambda subject: first[subject].confidence)[: number // 2]
    return chosen


def report(table: pd.DataFrame) -> bool:
    """Print flips by disturbance; whether the demands are met."""
    for name, rows in table.groupby("disturbance", sort=False):
        sure = int((rows.flipped & (rows.confidence >= SURE)).sum())
        print(
            f"{name:28s} {rows.flipped.sum():3d} of {len(rows):3d} labels change"
            f" ({rows.flipped.mean():.1%}), {sure} of a confidence of {SURE} and more"
        )
    bad = table[table.flipped & (table.confidence >= SURE)]
    print(f"all: {table.flipped.mean():.1%}; {len(bad)} of a confidence of {SURE} and more")
    for row in bad.itertuples():
        print(f"  {row.model}: {row.before} ({row.confidence:.2f}), {row.disturbance}: {row.after}")
    return bool(table.flipped.mean() <= MOST_FLIPS and bad.empty)


def run(folder: Path, models: int) -> int:
    """Label, disturb, label again, write and print; 1 where a demand is missed.

    Args:
        folder: of the results; each version of the rule has one of its own in it.
        models: to disturb.
    """
    # Labels of another rule are no news of this one.
    out = folder / rule_version(HistogramTask(4, 4))
    everyone = [Subject(name=name) for name in by_name()] + ordinary()
    found = finish(out, [First(one) for one in everyone], "first labels", VERSION)
    first = {job.subject: look for job, look in found.items()}
    chosen = borders(first, models)
    again = finish(out, [Shake(one) for one in chosen], "disturbed", VERSION)
    table = flips(first, {job.subject: one for job, one in again.items()})
    write_text(out / "flips.csv", table.to_csv(index=False))
    met = report(table)
    print(f"wrote {out / 'flips.csv'}")
    return 0 if met else 1
