"""Whatever a probe, a reading or a format of another package does, the rest goes on."""

import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from matplotlib.figure import Figure

import mechprobe
from mechprobe import models, probes
from mechprobe.analyses.studies import STUDIES
from mechprobe.analyses.studies import study as study_command
from mechprobe.models import MechprobeError, checkpoint_format
from mechprobe.models.base.errors import Ended, one_line
from mechprobe.models.base.registry import Registry
from mechprobe.models.checkpoints import FORMATS
from mechprobe.models.families.counting.constructions.registry import CONSTRUCTIONS, construction
from mechprobe.probes import CountContext, Measurement, MetricSpec, Probe
from mechprobe.probes.checking import check_declaration
from mechprobe.probes.registry import probe as register
from mechprobe.reports.pictures import draw_all

VALUE = {"value": MetricSpec("a value", low=0, high=1)}
GOOD = Measurement({"value": 0.5})


def exits(context: CountContext) -> Measurement:
    sys.exit()


def closes(context: CountContext) -> Measurement:
    raise GeneratorExit


def weights(context: CountContext) -> Measurement:
    context.model.blocks[0].mlp.b_out.data += 1
    return GOOD


def parameter(context: CountContext) -> Measurement:
    context.model.embed.W_E = torch.nn.Parameter(torch.zeros_like(context.model.embed.W_E))
    return GOOD


def gradients(context: CountContext) -> Measurement:
    context.model.requires_grad_(not next(context.model.parameters()).requires_grad)
    return GOOD


def hooks(context: CountContext) -> Measurement:
    context.model.add_hook("hook_embed", lambda value, hook: value * 0)
    return GOOD


def mode(context: CountContext) -> Measurement:
    context.model.train(not context.model.training)
    return GOOD


def shared(context: CountContext) -> Measurement:
    context.reference.resid.numpy()[:] = 0
    return GOOD


def setting(context: CountContext) -> Measurement:
    context.model.cfg.attn_scale = 1e9
    return GOOD


def function(context: CountContext) -> Measurement:
    context.model.blocks[0].mlp.activation = lambda value: value * 0
    return GOOD


def kind(context: CountContext) -> Measurement:
    context.model.blocks[0].mlp.__class__ = torch.nn.Identity
    return GOOD


def dtype(context: CountContext) -> Measurement:
    torch.set_default_dtype(torch.float64)
    return GOOD


def grad_mode(context: CountContext) -> Measurement:
    torch.set_grad_enabled(False)
    return GOOD


def errors(context: CountContext) -> Measurement:
    np.seterr(all="raise")
    return GOOD


def folder(context: CountContext) -> Measurement:
    os.chdir("/")
    return GOOD


DOES: list[tuple[Callable[[CountContext], Measurement], str]] = [
    (exits, "SystemExit:$"),
    (closes, "GeneratorExit:$"),
    (weights, "it changes the model's weights; work on a copy"),
    (parameter, "it changes the model's parts"),
    (gradients, "it changes what of the model takes gradients"),
    (hooks, "it leaves hooks on the model"),
    (mode, "it changes the model's parts"),
    (setting, "it changes the model's configuration"),
    (function, "it changes the model's parts"),
    (kind, "it changes the model's parts"),
    (shared, "it changes what probes share"),
    (dtype, "it changes torch's default type"),
    (grad_mode, "it changes torch's gradient mode"),
    (errors, "it changes numpy's error handling"),
    (folder, "it changes the working folder"),
]
GIVES: list[tuple[Any, str]] = [
    (None, "gave None, a Measurement is wanted"),
    ({"value": 0.5}, "a Measurement is wanted"),
    (Measurement({"value": "0.5"}), "metric value is '0.5'; one number is wanted"),
    (Measurement({"value": np.zeros(3)}), "one number is wanted"),
    (Measurement({"value": torch.zeros(3)}), "one number is wanted"),
    (Measurement({"value": 1j}), "one number is wanted"),
    (Measurement({"value": 1.5}), r"metric value is 1\.5, outside its range 0 to 1"),
    (Measurement({"value": float("inf")}), "metric value is inf; use None"),
    (Measurement({"value": 0.5}, {"a": np.array(["text"])}), "arrays hold numbers"),
    (Measurement({"value": 0.5}, {"a": np.array([object()])}), "arrays hold numbers"),
]


