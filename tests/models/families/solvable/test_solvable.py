"""The solvable attention model: configuration, task, loss and its gradient, minimisers."""

import json

import pytest
import torch
from jaxtyping import TypeCheckError

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.weights import fingerprint
from mechprobe.models.families.solvable import (
    Dataset,
    Problems,
    SolvableConfig,
    check,
    descend,
    forward,
    initial,
    linear_baseline,
    linear_population,
    minimise,
    overlaps,
    positions,
    shapes,
    start,
    task_of,
    teacher,
)
from mechprobe.models.tasks import AttentionRegression

SETTINGS = {
    "paper": SolvableConfig.of(d=20),
    "rank 2, L 3": SolvableConfig.of(d=15, L=3, rank=2, teacher_rank=3, sigma=[0.5, 0.7, 1.0]),
    "rank above teacher": SolvableConfig.of(
        d=12, rank=3, omega=0.0, A=[[0.3, 0.7], [0.8, 0.2]], lam=0.0
    ),
}
SETTINGS["covariance"] = SETTINGS["rank 2, L 3"].model_copy(update={"full_covariance": True})


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(config, seed=0, dtype=torch.float64):
    weights = initial(config, generator(seed), dtype)
    if config.full_covariance:
        factor = torch.randn(config.L, config.d, config.d, generator=generator(9), dtype=dtype)
        weights["covariance"] = factor @ factor.mT / config.d + 0.1 * torch.eye(config.d)
    return weights


def two_starts(config, weights):
    kinds = ("semantic", "positional")
    return torch.stack([start(k, config, weights["Q_star"], generator(3)) for k in kinds])


@pytest.fixture(params=SETTINGS)
def setting(request):
    config = SETTINGS[request.param]
    return config, made(config)


# Configuration and weights


def test_defaults_are_the_papers():
    config = SolvableConfig.of()
    assert (config.d, config.L, config.omega, config.lam) == (1000, 2, 0.3, 0.01)
    assert config.A == ((0.6, 0.4), (0.4, 0.6))
    assert config.sigma == (0.5, 0.5)
    assert (config.n_ctx, config.architecture) == (2, "tied-attention")
    assert config.sizes == {"L": 2, "d": 1000, "rank": 1, "teacher_rank": 1}


def test_more_positions_share_the_rest_of_a_row():
    assert SolvableConfig.of(L=3).A[1] == (0.2, 0.6, 0.2)


def test_configuration_survives_json():
    config = SETTINGS["rank 2, L 3"]
    assert SolvableConfig.checked(json.loads(config.model_dump_json())) == config
    assert SolvableConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"L": 1}, "L: Input should be greater than or equal to 2"),
        ({"d": 1}, "d: "),
        ({"rank": 65}, "rank: "),
        ({"omega": 1.5}, "omega: "),
        ({"lam": -1.0}, "lam: "),
        ({"lam": float("nan")}, "lam: "),
        ({"sigma": 0.0}, "sigma.0: "),
        ({"sigma": [0.5]}, "sigma has 1 values, but L=2"),
        ({"A": [[1.0]]}, "A has to be 2 x 2"),
        ({"A": [[0.6, 0.5], [0.4, 0.6]]}, "row 0 of A sums to 1.1, not to 1"),
        ({"A": [[1.5, -0.5], [0.4, 0.6]]}, "A.0.0: "),
    ],
)
def test_bad_configurations_say_what_is_wrong(change, message):
    with pytest.raises(MechprobeError, match=message) as caught:
        SolvableConfig.of(**change)
    assert "\n" not in str(caught.value)


def test_unknown_settings_are_refused():
    with pytest.raises(MechprobeError, match=r"here: p: Extra inputs"):
        SolvableConfig.checked({**SolvableConfig.of().model_dump(), "p": 1}, "here")
    with pytest.raises(MechprobeError, match=r"^configuration: Input should be a valid dict"):
        SolvableConfig.checked(3)


def test_initial_weights_fit(setting):
    config, weights = setting
    check(config, weights)
    assert {n: tuple(w.shape) for n, w in weights.items()} == shapes(config)
    assert torch.equal(teacher(config, generator(0)), weights["Q_star"])


