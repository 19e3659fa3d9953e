"""Probes of students of a teacher attention, on students whose order parameters are planted."""

import numpy as np
import pytest
import torch

from mechprobe.models import HookedTransformer, MechprobeError, SolvableConfig, construct
from mechprobe.models.families.solvable import Dataset, Problems, initial, minimise, planted, start
from mechprobe.probes import all_probes, check_probe, context_for, find_probe, label, study
from mechprobe.probes.labelling import rule_version
from mechprobe.probes.teacher.label import attention_axis, semantic_share
from mechprobe.probes.teacher.measures.score_shares import score_terms

OURS = [name for name, probe in all_probes().items() if "attention-regression" in probe.tasks]


def student(
    d: int = 400, rank: int = 1, L: int = 2, seed: int = 0, omega: float = 0.3, **overlaps: float
) -> HookedTransformer:
    config = SolvableConfig.of(d=d, L=L, rank=rank, teacher_rank=rank, omega=omega)
    generator = torch.Generator().manual_seed(seed)
    weights = initial(config, generator)
    weights["Q"] = planted(weights["Q_star"], rank, generator, **overlaps)
    return HookedTransformer(config, weights)


def trained(kind: str, d: int, alpha: float, omega: float, seed: int) -> HookedTransformer:
    config = SolvableConfig.of(d=d, omega=omega)
    generator = torch.Generator().manual_seed(seed)
    weights = initial(config, generator)
    data = Dataset.draw(config, weights, round(alpha * d), generator)
    first = start(kind, config, weights["Q_star"], generator)
    fit = minimise(Problems.of(config, data, [omega]), first.unsqueeze(0), tol=1e-6)
    return HookedTransformer(config, weights | {"Q": fit.Q[0]})


@pytest.mark.parametrize("name", OURS)
def test_conformance(name):
    check_probe(find_probe(name))


def test_counting_probes_and_ours_keep_apart():
    counting, ours = construct("lin", T=4, L=3), student(d=40, m=0.3)
    for name, probe in all_probes().items():
        assert (probe.why_not(ours, ours.task()) is None) == (name in OURS)
        if name in OURS:
            assert "this one's task is histogram" in probe.why_not(counting, counting.task())
    with pytest.raises(MechprobeError, match="reads models of histogram"):
        find_probe("readout")(ours)


@pytest.mark.parametrize(("m", "theta"), [(0.25, 0.0), (0.0, 0.5), (0.2, 0.3)])
def test_order_parameters_are_the_planted_ones(m, theta):
    found = find_probe("order-parameters")(student(d=4000, m=m, theta=theta, noise=0.2))
    size = np.sqrt(m**2 + theta**2 + 0.04)
    for name, wanted in (("m", m), ("theta", theta)):
        assert abs(found.value(name) - wanted) < 4.5 * size / np.sqrt(4000)
        assert 0 < found.value(f"{name}_error") < 2 * size / np.sqrt(4000)
        assert (found.value(name) > found.value(f"{name}_null")) == (wanted > 0)
    assert found.value("q") == pytest.approx(size**2, rel=0.1)


def test_errors_are_the_spread_over_students():
    """The bootstrap over coordinates of one student gives the spread over many."""
    many = [find_probe("order-parameters")(student(seed=s, m=0.3, noise=0.5)) for s in range(30)]
    for name in ("m", "q"):
        spread = np.std([found.value(name) for found in many])
        stated = np.mean([found.value(f"{name}_error") for found in many])
        assert stated == pytest.approx(spread, rel=0.35)


def test_null_narrows_with_d_and_grows_with_size():
    wide, narrow, large = (
        find_probe("order-parameters")(student(d=d, noise=s)).value("m_null")
        for d, s in ((100, 0.5), (1600, 0.5), (100, 1.0))
    )
    assert wide / narrow == pytest.approx(4, rel=0.15)
    assert large / wide == pytest.approx(2, rel=0.15)


def test_matrices_do_not_see_rotations_of_the_columns():
    plain = student(rank=3, m=0.2, theta=0.5, noise=0.3)
    weights = plain.weights()
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(4)).double())
    turned = HookedTransformer(plain.config, weights | {"Q": weights["Q"] @ turn.Q})
    for name in OURS:
        one, other = find_probe(name)(plain), find_probe(name)(turned)
        for metric in one.metrics:
            # The bootstrap and the null use the turned columns' own axes: the same up to rounding.
            assert one.value(metric) == pytest.approx(other.value(metric), rel=1e-6, abs=1e-12)
        for array in one.arrays:
            np.testing.assert_allclose(one.arrays[array], other.arrays[array], atol=1e-8)
    q = find_probe("order-parameters")(plain).arrays["q"]
    np.testing.assert_allclose(q, np.diag(np.diag(q)), atol=1e-12)


@pytest.mark.parametrize("L", [2, 3])
def test_score_terms_add_up_and_shares_are_one_sided(L):
    model = student(L=L, m=0.4, theta=0.3, noise=0.2)
    context = context_for(model)
    whole = sum(score_terms(context).values())
    _, cache = model.run_with_cache(context.test_inputs)
    scores = cache["blocks.0.attn.hook_attn_scores"][:, 0]
    torch.testing.assert_close(whole, scores - scores.mean(-1, keepdim=True))
    for overlaps, first in (({"m": 1.0}, "positional"), ({"theta": 1.0}, "semantic")):
        found = find_probe("score-shares")(student(L=L, **overlaps))
        # Strong positions also meet the tokens: that is the cross term, 10 m^2 q to 4 m^4.
        assert found.value(f"{first}_share") > (0.4 if first == "positional" else 0.95)
        other = "semantic" if first == "positional" else "positional"
        assert abs(found.value(f"{other}_share")) < 0.02
        shares = [found.value(n) for n in found.metrics if n.endswith("_share")]
        assert sum(shares) == pytest.approx(1)


