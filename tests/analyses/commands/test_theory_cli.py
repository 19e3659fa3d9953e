"""`mechprobe theory`, run as users run it."""

import json
from typing import get_args

import pytest
from click.testing import CliRunner, Result

from mechprobe.analyses.commands.main import main
from mechprobe.analyses.commands.theory import options as theory_options
from mechprobe.analyses.commands.theory.diagram import diagram
from mechprobe.analyses.commands.theory.points import curve
from mechprobe.models.theory import BRANCHES, Branch, Quantity, TheoryParameters

QUANTITIES = ("q", "m", "V", "theta", "mse", "gen_error", "train_loss", "linear_mse",
              "qhat", "mhat", "thetahat", "Vhat")  # fmt: skip
POINT = ("theory", "point", "--alpha", "1.254", "--omega", "0.3", "--branch", "semantic")
FEW = ("--log2-points", "11")


def run(*arguments: str) -> Result:
    """One call of the command."""
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_point_json() -> None:
    """Every quantity with its error, in the experiments' convention."""
    result = run(*POINT, *FEW, "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert {name: found[name] for name in ("alpha", "omega", "sigma", "lam", "A")} == {
        "alpha": 1.254, "omega": 0.3, "sigma": 0.5, "lam": 0.01, "A": [[0.6, 0.4], [0.4, 0.6]],
    }  # fmt: skip
    assert (found["branch"], found["convention"], found["points"]) == (
        "semantic", "experiment", 2**11,
    )  # fmt: skip
    for name in QUANTITIES:
        assert set(found[name]) == {"value", "error"}
        assert found[name]["error"] >= 0
    assert found["theta"]["value"] == pytest.approx(0.472, rel=0.02)
    assert found["gen_error"]["value"] == found["mse"]["value"] / 2
    assert found["stable"] is True
    assert found["multipliers"].keys() == {"along", "m"}
    assert found["residual"] <= 1e-6


def test_conventions() -> None:
    """sigma^2 between them, 1/sigma^2 for conjugates: products stay, and so does what trains."""
    ours, table = (
        json.loads(run(*POINT, *FEW, "--json", "--convention", name).stdout)
        for name in ("experiment", "table")
    )

    def value(found: dict, name: str) -> float:
        return found[name]["value"]

    for name in QUANTITIES:
        factor = {"q": 4, "theta": 4, "V": 4, "qhat": 0.25, "thetahat": 0.25, "Vhat": 0.25}.get(
            name, 1
        )
        assert value(ours, name) == pytest.approx(factor * value(table, name), rel=1e-12)
        assert ours[name]["error"] == pytest.approx(factor * table[name]["error"], rel=1e-12)
    # The equations of the experiments' convention carry no sigma.
    V = 1 / (0.01 + value(ours, "Vhat"))
    assert value(ours, "V") == pytest.approx(V, rel=1e-3)
    assert value(ours, "theta") == pytest.approx(V * value(ours, "thetahat"), rel=1e-3)
    q = V**2 * (value(ours, "qhat") + value(ours, "mhat") ** 2 + value(ours, "thetahat") ** 2)
    assert value(ours, "q") == pytest.approx(q, rel=1e-3)


def test_point_text_and_parameters() -> None:
    """Words without --json; sigma, lam and A are taken."""
    result = run("theory", "point", "--alpha", "1.5", "--branch", "semantic", "--sigma", "0.6",
                 "--lam", "0.02", "--A", "0.3,0.7,0.8,0.2", *FEW)  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "alpha=1.5 omega=0.3 sigma=0.6 lam=0.02 A=[[0.3, 0.7], [0.8, 0.2]]" in result.stdout
    assert "semantic branch, experiment convention" in result.stdout
    assert "theta       0." in result.stdout
    assert "stable (multipliers:" in result.stdout


def test_same_seed_same_bytes() -> None:
    """Another seed, other points."""
    first, again, other = (run(*POINT, *FEW, "--json", "--seed", seed) for seed in "445")
    assert first.stdout == again.stdout
    assert first.stdout != other.stdout


def test_curve() -> None:
    """A row for each alpha and branch; those not found say so and hold no numbers; a row is what
    the point by itself is."""
    result = run("theory", "curve", "--alphas", "0.4:1.254:2", "--branch", "all", *FEW, "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [(row["alpha"], row["branch"]) for row in rows] == [
        (alpha, branch) for alpha in (0.4, 1.254) for branch in BRANCHES
    ]
    assert [row["status"] for row in rows] == ["not found", *["solved"] * 5]
    assert "the semantic branch was not found" in rows[0]["message"]
    assert not {"theta", "mse", "train_loss"} & rows[0].keys()
    alone = json.loads(run(*POINT, *FEW, "--json").stdout)
    assert {key: value for key, value in rows[3].items() if key != "status"} == alone


def test_curve_text() -> None:
    """One branch, as a table; progress goes to standard error."""
    result = run("theory", "curve", "--alphas", "0.4:1:2", "--branch", "semantic",
                 "--log2-points", "9")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "not found" in result.stdout.splitlines()[1]
    assert "2 values of alpha" in result.stderr
    assert "|" not in result.stdout


def test_diagram() -> None:
    """Signs and global minima of a coarse grid, and the lines between its cells."""
    result = run("theory", "diagram", "--alphas", "0.03:2.03:3", "--omegas", "0.25:0.65:2",
                 "--log2-points", "10", "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [cell["minimum"] for cell in found["cells"]] == [
        "uninformed", "positional", "semantic", "positional", "positional", "positional",
    ]  # fmt: skip
    low, middle, high = found["cells"][:3]
    assert low["status"] == {
        "semantic": "not found",
        "positional": "not found",
        "uninformed": "solved",
    }
    assert low["loss_difference"] is None
    assert middle["loss_difference"]["value"] > 0 > high["loss_difference"]["value"]
    assert middle["mse_minus_linear"]["value"] > 0 > high["mse_minus_linear"]["value"]
    line = found["lines"][0]
    assert 1.03 < line["alpha_c"] <= line["alpha_l"] < 2.03
    assert found["lines"][1] == {"omega": 0.65, "alpha_c": None, "alpha_l": None}