def test_encodings_of_two_positions_are_the_papers():
    expected = torch.tensor([1.0, -1.0]).double().unsqueeze(1) * torch.ones(16).double() / 4
    assert torch.equal(positions(SolvableConfig.of(d=16)), expected)
    assert positions(SolvableConfig.of(d=16, L=3))[1].abs().max() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W_E": torch.zeros(1)}, "here: W_E does not belong to a tied-attention model"),
        ({"Q": torch.zeros(15, 1).double()}, r"Q has shape .15, 1.*L=3, d=15, rank=2, teacher_r"),
        ({"W_pos": torch.zeros(3, 15)}, "W_pos holds torch.float32, but Q torch.float64"),
        ({"Q_star": torch.full((15, 3), torch.nan).double()}, "Q_star holds NaN"),
        ({"covariance": torch.randn(3, 15, 15).double()}, "not symmetric"),
        ({"covariance": -torch.eye(15).double().repeat(3, 1, 1)}, "not positive definite"),
    ],
)
def test_bad_weights_say_what_is_wrong(change, message):
    config = SETTINGS["covariance"]
    with pytest.raises(MechprobeError, match=message):
        check(config, made(config) | change, "here")


def test_missing_weights_are_named():
    config = SETTINGS["paper"]
    weights = made(config)
    del weights["Q"]
    with pytest.raises(MechprobeError, match="Q is missing"):
        check(config, weights)


def test_fingerprint_is_of_configuration_and_weights():
    config = SETTINGS["paper"]
    names = {
        fingerprint(config.model_dump_json(), made(config)),
        fingerprint(config.model_dump_json(), made(config, seed=1)),
        fingerprint(SolvableConfig.of(d=20, lam=0.02).model_dump_json(), made(config)),
    }
    assert len(names) == 3
    assert fingerprint(config.model_dump_json(), made(config)) in names


# Task and forward pass


def test_targets_follow_the_equation(setting):
    config, weights = setting
    task = task_of(config, weights)
    x = task.sample(4, generator(1))
    M = weights["Q_star"] @ weights["Q_star"].T
    for sequence, target in zip(x, task.targets(x), strict=True):
        scores = torch.einsum("ia,ab,jb->ij", sequence, M, sequence) / config.d
        shares = scores.exp() / scores.exp().sum(1, keepdim=True)
        for i in range(config.L):
            y = torch.zeros(config.d).double()
            for j in range(config.L):
                share = (1 - config.omega) * shares[i, j] + config.omega * config.A[i][j]
                y += share * sequence[j]
            torch.testing.assert_close(target[i], y)


def test_student_attends_to_moved_tokens_and_mixes_them(setting):
    config, weights = setting
    x = task_of(config, weights).sample(4, generator(1))
    moved = x + positions(config)
    scores = torch.einsum("nia,ar,br,njb->nij", moved, weights["Q"], weights["Q"], moved)
    expected = (scores / config.d).softmax(-1) @ moved
    torch.testing.assert_close(forward(config, weights, x), expected)


def test_errors_are_half_squares_a_dimension(setting):
    config, weights = setting
    task = task_of(config, weights)
    x = task.sample(5, generator(1))
    outputs = forward(config, weights, x)
    by_hand = [((task.targets(x)[i] - outputs[i]) ** 2).sum() / (2 * config.d) for i in range(5)]
    torch.testing.assert_close(task.errors(outputs, x), torch.stack(by_hand))
    assert task.loss(outputs, x).item() == pytest.approx(sum(by_hand).item() / 5)
    assert task.loss(task.targets(x), x).item() == 0


def test_samples_have_the_covariances_asked_for():
    config = SETTINGS["covariance"]
    weights = made(config)
    x = task_of(config, weights).sample(40_000, generator(1))
    found = torch.einsum("nla,nlb->lab", x, x) / len(x)
    assert (found - weights["covariance"]).abs().max() < 0.06
    with pytest.raises(MechprobeError, match="covariance: not positive definite"):
        task_of(config, weights | {"covariance": -weights["covariance"]}).sample(2, generator(1))


def test_samples_have_the_deviations_and_the_type_asked_for():
    config = SETTINGS["rank 2, L 3"]
    x = task_of(config, made(config, dtype=torch.float32)).sample(20_000, generator(1))
    assert x.dtype == torch.float32
    torch.testing.assert_close(x.std((0, 2)), torch.tensor(config.sigma), rtol=0.01, atol=0)


def test_task_describes_itself_in_json():
    config = SETTINGS["covariance"]
    told = json.loads(json.dumps(task_of(config, made(config)).describe()))
    assert told["name"] == "attention-regression"
    assert (told["L"], told["d"], told["teacher_rank"], told["omega"]) == (3, 15, 3, 0.3)