def study_with(probe: Probe) -> mechprobe.ModelResult:
    """A study with that probe and one of ours after it; it has to survive, and be stored."""
    model = models.construct("dot", T=5, L=4)
    before, free = model.fingerprint(), [p.requires_grad for p in model.parameters()]
    here, kept = os.getcwd(), (torch.get_default_dtype(), torch.is_grad_enabled(), np.geterr())
    second = register("after", metrics=VALUE)(
        lambda context: Measurement({"value": context.accuracy})
    )
    found = probes.study(model, name="dot", probes=[probe.name, "mutual-coherence", second.name])
    assert model.fingerprint() == before
    assert [p.requires_grad for p in model.parameters()] == free
    assert not any(module._forward_hooks for module in model.modules())
    assert os.getcwd() == here
    assert kept == (torch.get_default_dtype(), torch.is_grad_enabled(), np.geterr())
    assert [r.probe for r in found.probes] == ["mutual-coherence", "after"]
    assert found.probes[1].value("value") == 1.0
    assert mechprobe.ModelResult.model_validate_json(found.model_dump_json()).problems
    return found


@pytest.mark.parametrize(("measure", "says"), DOES, ids=[m.__name__ for m, _ in DOES])
def test_what_a_probe_does_costs_its_own_result(
    measure: Callable[[CountContext], Measurement], says: str, own_registry: Registry[Probe]
) -> None:
    (line,) = study_with(register("a-odd", metrics=VALUE)(measure)).problems
    assert re.search(f"^probe a-odd: {says}", line)


