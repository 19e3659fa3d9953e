"""The conformance kit passes every probe of ours and names the fault of broken ones."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from mechprobe.models import MechprobeError, construct
from mechprobe.models.base.registry import Registry
from mechprobe.probes import CountContext, Measurement, MetricSpec, all_probes, check_probe
from mechprobe.probes.conformance import differing
from mechprobe.probes.registry import Probe
from mechprobe.probes.registry import probe as register

VALUE = {"value": MetricSpec("a value", "1", 0, 1)}
COUNTER = itertools.count()


@pytest.mark.parametrize("name", all_probes())
def test_ours_conform(name: str) -> None:
    check_probe(all_probes()[name])


def good(context: CountContext) -> Measurement:
    """Accuracy, as an example."""
    return Measurement({"value": context.accuracy}, {"answers": context.logits[:4]})


def undeclared(context: CountContext) -> Measurement:
    """Returns a metric too many."""
    return Measurement({"value": 0.5, "extra": 1.0})


def missing(context: CountContext) -> Measurement:
    """Returns no metric."""
    return Measurement({})


def outside(context: CountContext) -> Measurement:
    """Leaves its range."""
    return Measurement({"value": 1.0 + 1e-6})


def infinite(context: CountContext) -> Measurement:
    """Divides by zero."""
    return Measurement({"value": float("-inf")})


def unsteady(context: CountContext) -> Measurement:
    """Has a memory."""
    return Measurement({"value": 1 / (1 + next(COUNTER))})


def unsteady_array(context: CountContext) -> Measurement:
    """Has a memory in an array."""
    return Measurement({"value": 0.5}, {"noise": np.array([next(COUNTER)])})


def mutating(context: CountContext) -> Measurement:
    """Trains on."""
    with torch.no_grad():
        context.model.blocks[0].mlp.b_out += 1
    return Measurement({"value": 0.5})


def hooking(context: CountContext) -> Measurement:
    """Forgets a hook."""
    context.model.add_hook("hook_embed", lambda resid, hook: resid)
    return Measurement({"value": 0.5})


def crashing(context: CountContext) -> Measurement:
    """Divides by zero in Python."""
    return Measurement({"value": 1 / 0})


def unwritable(context: CountContext) -> Measurement:
    """Has an infinity in an array, which JSON cannot say."""
    return Measurement({"value": 0.5}, {"odds": np.array([1.0, np.inf])})


def silent(context: CountContext) -> Measurement:
    return Measurement({"value": 0.5})


BROKEN: list[tuple[Callable[[CountContext], Measurement], str]] = [
    (undeclared, r"on bos\+sftm: metrics declared and returned differ in extra$"),
    (missing, "metrics declared and returned differ in value$"),
    (outside, r"metric value is 1\.000001, outside its range 0\.0 to 1\.0$"),
    (infinite, "metric value is -inf; use None for an undefined metric"),
    (unsteady, "two runs with the same seed differ in metric value"),
    (unsteady_array, "two runs with the same seed differ in array noise"),
    (mutating, "changes the model's weights"),
    (hooking, "leaves hooks on the model"),
    (crashing, r"on bos\+sftm: ZeroDivisionError: division by zero$"),
    (unwritable, "array odds is not the same after JSON"),
    (silent, "needs a docstring"),
]


@pytest.mark.parametrize(("measure", "fault"), BROKEN, ids=[m.__name__ for m, _ in BROKEN])
def test_broken_measures_are_named(
    measure: Callable[[CountContext], Measurement], fault: str, own_registry: Registry[Probe]
) -> None:
    made = register("broken", metrics=VALUE)(measure)
    with pytest.raises(MechprobeError, match=f"^probe broken: .*{fault}") as caught:
        check_probe(made)
    assert "\n" not in str(caught.value)


def test_a_good_probe_passes_until_an_attachment_breaks(own_registry: Registry[Probe]) -> None:
    made = register("mine", metrics=VALUE)(good)
    check_probe(made)
    made.figure(lambda result: Figure())
    made.words(lambda result: "So it is.")
    check_probe(made)

    def broken(result: object) -> Figure:
        raise KeyError("no such array")

    faults = [
        ("draw", broken, "figure raises KeyError: 'no such array'$"),
        ("draw", lambda result: "a picture", "figure is a str; a matplotlib Figure is wanted"),
        ("say", lambda result: 3, "words are a int; a string is wanted"),
        ("inapplicable", lambda model, task: "never", r"applies to none of bos\+sftm, dot-look"),
        ("inapplicable", lambda model, task: False, "condition returns False"),
    ]
    for attribute, value, fault in faults:
        kept = getattr(made, attribute)
        setattr(made, attribute, value)
        with pytest.raises(MechprobeError, match=f"^probe mine: .*{fault}"):
            check_probe(made)
        setattr(made, attribute, kept)
    check_probe(made)


def test_descriptions_and_parameters(own_registry: Registry[Probe]) -> None:
    blank = register("blank", metrics={"value": MetricSpec(" ")})(good)
    with pytest.raises(MechprobeError, match=r"^probe blank: metric value has no description$"):
        check_probe(blank)
    tuples = register("tuples", metrics=VALUE, parameters=lambda: {"doses": (1, 2)})(good)
    with pytest.raises(MechprobeError, match=r"provenance is not the same after JSON$"):
        check_probe(tuples)


def test_a_probe_for_some_models_is_checked_on_those(own_registry: Registry[Probe]) -> None:
    made = register("dot-only", metrics=VALUE)(outside)
    made.applies(lambda model, task: "has BOS" if task.bos else None)
    with pytest.raises(MechprobeError, match=r"^probe dot-only: on dot-lookup: metric value"):
        check_probe(made)


def test_differing_sees_every_part() -> None:
    probe = all_probes()["mutual-coherence"]
    model = construct("dot-frame", T=14, L=4)
    first, other = probe(model, seed=1), probe(model, seed=1)
    assert differing(first, other, 0.0) == []
    other.arrays["cosines"][0, 1] += 1e-4
    other.metrics["coherence"].unit = "metre"
    other.words = "else"
    assert differing(first, other, 1e-6) == ["words", "metric coherence", "array cosines"]
    del other.arrays["T"]
    assert "array T" in differing(first, other, 1.0)
