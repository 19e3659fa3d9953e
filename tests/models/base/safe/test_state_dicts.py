"""State dicts inside dictionaries, under prefixes, of mixed types."""

import pytest
import torch

from mechprobe.models import MechprobeError
from mechprobe.models.base.safe.state_dicts import fitting, state_dict_of
from mechprobe.models.base.safe.told import listening, tell

PLAIN = {"a.w": torch.ones(2), "b.w": torch.ones(3)}
OPTIMISER = {"state": {0: {"step": torch.ones(())}}, "param_groups": [{"lr": 0.1}]}


def wants(names, dtype=None):
    """A check as a reader's."""

    def check(weights):
        if set(weights) != set(names):
            raise MechprobeError(f"found {', '.join(sorted(weights))}")
        if dtype and any(w.dtype != dtype for w in weights.values()):
            raise MechprobeError("one type is wanted")

    return check


# -- dictionaries -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("holder", "way"),
    [
        ({"state_dict": PLAIN, "epoch": 3, "optimizer_states": [OPTIMISER]}, "state_dict"),
        ({"model": PLAIN, "optimizer": OPTIMISER, "iter_num": 9}, "model"),
        ({"model_state_dict": PLAIN, "optimizer_state_dict": OPTIMISER}, "model_state_dict"),
        ({"model": PLAIN, "ema": {**PLAIN}}, "model"),
        ({"ema": PLAIN, "optimizer": OPTIMISER}, "ema"),
        ({"model": {"state_dict": PLAIN}, "args": {"lr": 1}}, "model / state_dict"),
        ({"counter": PLAIN, "optimizer": OPTIMISER}, "counter"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_state_dict_in_a_dictionary(holder, way):
    found, said = state_dict_of(holder)
    assert found is PLAIN
    (sentence,) = said
    assert sentence.startswith(f"the state dict under {way} was taken")
    assert all(name in sentence for name in holder if name not in way)


def test_a_plain_one_is_itself_and_nothing_is_said():
    assert state_dict_of(PLAIN) == (PLAIN, [])
    assert state_dict_of({}) == ({}, [])


@pytest.mark.parametrize(
    ("holder", "said"),
    [
        ({"model": PLAIN, "state_dict": PLAIN}, r"several state dicts \(model, state_dict\)"),
        ({"generator": PLAIN, "critic": PLAIN}, r"several state dicts \(generator, critic\)"),
        ({"ema": PLAIN, "swa_model": PLAIN}, r"several state dicts \(ema, swa_model\)"),
        ({"optimizer": OPTIMISER, "epoch": 1}, "no state dict, only optimizer, epoch"),
        ({"model": {}, "epoch": 1}, "no state dict, only model, epoch"),
        ({"model": {"model": {"model": {"model": {"model": PLAIN}}}}}, "deeper than 4 levels"),
    ],
)
def test_what_is_not_clear_is_refused(holder, said):
    with pytest.raises(MechprobeError, match=said):
        state_dict_of(holder)


# -- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ("_orig_mod.{}", "_orig_mod dropped from names"),
        ("module.{}", "the prefix module. dropped from all names"),
        ("module._orig_mod.model.{}", "the prefix module.model. dropped from all names"),
        ("my_counter.{}", "the prefix my_counter. dropped from all names"),
    ],
)
def test_prefixes_are_dropped_where_the_check_wants_it(theirs, said):
    header = {theirs.format(name): w for name, w in PLAIN.items()}
    way = fitting(header, wants(PLAIN))
    assert way.of(header) == PLAIN
    assert said in way.said
    # A reader that knows the names as they are gets them.
    assert fitting(header, wants(header)).said == ()


def test_a_mark_within_names_and_a_counter_beside_them_are_dropped():
    header = {"module.a._orig_mod.w": PLAIN["a.w"], "module.b.w": PLAIN["b.w"]}
    way = fitting({"n_averaged": torch.ones((), dtype=torch.int64), **header}, wants(PLAIN))
    assert dict(way.names) == {"a.w": "module.a._orig_mod.w", "b.w": "module.b.w"}
    assert "n_averaged left aside: the weights are an average" in way.said


def test_names_that_would_become_one_stay():
    header = {"a._orig_mod.w": PLAIN["a.w"], "a.w": PLAIN["b.w"]}
    with pytest.raises(MechprobeError, match=r"found a\._orig_mod\.w, a\.w"):
        fitting(header, wants(["a.w"]))


def test_what_is_told_of_a_wrapped_model_is_wrong_with_the_model():
    header = {f"module.{name}": w for name, w in PLAIN.items()}
    with pytest.raises(MechprobeError, match=r"^found a\.w, b\.w$"):
        fitting(header, wants(["a.w", "c.w"]))
    with pytest.raises(MechprobeError, match=r"^found other\.a$"):
        fitting({"other.a": PLAIN["a.w"]}, wants(["b"]))


def test_shared_tensors_have_both_names():
    way = fitting({"a": PLAIN["a.w"]}, wants(["a", "b"]), {"b": "a"})
    assert way.names == {"a": "a", "b": "a"}
    assert way.said == ("stored once: b is a",)
    assert fitting({"a": PLAIN["a.w"]}, wants(["a"]), {"b": "a"}).said == ()


# -- types --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("types", "widest"),
    [
        (("bfloat16", "float32"), "float32"),
        (("bfloat16", "float16"), "float32"),
        (("float32", "float64"), "float64"),
    ],
)
def test_mixed_types_become_the_one_that_holds_all(types, widest):
    header = {name: torch.ones(2, dtype=getattr(torch, name)) for name in types}
    header["ids"] = torch.ones(2, dtype=torch.int64)

    def check(weights):
        wants(types, getattr(torch, widest))({n: w for n, w in weights.items() if n != "ids"})

    way = fitting(header, check)
    assert way.of(header)["ids"].dtype == torch.int64
    assert way.said == (f"types are mixed ({', '.join(types)}): all read as {widest}",)
    assert fitting(header, lambda weights: None).dtype is None


# -- sentences ----------------------------------------------------------------------------------


def test_sentences_reach_the_listener_once():
    tell("nobody listens")
    with listening() as outer:
        tell("a")
        with listening() as inner:
            tell("b")
        tell("a")
    assert (outer, inner) == (["a"], ["b"])