@pytest.mark.parametrize(
    ("gives", "says"), GIVES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_a_probe_gives_is_checked(
    gives: Any, says: str, own_registry: Registry[Probe]
) -> None:
    (line,) = study_with(register("a-odd", metrics=VALUE)(lambda context: gives)).problems
    assert re.search(f"^probe a-odd: .*{says}", line)


@pytest.mark.parametrize(
    ("part", "value", "says"),
    [
        ("say", lambda result: None, "its words are a NoneType; a string is wanted"),
        ("say", lambda result: "\udc80", "its words are no text"),
        ("say", lambda result: sys.exit(0), "SystemExit: 0"),
        ("parameters", lambda: {"f": len}, "its parameters are no settings"),
        ("parameters", lambda: None, "its parameters are no settings"),
        ("inapplicable", lambda model, task: sys.exit(0), "its condition: SystemExit: 0"),
        ("inapplicable", lambda model, task: 3, "its condition returns 3"),
        ("inapplicable", lambda model, task: model.W_E.data.zero_() and None, "its condition"),
    ],
)
def test_every_part_of_a_probe_is_guarded(
    part: str, value: object, says: str, own_registry: Registry[Probe]
) -> None:
    made = register("a-odd", metrics=VALUE)(lambda context: GOOD)
    setattr(made, part, value)
    (line,) = study_with(made).problems
    assert line.startswith(f"probe a-odd: {says}")


def test_ctrl_c_and_the_end_of_a_worker_stay_what_they_are() -> None:
    for kind in (KeyboardInterrupt, Ended):
        with pytest.raises(kind), one_line("it"):
            raise kind


def test_what_a_probe_prints_is_not_in_the_output(
    own_registry: Registry[Probe], capsys: pytest.CaptureFixture[str]
) -> None:
    def loud(context: CountContext) -> Measurement:
        sys.stdout.write("hello")
        return GOOD

    assert register("loud", metrics=VALUE)(loud)(models.construct("dot", T=5, L=4)).metrics
    assert capsys.readouterr() == ("", "hello")


@pytest.mark.parametrize(
    ("metrics", "tasks", "says"),
    [
        ({"../x": MetricSpec("x")}, ("histogram",), "letters, digits and underscores"),
        ({"": MetricSpec("x")}, ("histogram",), "letters, digits and underscores"),
        ({"x": "a number"}, ("histogram",), "MetricSpec by name"),
        ({"x": MetricSpec("x", low=1, high=0)}, ("histogram",), "ranges from 1 to 0"),
        (VALUE, "histogram", "tuple of names"),
    ],
)
def test_a_declaration_is_checked(metrics: Any, tasks: Any, says: str) -> None:
    with pytest.raises(MechprobeError, match=f"^probe odd: .*{says}"):
        check_declaration("probe odd", metrics, tasks)


def test_a_figure_is_guarded(own_registry: Registry[Probe]) -> None:
    made = register("odd", metrics=VALUE)(lambda context: GOOD)
    found = probes.study(models.construct("dot", T=5, L=4), name="dot", probes=["odd"])
    for draw, says in (
        (lambda r: sys.exit(0), "SystemExit: 0"),
        (lambda r: None, "NoneType"),
        (lambda r: torch.set_default_dtype(torch.float64) or Figure(), "torch's default type"),
    ):
        made.draw = draw
        ((image, note),) = draw_all([found], {"odd": made})[0]
        assert image is None
        assert note.startswith("No figure: ")
        assert says in note

    def changing(r: probes.ProbeResult) -> Figure:
        r.metrics["value"].value = 7.0
        return Figure()

    made.draw = changing
    assert draw_all([found], {"odd": made})[0][0][0] is not None
    assert found.probes[0].value("value") == 0.5


def test_a_format_cannot_take_the_others_along(tmp_path: Path) -> None:
    class Greedy:
        def recognises(self, folder: Path, config: dict[str, Any]) -> bool:
            config.clear()
            sys.exit(0)

        def read(self, folder: Path, config: dict[str, Any]) -> None:
            raise AssertionError

    models.save(models.construct("dot", T=5, L=4), tmp_path / "dot")
    with FORMATS.isolated():
        checkpoint_format("greedy", "all")(Greedy)
        assert models.load(tmp_path / "dot").config.T == 5


def test_a_construction_that_fails_is_one_line() -> None:
    with CONSTRUCTIONS.isolated():

        @construction("odd", "mixed", "semantic")
        def build(sizes: object, generator: object) -> Any:
            """Odd."""
            sys.exit(0)

        with pytest.raises(MechprobeError, match=r"^construction 'odd': SystemExit: 0$"):
            models.construct("odd", T=4, L=4)


@pytest.mark.parametrize(
    ("error", "says"), [(SystemExit(0), "SystemExit: 0"), (ValueError("no"), "ValueError: no")]
)
def test_a_study_that_ends_itself_is_one_line(error: BaseException, says: str) -> None:
    with STUDIES.isolated():

        @study_command("odd")
        def odd() -> int:
            raise error

        done = CliRunner().invoke(odd)
        assert isinstance(done.exception, MechprobeError)
        assert str(done.exception) == f"study odd: {says}"


def test_what_a_probe_was_the_first_to_ask_for_is_measured_anew(
    own_registry: Registry[Probe],
) -> None:
    """It may have changed it before anybody knew what it was."""

    def spoils(context: CountContext) -> Measurement:
        context.cache["blocks.0.mlp.hook_post"].zero_()
        return GOOD

    def looks(context: CountContext) -> Measurement:
        some = context.cache["blocks.0.mlp.hook_post"]
        return Measurement({"value": float((some > 0).double().mean())})

    register("a-odd", metrics=VALUE)(spoils)
    register("after", metrics=VALUE)(looks)
    model = models.construct("dot", T=5, L=4)
    alone = probes.study(model, name="dot", probes=["after"]).probes[0].metrics["value"].value
    found = probes.study(model, name="dot", probes=["a-odd", "after"])
    assert found.problems == []
    assert alone is not None
    assert alone > 0
    assert found.probes[1].metrics["value"].value == alone


def test_threads_take_turns_on_a_model() -> None:
    """What one hooks into its run, another's run would meet."""
    model = models.construct("bos+sftm", T=4, L=3)
    right = mechprobe.label(model)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: mechprobe.label(model), range(12)))
    assert found == [right] * 12
