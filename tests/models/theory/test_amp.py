"""Message passing on single instances against the state evolution and against L-BFGS."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.families.solvable import Dataset, Problems, SolvableConfig, initial, minimise
from mechprobe.models.theory import TheoryParameters
from mechprobe.models.theory.amp import run_amp, state_evolution_trajectory
from mechprobe.models.theory.evolution import THETA, M, Q, V
from mechprobe.models.theory.prox import outputs

PARAMETERS = TheoryParameters(2.0)
START_V = 8.0
STARTS = {
    "semantic": np.array([0.125, 0.0, 0.125, START_V]),
    "positional": np.array([0.25 * 0.13, 0.2, 0.0, START_V]),
}
# Standard deviation of an iterate's (q, m, theta, V) over instances, times sqrt(d): measured at
# d = 500 and 1000, largest of the first eight iterates. Means are to agree within 3.5 of it.
SPREAD = {
    "semantic": np.array([0.44, 0.25, 0.25, 22.0]),
    "positional": np.array([0.35, 0.46, 0.44, 32.0]),
}


def instance(kind, d, seed):
    """Tokens, a teacher and a start whose overlaps are those of STARTS exactly."""
    rng = np.random.default_rng(seed)
    raw = np.column_stack([np.ones(d), rng.standard_normal((d, 2))])
    _, teacher, noise = np.linalg.qr(raw)[0].T * math.sqrt(d)
    x = PARAMETERS.sigma * rng.standard_normal((round(PARAMETERS.alpha * d), 2, d))
    start = 0.5 * teacher + 0.5 * noise if kind == "semantic" else 0.2 + 0.3 * noise
    return x, teacher, start


def iterates(kind, d, instances, steps, **options):
    """(q, m, theta, V) of each instance and iterate."""
    return np.stack(
        [
            run_amp(PARAMETERS, *instance(kind, d, seed), START_V, steps, **options).states
            for seed in range(instances)
        ]
    )


@pytest.mark.parametrize(("kind", "m_damping"), [("semantic", 0.75), ("positional", 0.8)])
def test_every_iterate_follows_the_state_evolution(kind, m_damping):
    d, instances, steps = 800, 8, 8
    theory = state_evolution_trajectory(PARAMETERS, STARTS[kind], steps, m_damping=m_damping)
    states = iterates(kind, d, instances, steps, m_damping=m_damping)
    assert np.allclose(states[:, 0], STARTS[kind], atol=1e-9)
    gap = np.abs(states.mean(0) - theory)
    assert (gap <= 3.5 * SPREAD[kind] / math.sqrt(d * instances) + 1e-9).all(), gap
    # The agreement means something: iterates swing by more than that.
    assert np.ptp(theory[1:, V]) > 1.0


@pytest.mark.parametrize(
    ("kind", "steps", "spread"),
    [
        # m is multiplied by -2.5 in each step, so its fluctuations grow and soon spoil the rest.
        ("semantic", 2, [0.3, 2.5, 0.2, 22.0]),
        # m goes .2, .78, -1.95: the branch repels undamped iterates.
        ("positional", 2, [8.0, 7.5, 0.3, 26.0]),
    ],
)
def test_first_undamped_iterates_follow_the_state_evolution(kind, steps, spread):
    d, instances = 800, 6
    theory = state_evolution_trajectory(PARAMETERS, STARTS[kind], steps)
    gap = np.abs(iterates(kind, d, instances, steps).mean(0) - theory)
    assert (gap <= 3.5 * np.array(spread) / math.sqrt(d * instances) + 1e-9).all(), gap


def test_without_the_jumps_of_the_prox_V_falls_short():
    theory = state_evolution_trajectory(PARAMETERS, STARTS["positional"], 8, m_damping=0.8)

    def shortfall(count_jumps):
        states = iterates("positional", 800, 6, 8, m_damping=0.8, count_jumps=count_jumps)
        return (1 - states[:, 2:, V] / theory[2:, V]).mean(1)

    without, counted = shortfall(False), shortfall(True)
    error = without.std(ddof=1) / math.sqrt(6)
    assert without.mean() > max(0.05, 4 * error)
    assert abs(counted.mean()) < 0.04


def solvable_instance(d, seed=0):
    generator = torch.Generator().manual_seed(seed)
    config = SolvableConfig.of(d=d)
    weights = initial(config, generator)
    data = Dataset.draw(config, weights, round(PARAMETERS.alpha * d), generator)
    x = (data.X - weights["W_pos"]).numpy()
    teacher, noise = (weights[name][:, 0].numpy() for name in ("Q_star", "Q"))
    return config, data, x, teacher, 0.5 * (teacher + noise)


def wide(problems, config, data):
    """The same problem with tokens' overlaps x x^T / d at their limit, sigma^2 times identity."""
    s2 = config.sigma[0] ** 2
    T = data.mixing(config.omega, config.A).permute(1, 2, 0)
    K = (s2 * torch.eye(2, dtype=torch.float64))[:, :, None].expand(2, 2, data.n)
    power = s2 * T.square().sum((0, 1))
    return dataclasses.replace(problems, K=K.contiguous(), C=s2 * T[None], power=power[None])


def distance(one, other):
    return min(np.linalg.norm(one - other), np.linalg.norm(one + other)) / np.linalg.norm(other)


