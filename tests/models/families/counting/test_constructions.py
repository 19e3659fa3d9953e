"""Hand-built models count at 100 %, have the sizes they are named for, and refuse the rest."""

import math
from functools import cache

import pytest
import torch

from mechprobe.models import (
    ARCHITECTURES,
    CONSTRUCTIONS,
    HookedTransformer,
    MechprobeError,
    construct,
)
from mechprobe.models.families.counting.constructions import (
    DIFFERENCE_SETS,
    Sizes,
    find_construction,
    harmonic_frame,
)
from mechprobe.models.families.counting.constructions.frames import find_frame
from mechprobe.models.tasks import HistogramTask

SIZES = [(8, 6), (16, 10), (32, 15)]
PLAIN = [name for name, found in CONSTRUCTIONS.items() if found.plant is None]
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
# No tabulated difference set has d < 8 and a coherence small enough for L = 6, and so on.
IMPOSSIBLE = {(name, size) for name in ("dot-frame", "bos-frame") for size in [(8, 6)]}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@cache
def sequences(T: int, L: int) -> dict[str, torch.Tensor]:
    """Both samplers' sequences, and a^k b^(L-k) in random order for random pairs and every k."""
    generator = seeded(17)
    pairs = torch.rand(40, T, generator=generator).argsort(-1)[:, :2]
    k = torch.arange(L + 1).view(1, -1, 1)
    first = torch.arange(L).view(1, 1, -1) < k
    two = torch.where(first, pairs[:, :1, None], pairs[:, 1:, None]).flatten(0, 1)
    order = torch.rand(two.shape, generator=generator).argsort(-1)
    return {
        "partition": HistogramTask(T=T, L=L).sample(1500, generator),
        "uniform": HistogramTask(T=T, L=L, sampler="uniform").sample(1500, generator),
        "two tokens": two.gather(1, order),
    }


def accuracies(model: HookedTransformer) -> dict[str, float]:
    task = model.config.task()
    found = {}
    for name, body in sequences(model.config.T, model.config.L).items():
        tokens = torch.nn.functional.pad(body, (int(model.config.bos), 0), value=model.config.T)
        with torch.no_grad():
            found[name] = task.accuracy(model(tokens), tokens)
    return found


@DTYPES
@pytest.mark.parametrize(("T", "L"), SIZES)
@pytest.mark.parametrize("name", PLAIN)
def test_counts_without_a_single_mistake(name, T, L, dtype):
    if (name, (T, L)) in IMPOSSIBLE:
        with pytest.raises(MechprobeError, match=f"T={T}, L={L}") as caught:
            construct(name, T=T, L=L, dtype=dtype)
        assert "\n" not in str(caught.value)
        return
    for seed in (0, 1):
        model = construct(name, T=T, L=L, seed=seed, dtype=dtype)
        assert model.cfg.dtype == dtype
        assert (model.config.T, model.config.L) == (T, L)
        assert accuracies(model) == {"partition": 1.0, "uniform": 1.0, "two tokens": 1.0}


def test_the_accuracy_above_can_be_less_than_one():
    """Negative control: a small change of the read-out costs accuracy."""
    model = construct("dot", T=8, L=6)
    with torch.no_grad():
        model.blocks[0].mlp.b_in += 0.3
    assert max(accuracies(model).values()) < 1.0


def test_there_is_a_construction_for_each_architecture():
    assert set(ARCHITECTURES) <= set(CONSTRUCTIONS)
    built = {name: construct(name, T=16, L=8).config.architecture for name in PLAIN}
    for name, architecture in built.items():
        assert name == architecture or name.startswith(f"{architecture}-"), name


@pytest.mark.parametrize(
    ("name", "neurons"),
    [("dot", 1), ("bos", 1), ("bos+sftm", 1), ("dot+sftm", 12), ("lin", 12), ("lin+sftm", 12)],
)
def test_the_six_have_d_equal_T_and_one_or_T_neurons(name, neurons):
    config = construct(name, T=12, L=7).config
    assert (config.d, config.p) == (12, neurons)
    assert config.architecture == name


@pytest.mark.parametrize("T", [2, 3, 7, 8, 15, 16, 31, 32, 63])
def test_the_binary_construction_has_logarithmic_width(T):
    model = construct("bos+sftm-binary", T=T, L=6)
    assert model.config.d == math.ceil(math.log2(T + 1)) + 2
    assert model.config.p == 1
    assert set(accuracies(model).values()) == {1.0}


