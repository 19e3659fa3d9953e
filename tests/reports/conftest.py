"""A fabricated run, throw-away probes for it, and a browser."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from mechprobe.probes import registry
from mechprobe.probes.attention import ATTENTION
from mechprobe.probes.counting.kinds import COUNTING
from mechprobe.probes.registry import Measurement, MetricSpec, Probe
from mechprobe.probes.results import (
    MechanismLabel,
    Metric,
    ModelResult,
    ProbeResult,
    Provenance,
    RunInfo,
)
from mechprobe.reports import render
from mechprobe.reports.own import with_table

KINDS = ("relation-based", "inventory-based", "mixed", "unsolved")
TOKENS = ("shared", "private", "partial", "opposed", "silent")


def _metric(value: float | None, description: str = "a number", unit: str = "1") -> Metric:
    return Metric(value=value, unit=unit, low=0.0, high=None, description=description)


def _probe_result(name: str, seed: int = 0, words: str = "It is so. More follows.") -> ProbeResult:
    rng = np.random.default_rng(seed)
    return ProbeResult(
        probe=name,
        kind="causal" if name.endswith("lines") else "measure",
        metrics={"slope": _metric(0.97, "slope of the answer"), "gap": _metric(None, "undefined")},
        arrays={"matrix": rng.normal(size=(16, 16))},
        words=words,
        provenance=Provenance(
            probe=name,
            version="3",
            parameters={"doses": [1, 2]},
            seed=seed,
            model_hash=f"{seed:064x}",
            package="elsewhere 1.2",
        ),
    )


def _model_result(
    name: str, index: int = 0, probes: tuple[str, ...] = ("test-heat", "test-lines")
) -> ModelResult:
    kind = KINDS[index % 4]
    return ModelResult(
        name=name,
        path=f"models/{name}",
        family="counting",
        architecture=("dot", "bos+sftm", "lin")[index % 3],
        sizes={"T": 16, "L": 10, "d": (4, 32, 128, 16)[index % 4], "p": 1 + index},
        model_hash=f"{index:064x}",
        task={"name": "histogram", "T": 16, "L": 10},
        meta={"origin": "fabricated", "plan": {"epochs": 3}},
        label=MechanismLabel(
            axes=[
                COUNTING.labelled(
                    kind,
                    confidence=0.5 + 0.02 * (index % 25),
                    agreement=0.9,
                    details={
                        "counters": None if kind == "unsolved" else (1, 16, 5)[index % 3],
                        "tokens": [TOKENS[(index + t // 5) % 5] for t in range(16)],
                    },
                ),
                ATTENTION.labelled(
                    ("semantic", "positional", "mixed", "uninformed")[index % 4], agreement=1.0
                ),
            ],
            reasons=["94 % of the tokens share a counter", "the causal check agrees"],
            evidence={
                "accuracy": _metric((1.0, 0.09, 0.995, 0.2)[index % 4], "share of right answers"),
                "kappa": _metric(0.91, "mean transport"),
                "lost": _metric(float("nan")),
            },
            seed=0,
        ),
        probes=[_probe_result(probe, seed=index) for probe in probes],
    )


@pytest.fixture
def metric() -> Callable[..., Metric]:
    """Makes a metric of a value and a description."""
    return _metric


@pytest.fixture
def probe_result() -> Callable[..., ProbeResult]:
    """Makes what a probe of a given name found."""
    return _probe_result


@pytest.fixture
def model_result() -> Callable[..., ModelResult]:
    """Makes a model of a given name; the index varies its label and numbers."""
    return _model_result


@pytest.fixture
def info() -> RunInfo:
    """How the fabricated run was made."""
    return _info()


@pytest.fixture
def test_probes() -> Iterator[dict[str, Probe]]:
    """Probes with figures (one of them broken), registered for one test."""
    with _registered() as made:
        yield made


@pytest.fixture(scope="session")
def report_of_six(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of six models that every browser test can read."""
    names = ["zeta-with-a-rather-long-name-that-has-to-wrap", "beta", "model10", "model9", "x", "y"]
    file = tmp_path_factory.mktemp("run") / "report.html"
    own = [with_table("own-1", "Extra", [{"a": 'x, "y"', "b": 1}], "Says.", ["odd"])]
    with _registered():
        models = [_model_result(name, i) for i, name in enumerate(names)]
        html = render(_info(), models, own=own, tags={"beta": ["odd"], "x": ["odd", "even"]})
    file.write_text(html, encoding="utf-8")
    return file


def _info() -> RunInfo:
    return RunInfo(
        title="A fabricated run",
        command="mechprobe run --seed 3",
        seed=3,
        versions={"mechprobe": "0.1.0", "numpy": "2.0.0"},
        notes=["Nothing here was measured."],
    )


@contextmanager
def _registered() -> Iterator[dict[str, Probe]]:
    made = {}
    with registry.PROBES.isolated():
        for name, draw in (("test-heat", _heat), ("test-lines", _lines), ("test-broken", _broken)):
            made[name] = registry.probe(name, metrics={"slope": MetricSpec("slope")})(_measure)
            made[name].figure(draw)
        yield made


def _measure(context: object) -> Measurement:
    """How far one token's count moves another's answer."""
    return Measurement({"slope": 1.0})


def _heat(result: ProbeResult) -> Figure:
    figure = Figure(figsize=(4.2, 3.2), layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(result.arrays["matrix"], cmap="RdBu_r")
    axes.set(xlabel="source token", ylabel="target token", title="slope of the answer")
    figure.colorbar(drawn)
    return figure


def _lines(result: ProbeResult) -> Figure:
    figure = Figure(figsize=(4.2, 3.2), layout="constrained")
    axes = figure.subplots()
    for i, colour in enumerate(("#0072B2", "#E69F00", "#009E73", "#CC79A7")):
        axes.plot(np.cumsum(result.arrays["matrix"][i]), color=colour, label=f"token {i}")
    axes.set(xlabel="count", ylabel="answer")
    axes.legend()
    return figure


def _broken(result: ProbeResult) -> Figure:
    raise ValueError("no such array\n<script>alert('figure')</script>")