def test_fixed_point_is_the_minimum_of_the_training_loss():
    apart = {}
    for d in (300, 1200):
        config, data, x, teacher, start = solvable_instance(d)
        amp = run_amp(PARAMETERS, x, teacher, start, START_V, 150, 0.4, m_damping=0.75)
        assert amp.converged
        assert not amp.diverged
        assert amp.floored == 0
        exact = Problems.of(config, data, [config.omega])
        # From the teacher, so that no minimum is found only for being started at.
        begin = torch.from_numpy(teacher)[None, :, None]
        fit = minimise(wide(exact, config, data), begin, tol=1e-11)
        assert fit.converged.all()
        assert distance(amp.Q, fit.Q[0, :, 0].numpy()) < 1e-6  # 1e-8 measured
        measured = minimise(exact, begin)
        assert measured.converged.all()
        apart[d] = distance(amp.Q, measured.Q[0, :, 0].numpy())
    # The measured loss sees the tokens' own overlaps: 0.4 / sqrt(d).
    assert apart[1200] < 0.02
    assert 1.4 < apart[300] / apart[1200] < 2.9


def test_damping_changes_the_path_and_not_the_fixed_point():
    _, _, x, teacher, start = solvable_instance(400)
    runs = [
        run_amp(PARAMETERS, x, teacher, start, START_V, 300, damping, m_damping=m_damping)
        for damping, m_damping in ((0.2, 0.75), (0.7, 0.0))
    ]
    one, other = runs
    assert one.converged
    assert len(one.change) < len(other.change)
    assert distance(one.Q, other.Q) < 1e-6
    assert one.V[-1] == pytest.approx(other.V[-1], rel=1e-6)
    # What is reported is what was done.
    assert one.q[-1] == pytest.approx(one.Q @ one.Q / 400 * 0.25)
    assert one.states.shape == (len(one.change) + 1, 4)
    assert one.states[-1, [Q, M, THETA, V]] == pytest.approx(
        [one.q[-1], one.m[-1], one.theta[-1], one.V[-1]]
    )


def test_a_runaway_is_flagged():
    run = run_amp(PARAMETERS, *instance("positional", 400, 0), START_V, 30)
    assert run.diverged
    assert not run.converged
    assert len(run.q) < 31
    assert np.isfinite(run.Q).all()
    # At such a small student the loss is concave, and the input step has no minimum.
    x, teacher, start = instance("semantic", 400, 0)
    small = run_amp(PARAMETERS, x, teacher, 0.1 * (start - 0.5 * teacher), START_V, 2)
    assert small.floored > 0
    few = run_amp(PARAMETERS, *instance("semantic", 400, 0), START_V, 3, 0.4, m_damping=0.75)
    assert not few.converged
    assert not few.diverged
    assert len(few.change) == 3


def test_output_function_and_its_divergence():
    rng = np.random.default_rng(0)
    w, t = 0.2 * rng.standard_normal((300, 2)), rng.uniform(0.2, 0.9, (300, 2))
    v, s2, step = 20.0, 0.25, 1e-5
    g, divergence, two = outputs(w, t, v, s2)
    assert two.any()
    assert not two.all()
    x = w + v * g

    def loss(x):
        u, z = x.T
        S = 1 / (1 + np.exp(-np.stack([u * u + u * z, u * u - u * z], 1)))
        return s2 * ((S - t) ** 2).sum(1)

    total, numeric = np.zeros(300), np.zeros(300, bool)
    for i in range(2):
        shift = step * np.eye(2)[i]
        slope = (loss(x + shift) - loss(x - shift)) / (2 * step)
        assert np.allclose(g[:, i], -slope, atol=1e-7)
        ahead, behind = (outputs(w + sign * shift, t, v, s2)[0] for sign in (1, -1))
        total += (ahead - behind)[:, i] / (2 * step)
        numeric |= np.abs(ahead - behind).max(1) > 0.01 * np.abs(g).max()  # jumped between
    assert numeric.sum() <= 3
    assert np.allclose(total[~numeric], divergence[~numeric], atol=1e-4)


def test_bad_input_is_named():
    x, teacher, start = instance("semantic", 20, 0)

    def fails(match, *, parameters=PARAMETERS, **changes):
        arguments = {"x": x, "Q_star": teacher, "start": start, "start_V": 1.0, "iterations": 1}
        with pytest.raises(MechprobeError, match=match) as error:
            run_amp(parameters, **{**arguments, **changes})
        assert "\n" not in str(error.value)

    fails(r"x: shape \(40, 3, 20\)", x=np.zeros((40, 3, 20)))
    fails("n=40 samples", parameters=TheoryParameters(1.5))
    fails("Q_star: shape", Q_star=teacher[:-1])
    fails("start: shape", start=np.ones(21))
    fails("x: not all values are finite", x=np.full_like(x, np.nan))
    fails("neither may be zero", start=np.zeros(20))
    fails("blend it with independent noise", start=-2 * teacher)
    fails("start_V=0", start_V=0.0)
    fails("iterations=0", iterations=0)
    fails("damping=1", damping=1.0)
    fails("m_damping=-0.1", m_damping=-0.1)

    def theory(match, state=STARTS["semantic"], steps=1, log2=8, **options):
        with pytest.raises(MechprobeError, match=match):
            state_evolution_trajectory(PARAMETERS, state, steps, log2, **options)

    theory("q, V > 0", state=np.array([0.1, 0.0, 0.0, -1.0]))
    theory("blend it", state=np.array([0.25, 0.0, 0.25, 1.0]))
    theory("iterations=0", steps=0)
    theory("between 2", log2=30)
    theory("m_damping=2", m_damping=2.0)
