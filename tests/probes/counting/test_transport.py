"""Count transport has known answers on hand-built models."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mechprobe.models import HookedTransformer, construct
from mechprobe.probes import CountContext
from mechprobe.probes.counting.transport import (
    DOSES,
    _responses,
    cluster,
    differences,
    one_way,
    slope,
)

RESID_MID = "blocks.0.hook_resid_mid"
SIZES = {"T": 8, "L": 6}


def context(model: HookedTransformer, seed: int = 0) -> CountContext:
    return CountContext(model, model.config.task(), seed)


@pytest.mark.parametrize("name", ["dot", "bos", "bos+sftm", "bos+sftm-relation-split"])
def test_a_shared_counter_carries_everything(name: str) -> None:
    found = context(construct(name, **SIZES)).transport
    np.testing.assert_allclose(found.matrix(), np.ones((8, 8)), atol=1e-9)
    np.testing.assert_allclose(found.kappa(), np.ones(8), atol=1e-9)
    assert set(found.counters) == {0}


@pytest.mark.parametrize("name", ["dot-lookup", "lin", "dot+sftm", "bos+sftm-inventory"])
def test_private_counters_carry_nothing(name: str) -> None:
    found = context(construct(name, T=16, L=10)).transport
    X = found.matrix()
    np.testing.assert_allclose(np.diagonal(X), np.ones(16), atol=0.05)
    assert np.abs(X[~np.eye(16, dtype=bool)]).mean() < 0.02
    assert np.abs(found.kappa()).max() < 0.2
    assert sorted(found.counters) == list(range(16))


def test_groups_are_blocks() -> None:
    """Tokens of one group carry each other's counts; the clusters are the groups as built."""
    model = construct("dot-relation-groups", T=9, L=6, groups=3, seed=4)
    found = context(model).transport
    read = model.W_E @ model.W_in[0]  # tokens by neurons: each group has its own neuron
    group = read.argmax(1)
    same = (group[:, None] == group[None, :]).numpy()
    assert np.bincount(group).tolist() == [3, 3, 3]
    X = found.matrix()
    np.testing.assert_allclose(X[same], 1.0, atol=1e-9)
    assert np.abs(X[~same]).max() < 0.1
    assert (found.counters[:, None] == found.counters[None, :]).tolist() == same.tolist()
    assert set(found.counters) == {0, 1, 2}


@pytest.mark.parametrize(
    ("alpha", "steps"),
    [(0.1, (0, 0)), (0.3, (0, 1)), (0.45, (0, 1)), (0.6, (1, 1)), (0.7, (1, 1)), (0.8, (1, 2))],
)
@pytest.mark.parametrize("name", ["dot-blend", "bos-blend"])
def test_a_blend_carries_its_share(name: str, alpha: float, steps: tuple[int, int]) -> None:
    """A foreign dose of 1 or 2 moves the answer by alpha times as much, to the nearest count."""
    L = 10
    found = context(construct(name, T=16, L=L, alpha=alpha)).transport.kappa()
    ones, twos = L - 2, L - 3  # pairs of counts 1..L-1 that are 1 and 2 apart
    expected = (ones * steps[0] + twos * 2 * steps[1]) / (ones + twos * 4)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert abs(expected - alpha) < 0.21


def test_kappa_grows_with_the_shared_part() -> None:
    means = [
        context(construct("dot-blend", T=12, L=8, alpha=a)).transport.kappa().mean()
        for a in (0.0, 0.4, 0.6, 1.0)
    ]
    assert means == sorted(means)
    assert means[0] == pytest.approx(0, abs=0.02)
    assert means[-1] == pytest.approx(1, abs=1e-9)


def test_differences_and_valid_doses() -> None:
    means = torch.zeros(2, 2, 4, 1)
    means[0, 1, :, 0] = torch.tensor([1.0, 3.0, 10.0, 20.0])
    delta, valid = differences(means)
    assert DOSES == (-2, -1, 1, 2)
    assert delta.shape == (2, 2, 4, 4, 1)
    assert valid.tolist() == [
        [False, False, True, True],
        [False, True, True, True],
        [True, True, True, False],
        [True, True, False, False],
    ]
    assert delta[0, 1, 1, :, 0].tolist() == [-2.0, -2.0, 7.0, 17.0]  # first is clamped, not valid
    assert delta[0, 1, 0, 2:, 0].tolist() == [2.0, 9.0]
    assert not delta[1].any()


def test_slope_is_least_squares() -> None:
    """Over doses of weight 5 and 10, two repetitions: sum of dose * shift over sum of dose^2."""
    numerator = np.zeros((1, 2, 2, 2))
    numerator[0, 0, :, 0] = 5.0
    numerator[0, 1, :, 0] = 10.0
    numerator[0, 1, 1, 1] = 15.0
    np.testing.assert_allclose(slope(numerator, np.array([5.0, 10.0])), [[1.0, 0.5]])


