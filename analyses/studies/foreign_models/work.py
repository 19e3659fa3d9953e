"""Models made elsewhere, probed through the foreign path and natively, with the same numbers.

    python -m mechprobe.analyses.studies.foreign_models.work --out FOLDER [--steps 2000] [--seed 0]

Trains a small model of TransformerLens's `boot_native` on the histogram task (T=8, L=6), compiles
a counter by hand, saves both as folders, and labels and probes each twice: read from its folder
as a foreign model, and with the same weights as one of our transformers. Prints the labels and
the largest difference of any number. Exit code 1 where the trained model is right at less than
97 %, the compiled counter is not labelled relation-based with semantic attention, or numbers
differ by more than 1e-4; 2 for bad input. A model that FOLDER holds whole is not trained again.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mechprobe import models
from mechprobe.models import ForeignTransformer, HookedTransformer, MechprobeError, TaskDescription
from mechprobe.models.base.parallel import one_thread
from mechprobe.models.families.foreign import (
    compiled_counter,
    to_native,
    train_boot_native,
)
from mechprobe.probes import MechanismLabel, all_probes, context_for
from mechprobe.probes.labelling import label_in

T, L = 8, 6
TRAINED, COMPILED = "trained", "compiled"
ACCURACY, DIFFERENCE = 0.97, 1e-4


@dataclass(frozen=True)
class Reading:
    """What is said of a model: its label and every number by name."""

    verdict: MechanismLabel
    numbers: dict[str, float | None]


@dataclass(frozen=True)
class Comparison:
    """One model read twice.

    Attributes:
        name: of the model.
        foreign, native: its labels through the two paths.
        difference: the largest of any number, absolute where numbers are below 1, else relative.
        where: the number that differs most.
    """

    name: str
    foreign: MechanismLabel
    native: MechanismLabel
    difference: float
    where: str

    @property
    def same(self) -> bool:
        """Whether both paths say the same."""
        words = [
            (v.mechanism, v.attention, v.counters, tuple(v.tokens))
            for v in (self.foreign, self.native)
        ]
        return words[0] == words[1] and self.difference <= DIFFERENCE

    def __str__(self) -> str:
        def words(verdict: MechanismLabel) -> str:
            sure = f"{verdict.confidence:.2f}"
            return f"{verdict.mechanism}, {verdict.attention} attention, confidence {sure}"

        return (
            f"{self.name}: accuracy {self.foreign.accuracy:.4f}\n"
            f"  foreign: {words(self.foreign)}\n"
            f"  native:  {words(self.native)}\n"
            f"  largest difference of a number: {self.difference:.1e} ({self.where})"
        )


def read(model: HookedTransformer, seed: int) -> Reading:
    """Label a model and run every probe that applies."""
    context = context_for(model, seed=seed)
    verdict = label_in(context)
    numbers: dict[str, float | None] = {
        "confidence": verdict.confidence,
        "agreement": verdict.agreement,
        **{f"evidence {name}": metric.value for name, metric in verdict.evidence.items()},
    }
    applying = [p for p in all_probes().values() if p.why_not(model, context.task) is None]
    for probe in tqdm(applying, desc="probe", unit="probe", leave=False):
        metrics = probe.on(context).metrics
        numbers |= {f"{probe.name} {name}": metric.value for name, metric in metrics.items()}
    return Reading(verdict, numbers)


def compare(name: str, model: ForeignTransformer, seed: int = 0) -> Comparison:
    """Read a model through the foreign path and natively.

    Raises:
        MechprobeError: it cannot be loaded natively.
    """
    one, other = read(model, seed), read(to_native(model), seed)
    pairs = {n: (one.numbers.get(n), other.numbers.get(n)) for n in one.numbers | other.numbers}
    differences = {n: _difference(*pair) for n, pair in pairs.items()}
    where = max(differences, key=lambda n: differences[n])
    return Comparison(name, one.verdict, other.verdict, differences[where], where)


def trained(folder: Path, steps: int, seed: int) -> ForeignTransformer:
    """The trained model, as its folder holds it; trained and saved where there is none yet, one of
    other settings or a damaged one.

    Raises:
        MechprobeError: the folder cannot be written, or holds something else.
    """
    description = TaskDescription.of(L=L, tokens=range(T), bos=T)
    meta: dict[str, Any] = {"trained": {"steps": steps, "seed": seed}}
    if (kept := _kept(folder, meta)) is not None:
        return kept
    models.save(train_boot_native(description, steps=steps, seed=seed), folder, meta)
    return load_foreign(folder)


def load_foreign(folder: Path) -> ForeignTransformer:
    """As `models.load`, where only a foreign model will do."""
    model = models.load(folder)
    assert isinstance(model, ForeignTransformer)
    return model


def _kept(folder: Path, meta: Mapping[str, Any]) -> ForeignTransformer | None:
    try:
        return load_foreign(folder) if models.read_meta(folder) == meta else None
    except MechprobeError:
        return None


def _difference(one: float | None, other: float | None) -> float:
    if one is None or other is None:
        return 0.0 if one == other else np.inf
    return 0.0 if one == other else abs(one - other) / max(1.0, abs(one), abs(other))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, compile, save, read twice, print; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for both models")
    parser.add_argument("--steps", type=int, default=2000, help="of training")
    parser.add_argument("--seed", type=int, default=0, help="of training and probes")
    chosen = parser.parse_args(arguments)
    one_thread()
    try:
        if chosen.steps < 1:
            raise MechprobeError(f"--steps {chosen.steps}: at least 1 is wanted")
        if not 0 <= chosen.seed < 2**31:
            raise MechprobeError(f"--seed {chosen.seed}: a number from 0 to 2^31 - 1 is wanted")
        models.save(compiled_counter(T, L), chosen.out / COMPILED, {"compiled": {"T": T, "L": L}})
        found = [
            compare(TRAINED, trained(chosen.out / TRAINED, chosen.steps, chosen.seed), chosen.seed),
            compare(COMPILED, load_foreign(chosen.out / COMPILED), chosen.seed),
        ]
    except MechprobeError as error:
        print(f"mechprobe: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mechprobe: stopped; the same command goes on where it was", file=sys.stderr)
        return 130
    for comparison in found:
        print(comparison)
    control = found[1].foreign
    met = [
        (found[0].foreign.accuracy or 0) >= ACCURACY,
        (control.mechanism, control.attention) == ("relation-based", "semantic"),
        *(comparison.same for comparison in found),
    ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
