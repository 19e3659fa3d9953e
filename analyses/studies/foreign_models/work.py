"""Train and compile models elsewhere, and read each through both paths."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mechprobe import models
from mechprobe.analyses.common.console import tell
from mechprobe.analyses.common.resume import Made, kept_or_made
from mechprobe.models import (
    ForeignTransformer,
    HookedTransformer,
    MechprobeError,
    TaskDescription,
)
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
    # An untrained network of another family is another network; its numbers are a control.
    names = [n for n in one.numbers | other.numbers if not n.endswith("_untrained")]
    pairs = {n: (one.numbers.get(n), other.numbers.get(n)) for n in names}
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
    kept_or_made(
        folder,
        {"trained": {"steps": steps, "seed": seed}},
        lambda _: Made(train_boot_native(description, steps=steps, seed=seed)),
    )
    return load_foreign(folder)


def load_foreign(folder: Path) -> ForeignTransformer:
    """As `models.load`, where only a foreign model will do."""
    model = models.load(folder)
    assert isinstance(model, ForeignTransformer)
    return model


def refuse_others_checkpoint(folder: Path, made: str) -> None:
    """Look whether a folder is free for a model of this study, or has one, be it damaged.

    Args:
        folder: for the checkpoint.
        made: the word by which the study's own say how they were made.

    Raises:
        MechprobeError: it holds a checkpoint that was made otherwise.
    """
    try:
        meta = models.read_meta(folder)
    except MechprobeError:  # nothing there, or what `save` replaces or refuses
        return
    if made not in meta:
        raise MechprobeError(
            f"{folder}: holds a checkpoint that this study did not make; choose another --out"
        )


def _difference(one: float | None, other: float | None) -> float:
    if one is None or other is None:
        return 0.0 if one == other else np.inf
    return 0.0 if one == other else abs(one - other) / max(1.0, abs(one), abs(other))


def run(out: Path, steps: int, seed: int) -> int:
    """Train, compile, save, read twice, print.

    Args:
        out: folder for both models.
        steps: of training.
        seed: of training and probes.

    Returns:
        The exit code, 1 where a demand is missed.

    Raises:
        MechprobeError: the folder cannot be written, or holds something else.
    """
    one_thread()
    for name in (COMPILED, TRAINED):
        refuse_others_checkpoint(out / name, name)
    models.save(compiled_counter(T, L), out / COMPILED, {"compiled": {"T": T, "L": L}})
    found = [
        compare(TRAINED, trained(out / TRAINED, steps, seed), seed),
        compare(COMPILED, load_foreign(out / COMPILED), seed),
    ]
    for comparison in found:
        tell(str(comparison))
    control = found[1].foreign
    met = [
        (found[0].foreign.accuracy or 0) >= ACCURACY,
        (control.mechanism, control.attention) == ("relation-based", "semantic"),
        *(comparison.same for comparison in found),
    ]
    return 0 if all(met) else 1