def test_test_error_of_the_teacher_itself():
    """Q = Q*: what is left is the positional part of the target, which the student cannot give."""
    found = find_probe("test-error")(student(d=600, theta=1.0, omega=0.0))
    assert found.value("error") < 0.04 * found.value("uniform_error")
    assert found.value("over_linear") < 0.1
    blind = find_probe("test-error")(student(d=600, noise=1e-6))
    assert blind.value("error") == pytest.approx(blind.value("uniform_error"), rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "other"), [("positional", "semantic"), ("semantic", "positional")]
)
def test_removal_hurts_only_the_part_that_is_there(kind, other):
    if kind == "positional":
        # Sharp positions and weak tokens, so that tokens do not blur what positions say.
        config = SolvableConfig.of(omega=0.9, sigma=0.2, A=[[0.9, 0.1], [0.1, 0.9]])
        weights = initial(config, torch.Generator().manual_seed(0))
        generator = torch.Generator().manual_seed(1)
        weights["Q"] = planted(weights["Q_star"], 1, generator, m=1.0)
        model = HookedTransformer(config, weights)
    else:
        model = student(d=1000, omega=0.2, theta=0.8)
    own, foreign = (find_probe(f"remove-{part}")(model) for part in (kind, other))
    assert own.value("needed") > 0.2
    assert own.value("error_after") == pytest.approx(own.value("error_uniform"), rel=0.1)
    # Alone it is at least as good: tokens along ones only blur what positions say.
    assert own.value("error_alone") < 1.05 * own.value("error_before")
    assert abs(foreign.value("needed")) < 0.02
    assert foreign.value("gain_alone") < 0.02


def test_rule():
    assert attention_axis(False, False, 0.9) == "uninformed"
    assert attention_axis(True, False, 0.9) == "positional"
    assert attention_axis(False, True, None) == "semantic"
    kinds = [attention_axis(True, True, s) for s in (0.1, 0.5, 0.9, None)]
    assert kinds == ["positional", "mixed", "semantic", "mixed"]
    assert semantic_share((1.0, 3.0)) == 0.75
    assert semantic_share((0.0, 0.0)) is None


@pytest.mark.parametrize("kind", ["positional", "semantic"])
@pytest.mark.parametrize("seed", [0, 1])
def test_trained_students_are_labelled_by_their_start(kind, seed):
    verdict = label(trained(kind, d=300, alpha=1.5, omega=0.3, seed=seed), seed=seed)
    assert verdict.attention == kind
    assert verdict.attention_confidence > 0.8
    assert verdict.mechanism is None
    assert verdict.confidence is None
    assert verdict.accuracy is None
    assert verdict.certainty == verdict.attention_confidence


def test_planted_mixtures_are_mixed():
    verdict = label(student(d=1000, m=0.25, theta=0.3, noise=0.1))
    assert verdict.attention == "mixed"
    assert verdict.evidence["semantic_share"].value == pytest.approx(0.3, abs=0.15)


def test_what_harms_is_still_what_attention_does():
    """A perfect eye for content, where the target wants none of it."""
    verdict = label(student(d=1000, theta=1.0, omega=1.0))
    assert verdict.attention == "semantic"
    assert verdict.test_error > verdict.evidence["uniform"].value


def test_an_overlap_that_does_nothing_does_not_count():
    verdict = label(student(d=2000, theta=0.08, noise=0.5))
    assert verdict.evidence["theta"].value > verdict.evidence["theta_null"].value
    assert verdict.attention == "uninformed"


def test_pure_noise_is_uninformed():
    labels = [label(student(d=100, seed=s, noise=0.5), seed=s).attention for s in range(40)]
    assert labels.count("uninformed") >= 38


def test_studies_hold_ours_and_survive_json():
    found = study(student(m=0.4, noise=0.2), name="x")
    assert [p.probe for p in found.probes] == OURS
    assert not found.problems
    assert found.label.version == rule_version(student().task())
    assert found.sizes == {"L": 2, "d": 400, "rank": 1, "teacher_rank": 1}
    assert type(found).model_validate_json(found.model_dump_json()).label == found.label


def test_huge_weights_are_refused():
    model = student(d=40)
    weights = model.weights()
    with pytest.raises(MechprobeError, match="squares overflow"):
        HookedTransformer(model.config, weights | {"Q": weights["Q"] + 1e200})
    with torch.no_grad():
        next(model.parameters()).add_(1e200)
    with pytest.raises(MechprobeError, match="overflow"):
        label(model)


def test_model_and_task_have_to_fit():
    task = student(d=50).task()
    with pytest.raises(MechprobeError, match="width 40, the task gives 2 vectors of width 50"):
        context_for(student(d=40), task)


@pytest.mark.parametrize("teacher_rank", [1, 4])
def test_students_of_an_odd_teacher_are_studied(teacher_rank):
    """A teacher of zero, and one with more columns than d: no probe fails."""
    config = SolvableConfig.of(d=3, teacher_rank=teacher_rank)
    weights = initial(config, torch.Generator().manual_seed(0))
    if teacher_rank == 1:
        weights["Q_star"] = 0 * weights["Q_star"]
    found = study(HookedTransformer(config, weights), name="x")
    assert not found.problems