@pytest.mark.parametrize("T", [2, 5, 32])
def test_the_circle_construction_has_width_four(T):
    model = construct("bos+sftm-circle", T=T, L=6)
    assert (model.config.d, model.config.p) == (4, 1)
    assert set(accuracies(model).values()) == {1.0}


def test_the_circle_refuses_more_tokens_than_its_temperature_separates():
    with pytest.raises(MechprobeError, match=r"T=400, L=10: codes in 2 dimensions overlap"):
        construct("bos+sftm-circle", T=400, L=10)


# -- frames -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("v", "members"), DIFFERENCE_SETS)
def test_every_difference_occurs_equally_often(v, members):
    differences = [(a - b) % v for a in members for b in members if a != b]
    occurrences = {residue: differences.count(residue) for residue in range(1, v)}
    k = len(members)
    assert len(set(members)) == k
    assert k * (k - 1) % (v - 1) == 0
    assert set(occurrences.values()) == {k * (k - 1) // (v - 1)}


@pytest.mark.parametrize(("v", "members"), DIFFERENCE_SETS)
def test_harmonic_frames_meet_the_welch_bound(v, members):
    """As complex vectors they reach it; as real ones they stay below it and span 2 k."""
    k = len(members)
    welch = math.sqrt((v - k) / (k * (v - 1)))
    frame = harmonic_frame(v, members)
    assert frame.shape == (2 * v, 2 * k)
    assert torch.linalg.matrix_rank(frame) == 2 * k
    gram = frame @ frame.T
    torch.testing.assert_close(gram.diagonal(), torch.ones(2 * v, dtype=torch.float64))
    assert (gram - gram.diag().diag()).abs().max() <= welch + 1e-12
    # |<a, b>| of complex vectors, from <a, b> and <a, i b> of the real ones.
    modulus = (gram[:v, :v] ** 2 + gram[:v, v:] ** 2).sqrt()
    off = ~torch.eye(v, dtype=torch.bool)
    torch.testing.assert_close(modulus[off], torch.full_like(modulus[off], welch))


# T, L -> the (v, k) whose frame is used: each of the tabulated difference sets.
FRAMES = {
    (26, 5): (13, 4),
    (22, 8): (11, 5),
    (42, 6): (21, 5),
    (30, 12): (15, 7),
    (38, 15): (19, 9),
    (46, 15): (23, 11),
    (62, 15): (31, 15),
}


def test_every_difference_set_is_in_a_working_model():
    assert sorted(FRAMES.values()) == sorted((v, len(members)) for v, members in DIFFERENCE_SETS)


@DTYPES
@pytest.mark.parametrize("name", ["dot-frame", "bos-frame"])
@pytest.mark.parametrize(("T", "L"), FRAMES)
def test_frame_models_work_below_d_equal_T(name, T, L, dtype):
    v, k = FRAMES[T, L]
    model = construct(name, T=T, L=L, dtype=dtype)
    bos = int(name.startswith("bos"))
    assert model.config.d == 2 * k + bos
    assert 2 * k < T
    assert set(accuracies(model).values()) == {1.0}
    E = model.weights()["W_E"][:T].double()
    unit = E / E.norm(dim=1, keepdim=True)
    coherence = (unit @ unit.T - torch.eye(T)).abs().max()
    assert coherence <= math.sqrt((v - k) / (k * (v - 1))) + 1e-6
    # Below the width of a basis no frame is without overlaps (Welch).
    assert coherence >= math.sqrt((T - 2 * k) / (2 * k * (T - 1))) - 1e-6


def test_find_frame_takes_the_smallest_that_counts():
    """A longer sequence wants a smaller coherence, hence more dimensions."""
    widths = {}
    for L in (3, 8, 12):
        widths[L] = find_frame(30, L).shape[1]
    assert list(widths.values()) == sorted(widths.values())
    assert widths[3] < widths[12]


@pytest.mark.parametrize(("T", "L"), [(4, 3), (63, 5), (12, 40)])
def test_frames_that_are_not_tabulated_are_refused(T, L):
    for name in ("dot-frame", "bos-frame"):
        with pytest.raises(MechprobeError, match=f"T={T}, L={L}: no tabulated") as caught:
            construct(name, T=T, L=L)
        assert "\n" not in str(caught.value)


# -- options, truth and names -------------------------------------------------------------------

BLENDS = [name for name, found in CONSTRUCTIONS.items() if found.option == "alpha"]
GROUPED = [name for name, found in CONSTRUCTIONS.items() if found.option == "groups"]


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("name", BLENDS)
def test_blends_count_at_every_alpha(name, alpha):
    model = construct(name, T=9, L=6, alpha=alpha)
    assert set(accuracies(model).values()) == {1.0}
    # The last neuron is the shared counter; its and the look-ups' share is alpha's.
    W_out = model.weights()["W_out"]
    assert bool(W_out[-1].any()) == (alpha > 0)
    assert bool(W_out[:-1].any()) == (alpha < 1)


@pytest.mark.parametrize("groups", [1, 2, 5, 9])
@pytest.mark.parametrize("name", GROUPED)
def test_grouped_counters_count_at_every_number_of_groups(name, groups):
    model = construct(name, T=9, L=6, groups=groups)
    assert model.config.p == groups
    assert set(accuracies(model).values()) == {1.0}
    assert CONSTRUCTIONS[name].truth(Sizes(9, 6, groups=groups))[2] == groups


def test_options_default_to_a_half_and_two():
    assert construct("dot-blend", T=6, L=5, alpha=0.5).fingerprint() == (
        construct("dot-blend", T=6, L=5).fingerprint()
    )
    assert construct("dot-relation-groups", T=6, L=5).config.p == 2


@pytest.mark.parametrize(
    ("alpha", "label"),
    [(0.0, "inventory-based"), (0.5, "mixed"), (0.31, "mixed"), (1.0, "relation-based")],
)
def test_a_blend_is_what_most_of_it_is(alpha, label):
    counting, attention, counters = CONSTRUCTIONS["bos-blend"].truth(Sizes(8, 6, alpha=alpha))
    assert (counting, attention) == (label, "semantic")
    assert counters == (8 if label == "inventory-based" else 1)


def test_truth_of_the_six_architectures():
    """Without BOS a softmax leaves the look-up alone (arXiv:2407.11542)."""
    truth = {name: CONSTRUCTIONS[name].truth(Sizes(8, 6))[0] for name in ARCHITECTURES}
    inventory = {name for name, counting in truth.items() if counting == "inventory-based"}
    assert inventory == {"lin", "lin+sftm", "dot+sftm"}


def test_every_construction_has_a_summary_of_one_line():
    for found in CONSTRUCTIONS.values():
        assert 10 < len(found.summary) < 100
        assert found.summary.endswith((".", ")"))


@pytest.mark.parametrize("name", PLAIN)
def test_a_seed_makes_the_model_what_it_is(name):
    first, again, other = (construct(name, T=12, L=5, seed=s).fingerprint() for s in (3, 3, 4))
    assert first == again
    assert first != other


# -- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dot-inventry", {}, "did you mean 'dot-inventory'?"),
        ("bos+softmax", {}, "did you mean 'bos+sftm'?"),
        ("zzz", {}, "choose from"),
        ("dot-blend", {"alpha": 1.01}, "alpha=1.01 is not in [0, 1]"),
        ("dot-blend", {"alpha": -0.5}, "alpha=-0.5 is not in [0, 1]"),
        ("dot-blend", {"alpha": math.nan}, "alpha=nan is not in [0, 1]"),
        ("dot-blend", {"alpha": math.inf}, "alpha=inf is not in [0, 1]"),
        ("dot", {"alpha": 0.5}, "construction 'dot' has no option alpha"),
        ("dot", {"groups": 2}, "construction 'dot' has no option groups"),
        ("dot-blend", {"groups": 2}, "construction 'dot-blend' has no option groups"),
        ("dot-relation-groups", {"groups": 0}, "groups=0 is not in 1..T=8"),
        ("dot-relation-groups", {"groups": 9}, "groups=9 is not in 1..T=8"),
        ("dot-relation-groups", {"groups": -1}, "groups=-1 is not in 1..T=8"),
        ("dot", {"T": 1}, "T: Input should be greater than or equal to 2"),
        ("lin", {"T": 0}, "T: Input should be greater than or equal to 2"),
        ("bos", {"L": 1}, "L: Input should be greater than or equal to 2"),
        ("bos+sftm-circle", {"T": 1}, "T: Input should be greater than or equal to 2"),
        ("dot-frame", {"L": -2}, "L: Input should be greater than or equal to 2"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(name, options, message):
    with pytest.raises(MechprobeError) as caught:
        construct(name, **{"T": 8, "L": 6, **options})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_find_construction_finds():
    assert find_construction("lin").name == "lin"