def test_doses_without_an_opposite() -> None:
    assert one_way(5).tolist() == [
        [False, False, True, True],
        [False, False, False, True],
        [False, False, False, False],
        [True, False, False, False],
        [True, True, False, False],
    ]


def test_disturbances_pass_for_no_slope() -> None:
    """Vectors that hold no count, as long as counts are apart: at the ends of the range they can
    move an answer inward only."""
    model = construct("dot", T=6, L=6)
    here = context(model)
    axis = here.reference.means.mean(0).diff(dim=0).mean(0)
    size = torch.randn(200, 5, 4, 1, generator=torch.Generator().manual_seed(0))
    dose = torch.tensor(DOSES, dtype=axis.dtype)
    cells, sources = here.held_out, 4 * size * axis
    # The target's own column has no control.
    found = _responses(model, cells.resid[0], cells.predicted[0], sources, dose, 0)[0, :, 1:]
    uncontrolled = [
        _responses(model, cells.resid[0], cells.predicted[0], one.unsqueeze(0), dose, 0)
        for one in sources[1:60]
    ]
    raw = torch.stack(uncontrolled)[:, 0].mean()
    assert raw > 2
    assert found.mean().abs() < raw / 4


def test_clusters_are_named_by_size() -> None:
    X = np.eye(6)
    X[np.ix_([1, 3, 5], [1, 3, 5])] = 0.9
    X[np.ix_([0, 2], [0, 2])] = 0.7
    np.fill_diagonal(X, 1.0)
    assert cluster(X).tolist() == [1, 0, 1, 0, 2, 0]
    # One-way transport is no shared counter, nor is a token that does not follow itself.
    assert len(set(cluster(np.array([[1.0, 1.0], [0.0, 1.0]])))) == 2
    assert len(set(cluster(np.array([[1.0, 1.0], [1.0, 0.0]])))) == 2


def test_a_read_out_patch_is_a_run_with_hooks(untrained: Callable[..., HookedTransformer]) -> None:
    """read_out on an edited residual answers what a full run with that edit does, exactly."""
    for model in (untrained("bos+sftm", 8, 6, 9, 12, 3), construct("dot-frame", T=14, L=4)):
        here = context(model)
        cells = here.held_out
        delta, _ = differences(here.reference.means_for)
        target, source, count, dose = 2, 5, 1, 3
        edit = delta[target, source, count, dose]
        patched = cells.resid[target, count] + edit
        tokens, at = cells.data.tokens[target, count], cells.data.position[target, count]
        rows = torch.arange(len(at))

        def write(resid: torch.Tensor, hook: object) -> torch.Tensor:
            out = resid.clone()
            out[rows, at] = patched  # noqa: B023 (used at once)
            return out

        with torch.no_grad():
            whole = model.run_with_hooks(tokens, fwd_hooks=[(RESID_MID, write)])[rows, at]
            short = model.read_out(patched)
        torch.testing.assert_close(short, whole, rtol=1e-6, atol=1e-6)
        shift = (short.argmax(-1) - cells.predicted[target, count]).double()
        found = here.transport
        valid = [d for i, d in enumerate(DOSES) if 0 <= count + d < model.config.L - 1]
        assert found.weight[count] == sum(d * d for d in valid)
        by_hand = torch.zeros(len(at), dtype=torch.float64)
        for i, d in enumerate(DOSES):
            if d in valid:
                moved = cells.resid[target, count] + delta[target, source, count, i]
                answer = model.read_out(moved).argmax(-1)
                by_hand += d * (answer - cells.predicted[target, count]).double()
                if count - d < 0:  # the control: what any disturbance does
                    away = cells.resid[target, count] - delta[target, source, count, i]
                    back = model.read_out(away).argmax(-1) - cells.predicted[target, count]
                    by_hand -= d * back.clamp(min=0).double()
                if i == dose:
                    assert torch.equal(answer - cells.predicted[target, count], shift.long())
        np.testing.assert_array_equal(found.numerator[target, count, :, source], by_hand.numpy())


def test_means_for_leave_the_target_out() -> None:
    cells = context(construct("lin", **SIZES)).reference
    target, token, count = 3, 1, 2
    kept = (cells.data.tokens[token, count] != target).all(-1)
    assert 0 < kept.sum() < len(kept)
    wanted = cells.resid[token, count][kept].mean(0)
    torch.testing.assert_close(cells.means_for[target, token, count], wanted)
    torch.testing.assert_close(cells.means_for[target, target], cells.means[target])