def test_bad_tasks_are_refused():
    Q_star = torch.ones(4, 1)
    with pytest.raises(MechprobeError, match="omega=2"):
        AttentionRegression(Q_star, 2.0, ((1.0, 0.0), (0.0, 1.0)), (1.0, 1.0))
    with pytest.raises(MechprobeError, match="A: 2 rows of 2"):
        AttentionRegression(Q_star, 0.5, ((1.0,),), (1.0, 1.0))


# Loss and gradient


def test_loss_and_gradient_agree_with_autograd_on_the_forward_pass(setting):
    config, weights = setting
    n, omegas = 11, [0.0, 0.3, 1.0]
    data = Dataset.draw(config, weights, n, generator(2))
    x = task_of(config, weights).sample(n, generator(2))
    Q = torch.randn(3, config.d, config.rank, generator=generator(4), dtype=torch.float64)
    losses, gradients = Problems.of(config, data, omegas).evaluate(Q)
    for i, omega in enumerate(omegas):
        task = task_of(config.model_copy(update={"omega": omega}), weights)
        leaf = Q[i].clone().requires_grad_()
        errors = task.errors(forward(config, weights | {"Q": leaf}, x), x)
        loss = errors.sum() + config.lam / 2 * leaf.square().sum()
        loss.backward()
        torch.testing.assert_close(losses[i], loss.detach(), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(gradients[i], leaf.grad, rtol=1e-10, atol=1e-10)
        found = Problems.of(config, data, [omega]).errors(Q[i : i + 1])[0]
        torch.testing.assert_close(found, errors.detach(), rtol=1e-10, atol=1e-10)


def test_bad_data_and_problems_are_refused():
    config = SETTINGS["paper"]
    with pytest.raises(MechprobeError, match="n=0"):
        Dataset.draw(config, made(config), 0, generator())
    data = Dataset.draw(config, made(config), 5, generator())
    for omegas in ([], [1.5]):
        with pytest.raises(MechprobeError, match="omegas"):
            Problems.of(config, data, omegas)
    with pytest.raises(MechprobeError, match=r"starts: shape \(2, 20, 1\).*\(1, 20, rank\)"):
        minimise(Problems.of(config, data, [0.3]), torch.zeros(2, 20, 1))
    with pytest.raises(MechprobeError, match="finite"):
        minimise(Problems.of(config, data, [0.3]), torch.full((1, 20, 1), torch.inf))


def test_overlaps_are_the_order_parameters():
    Q, Q_star = (torch.randn(7, r, generator=generator(r), dtype=torch.float64) for r in (2, 3))
    m, theta, q = overlaps(Q, Q_star)
    torch.testing.assert_close(m, Q.sum(0) / 7)
    torch.testing.assert_close(theta, torch.einsum("ds,dr->sr", Q_star, Q) / 7)
    torch.testing.assert_close(q, torch.einsum("ds,dr->sr", Q, Q) / 7)


# Starts and minimisers


def test_starts():
    config = SETTINGS["rank above teacher"]
    Q_star = made(config)["Q_star"]
    semantic, positional, random = (
        start(kind, config, Q_star, generator()) for kind in ("semantic", "positional", "random")
    )
    assert torch.equal(semantic[:, :1], Q_star)
    torch.testing.assert_close(positional[:, 0], torch.ones(12).double() / 12**0.5)
    for Q in (semantic, positional):
        assert 0 < Q[:, 1:].std() < 0.02
    assert 0.5 < random.std() < 2
    assert torch.equal(start(random, config, Q_star, generator()), random)
    wide = SETTINGS["rank 2, L 3"]
    assert torch.equal(
        start("semantic", wide, made(wide)["Q_star"], generator()), made(wide)["Q_star"][:, :2]
    )
    with pytest.raises(MechprobeError, match="'lucky' is unknown; choose from semantic"):
        start("lucky", config, Q_star, generator())
    with pytest.raises(MechprobeError, match=r"shape \(12, 1\)"):
        start(torch.zeros(12, 1), config, Q_star, generator())


@pytest.mark.parametrize("seed", [0, 3])
def test_minima_are_those_of_a_long_gradient_descent(seed):
    config = SolvableConfig.of(d=80)
    weights = made(config, seed)
    problems = Problems.of(
        config, Dataset.draw(config, weights, 160, generator(seed + 10)), [0.3, 0.3]
    )
    starts = two_starts(config, weights)
    fit = minimise(problems, starts)
    path = descend(problems, starts, weights["Q_star"], lr=2.0, steps=2500, every=1000)
    assert fit.converged.all()
    assert not path.diverged.any()
    assert path.steps.tolist() == [0, 1000, 2000, 2500]
    assert (path.grad_norm[:, -1] < 1e-6).all()
    found = overlaps(fit.Q, weights["Q_star"])
    for mine, long in ((found.m, path.m[:, -1]), (found.theta, path.theta[:, -1])):
        torch.testing.assert_close(mine.abs(), long.abs(), rtol=0, atol=1e-4)
    torch.testing.assert_close(fit.loss, path.loss[:, -1], rtol=1e-6, atol=0)
    # And the two starts keep to their own minima.
    assert found.theta[0].abs() > 0.4 > 0.22 > found.m[0].abs()
    assert found.m[1].abs() > 0.22 > found.theta[1].abs()


def test_adam_comes_down_to_the_same_minimum():
    config = SolvableConfig.of(d=60)
    weights = made(config)
    problems = Problems.of(config, Dataset.draw(config, weights, 120, generator(1)), [0.3])
    starts = two_starts(config, weights)[:1]
    fit = minimise(problems, starts)
    counted = []
    path = descend(
        problems, starts, weights["Q_star"], method="adam", lr=0.01, steps=1500,
        progress=counted.append,
    )  # fmt: skip
    torch.testing.assert_close(path.loss[:, -1], fit.loss, rtol=1e-6, atol=0)
    assert sum(counted) == 1500
    assert path.loss[0, 0] > path.loss[0, 10] > fit.loss[0]


def test_many_problems_at_once_are_each_solved_as_alone():
    config = SolvableConfig.of(d=60)
    weights = made(config)
    data = Dataset.draw(config, weights, 120, generator(1))
    omegas = [0.1, 0.3, 0.5] * 2
    starts = two_starts(config, weights).repeat_interleave(3, dim=0)
    together = minimise(Problems.of(config, data, omegas), starts)
    assert together.converged.all()
    assert len(set(together.iterations.tolist())) > 1  # some leave before others
    for i, omega in enumerate(omegas):
        alone = minimise(Problems.of(config, data, [omega]), starts[i : i + 1])
        torch.testing.assert_close(together.Q[i], alone.Q[0], rtol=0, atol=1e-4)
        torch.testing.assert_close(together.loss[i], alone.loss[0], rtol=1e-9, atol=0)


def test_every_setting_comes_down_to_a_minimum():
    for name, config in SETTINGS.items():
        config = config.model_copy(update={"lam": 0.01})
        weights = made(config)
        data = Dataset.draw(config, weights, 8 * config.d, generator(1))
        problems = Problems.of(config, data, [config.omega] * 2)
        fit = minimise(problems, two_starts(config, weights))
        assert fit.converged.all(), name
        nudge = 1e-3 * torch.randn(fit.Q.shape, generator=generator(5), dtype=torch.float64)
        for sign in (1, -1):
            assert (problems.evaluate(fit.Q + sign * nudge)[0] / config.d > fit.loss).all(), name


def test_single_precision_data_give_the_same_minima():
    config = SolvableConfig.of(d=60)
    weights = made(config)
    data = Dataset.draw(config, weights, 120, generator(1))
    rough = Problems.of(config, data, [0.3, 0.3])
    rough = Problems(rough.X.float(), rough.K, rough.C, rough.power, rough.lam)
    starts = two_starts(config, weights)
    fine = minimise(Problems.of(config, data, [0.3, 0.3]), starts)
    fit = minimise(rough, starts, tol=1e-5)
    assert fit.converged.all()
    torch.testing.assert_close(fit.loss, fine.loss, rtol=1e-5, atol=0)
    beyond = minimise(rough, starts, tol=1e-13, max_iterations=300)
    assert not beyond.converged.any()
    torch.testing.assert_close(beyond.loss, fine.loss, rtol=1e-5, atol=0)
    single = made(config, dtype=torch.float32)
    data = Dataset.draw(config, single, 120, generator(1))
    assert data.X.dtype == torch.float32
    assert minimise(Problems.of(config, data, [0.3, 0.3]), starts, tol=1e-5).converged.all()


def test_a_problem_given_up_is_flagged():
    config = SolvableConfig.of(d=60)
    weights = made(config)
    data = Dataset.draw(config, weights, 120, generator(1))
    done = minimise(Problems.of(config, data, [0.3]), two_starts(config, weights)[:1])
    starts = torch.cat([done.Q, two_starts(config, weights)[1:]])
    fit = minimise(Problems.of(config, data, [0.3, 0.3]), starts, max_iterations=3)
    assert fit.converged.tolist() == [True, False]
    assert fit.iterations.tolist() == [0, 3]
    assert torch.equal(fit.Q[0], done.Q[0])


def test_equal_seeds_give_equal_students():
    config = SolvableConfig.of(d=40)

    def run(seed):
        weights = made(config, seed)
        data = Dataset.draw(config, weights, 60, generator(seed))
        Q = start("random", config, weights["Q_star"], generator(seed)).unsqueeze(0)
        return minimise(Problems.of(config, data, [0.3]), Q).Q

    assert torch.equal(run(1), run(1))
    assert not torch.equal(run(1), run(2))


def test_a_diverged_problem_is_flagged_and_harms_no_other():
    config = SolvableConfig.of(d=40)
    weights = made(config)
    data = Dataset.draw(config, weights, 80, generator(1))
    start_ = two_starts(config, weights)[:1]
    starts = torch.cat([start_, 1e9 * start_])
    problems = Problems.of(config, data, [0.3, 0.3])
    path = descend(problems, starts, weights["Q_star"], lr=0.5, steps=20, every=10)
    alone = descend(
        Problems.of(config, data, [0.3]), start_, weights["Q_star"], lr=0.5, steps=20, every=10
    )
    assert path.diverged.tolist() == [False, True]
    for values in (path.m, path.theta, path.loss, path.grad_norm, path.Q):
        assert values[0].isfinite().all()
        assert values[1].isnan().all()
    torch.testing.assert_close(path.loss[0], alone.loss[0])
    blown = descend(problems, starts, weights["Q_star"], lr=1e3, steps=20, every=10)
    assert blown.diverged.all()
    assert blown.loss[0, 0].isfinite()


def test_bad_descents_are_refused():
    config = SolvableConfig.of(d=10)
    weights = made(config)
    problems = Problems.of(config, Dataset.draw(config, weights, 5, generator()), [0.3])
    starts = two_starts(config, weights)[:1]
    for wrong in ({"method": "sgd"}, {"lr": 0.0}, {"steps": 0}, {"every": 0}):
        with pytest.raises(MechprobeError, match="descent"):
            descend(problems, starts, weights["Q_star"], **{"lr": 1.0, **wrong})
    with pytest.raises(TypeCheckError):
        descend(problems, starts[0], weights["Q_star"], lr=1.0)


# Linear baseline


def test_linear_baseline_is_the_least_squares_solution(setting):
    config, weights = setting
    data = Dataset.draw(config, weights, 30, generator(2))
    task = task_of(config, weights)
    x = task.sample(30, generator(2))
    y = task.targets(x)
    found = linear_baseline(data, config.omega, config.A)
    rows, answers = (v.transpose(0, 1).reshape(config.L, -1).T for v in (x, y))
    torch.testing.assert_close(found.W, torch.linalg.lstsq(rows, answers).solution.T)
    assert found.error == pytest.approx(task.loss(found.W @ x, x).item())
    fresh = task.sample(30, generator(3))
    other = Dataset.draw(config, weights, 30, generator(3))
    error = task.loss(found.W @ fresh, fresh).item()
    assert found.error_on(other, config.omega, config.A) == pytest.approx(error)


def test_linear_baseline_of_the_paper():
    # arXiv:2402.03902 at omega=0.3, sigma=0.5: E|y - W x|^2 / d = 0.003943, of an endless teacher.
    config = SolvableConfig.of(d=400)
    weights = made(config)
    weights["Q_star"] *= 20 / weights["Q_star"].norm()
    limit = linear_population(task_of(config, weights), 400_000, generator(1))
    assert 2 * limit.error == pytest.approx(0.003943, rel=0.01)
    torch.testing.assert_close(limit.W.sum(1), torch.ones(2).double())
    data = Dataset.draw(config, weights, 4000, generator(2))
    fitted = linear_baseline(data, config.omega, config.A)
    torch.testing.assert_close(fitted.W, limit.W, rtol=0, atol=0.01)
    assert fitted.error == pytest.approx(limit.error, rel=0.06)
    with pytest.raises(MechprobeError, match="n=1"):
        linear_population(task_of(config, weights), 1, generator())


def test_linear_limit_with_covariances():
    config = SolvableConfig.of(d=300, sigma=[0.5, 0.8])
    plain = task_of(config, made(config))
    full = config.model_copy(update={"full_covariance": True})
    weights = initial(full, generator())
    same = linear_population(task_of(full, weights), 1000, generator(1))
    assert same.error == pytest.approx(linear_population(plain, 1000, generator(1)).error)
    with pytest.raises(MechprobeError, match="as the teacher sees it"):
        linear_population(
            task_of(full, weights | {"covariance": -weights["covariance"]}), 10, generator()
        )