def test_diagram_text() -> None:
    """A letter a cell; small where the linear baseline is better."""
    result = run("theory", "diagram", "--alphas", "1.03:2.03:2", "--omegas", "0.25:0.65:2",
                 "--log2-points", "10")  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()[3:5]]
    assert [(row[0], row[1]) for row in rows] == [("0.25", "pS"), ("0.65", "pp")]


def test_transition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both transitions in JSON and in words (the solver: models/theory/test_theory.py)."""
    from mechprobe.models.theory import Transitions

    def quick(parameters: TheoryParameters, **_: object) -> Transitions:
        here, gone = Quantity(1.25, 0.001), {"semantic": None, "positional": None}
        return Transitions(parameters, here, None, gone, gone, 0.0039, (0.05, 20.0), ["none"])

    monkeypatch.setattr("mechprobe.models.theory.transitions", quick)
    found = json.loads(run("theory", "transition", "--omega", "0.3", "--json").stdout)
    assert found["alpha_c"] == {"value": 1.25, "error": 0.001}
    assert found["alpha_l"] is None
    assert found["omega"] == 0.3
    assert found["notes"] == ["none"]
    assert "alpha" not in found
    text = run("theory", "transition", "--omega", "0.3").stdout
    assert "alpha_c 1.25 +- 0.001" in text
    assert "semantic branch: appears below 0.05, vanishes above 20" in text
    assert "note: none" in text


def test_general_point() -> None:
    """Three tokens: overlaps are matrices, A is 0.6 on the diagonal."""
    arguments = ("theory", "point", "--alpha", "2", "--branch", "semantic", "--L", "3",
                 "--log2-points", "8")  # fmt: skip
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["L"], found["rank"], found["teacher_rank"]) == (3, 1, 1)
    assert found["A"][0] == pytest.approx([0.6, 0.2, 0.2])
    assert found["theta"]["value"][0][0] > 0.5
    assert len(found["m"]["value"]) == 1
    assert found["mse"]["value"] == 2 * found["gen_error"]["value"]
    assert "theta       [[0." in run(*arguments).stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["point", "--alpha", "-1", "--branch", "semantic"], "alpha=-1.0: a finite number above 0"),
        (["point", "--alpha", "nan", "--branch", "semantic"], "alpha=nan"),
        (["point", "--alpha", "1", "--branch", "semantik"], "'semantik' is not one of"),
        (["point", "--alpha", "1"], "Missing option '--branch'"),
        (["point", "--alpha", "0.3", "--branch", "semantic", *FEW], "branch was not found"),
        (["point", "--alpha", "1", "--branch", "semantic", "--omega", "2"], "omega=2.0"),
        (["point", "--alpha", "1", "--branch", "semantic", "--sigma", "0"], "sigma=0.0"),
        (["point", "--alpha", "1", "--branch", "semantic", "--A", "1,2"], "4 numbers are wanted"),
        (["point", "--alpha", "1", "--branch", "semantic", "--A", "x"], "'x': numbers with commas"),
        (["point", "--alpha", "1", "--branch", "semantic", "--A", ".6,.5,.4,.6"], "A: row 1"),
        (["point", "--alpha", "1", "--branch", "semantic", "--L", "3", "--A", ".6,.4,.4,.6"],
         "9 numbers are wanted for L=3"),
        (["point", "--alpha", "1", "--branch", "semantic", "--L", "3", "--lam", "-1"], "lam=-1.0"),
        (["point", "--alpha", "1", "--branch", "semantic", "--log2-points", "40"], "--log2-points"),
        (["curve", "--alphas", "1:2"], "START:STOP:COUNT is wanted"),
        (["curve", "--alphas", "2:1:5"], "START below STOP"),
        (["curve", "--alphas", "1:2:1"], "COUNT from 2"),
        (["curve", "--alphas", "-1:2:4"], "alpha=-1.0"),
        (["curve", "--alphas", "nan:2:4"], "START below STOP"),
        (["diagram", "--alphas", "1:2:3", "--omegas", "0:2:3"], "omega=2.0"),
        (["diagram", "--alphas", "1:2:3"], "Missing option '--omegas'"),
        (["transition", "--omega", "-0.1"], "omega=-0.1"),
        (["transition", "--alpha", "1"], "No such option"),
        (["pont"], "No such command 'pont'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str], says: str) -> None:
    """Of nested commands too; nothing on standard output."""
    result = run("theory", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_help_knows_what_the_solver_knows() -> None:
    """The names are repeated so that help needs no heavy import."""
    assert theory_options.BRANCHES == BRANCHES
    assert get_args(theory_options.Branch) == get_args(Branch)
    assert "START:STOP:COUNT" in run("theory", "curve", "--help").stdout
    assert run("theory").exit_code == 2


def test_rows_do_not_depend_on_their_company() -> None:
    """A curve of two values holds the same numbers as a longer one; a diagram as well."""
    p = TheoryParameters(1.0)
    short = curve(p, [1.5, 1.0], ["semantic"], 9)
    long = curve(p, [1.0, 1.2, 1.5], ["positional", "semantic"], 9)
    assert short == [long[5], long[1]]
    cell = diagram(p, [1.0, 1.5], [0.3], 9).cells[0][1]
    assert cell.rows["semantic"] == short[0]
