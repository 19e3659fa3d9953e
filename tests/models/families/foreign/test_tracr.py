"""Compiled programs from folders: read as they are, refused in one line where they do not fit."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mechprobe.analyses.bench.tracr.programs import PROGRAMS
from mechprobe.analyses.bench.tracr.store import Compiled, by_name, weights_of
from mechprobe.models import MechprobeError, load, save
from mechprobe.models.base.tensor_files import write_tensors
from mechprobe.models.checkpoints import recognised
from mechprobe.models.families.foreign.tracr import TracrDescription, export, model_of, parts_of
from mechprobe.models.families.foreign.tracr.export import PROGRAM_FILE, WEIGHTS_FILE, write

HIST, ORDER = "hist-T4-L5", "order-T4-L5"  # categorical and numerical
SMALL = {name: one for name, one in by_name().items() if (one.T, one.L) == (4, 5)}


def stored(name: str, folder: Path) -> Path:
    """A packaged program as a folder."""
    one = by_name()[name]
    write(one.description, weights_of(one), folder / name)
    return folder / name


@pytest.mark.parametrize("name", [HIST, ORDER])
def test_a_folder_is_read_as_a_hooked_model(name: str, tmp_path: Path) -> None:
    folder = stored(name, tmp_path)
    assert recognised(folder).name == "tracr"
    model = load(folder)
    assert (model.config.T, model.config.L, model.config.bos) == (4, 5, True)
    tokens = model.task().sample(64, torch.Generator().manual_seed(0))
    answers, cache = model.run_with_cache(tokens)
    assert model.task().accuracy(answers, tokens) == 1.0
    assert cache["blocks.0.attn.hook_pattern"].shape[1] == by_name()[name].description.num_heads
    save(model, tmp_path / "again")  # as any other foreign model
    assert recognised(tmp_path / "again").name == "foreign"
    assert torch.equal(load(tmp_path / "again")(tokens), answers)


def test_a_numerical_output_is_read_as_the_nearest_count() -> None:
    one = by_name()[ORDER]
    model = model_of(one.description, weights_of(one))
    direction = weights_of(one)["unembed.w"].flatten()
    numbers = torch.tensor([-3.0, 0.4, 0.6, 2.49, 2.51, 4.4, 9.0])
    logits = model.read_out(numbers[:, None] * direction)
    assert logits.argmax(-1).tolist() == [0, 0, 1, 2, 3, 4, 5]
    away = -(numbers[:, None] - torch.arange(6)).square()
    torch.testing.assert_close(
        logits - logits.mean(1, keepdim=True), away - away.mean(1, keepdim=True)
    )


def test_outputs_that_are_no_counts_are_not_read() -> None:
    one = by_name()[HIST]
    outputs = one.description.outputs
    assert outputs is not None
    changed = one.description.model_copy(update={"outputs": ("none", *outputs[1:])})
    model = model_of(changed, weights_of(one))
    assert model.task().L == 5
    assert changed.answers == {count: (count,) for count in range(1, 6)}
    twice = one.description.model_copy(update={"outputs": (1.0, True, 1, 2, 3, 4, 5)})
    assert twice.answers is not None
    assert twice.answers[1] == (0, 2)


DAMAGE = {
    "causal": (lambda d: d | {"causal": True}, "compile it with causal=False"),
    "norm": (lambda d: d | {"layer_norm": True}, "layer_norm"),
    "activation": (lambda d: d | {"activation": "gelu"}, "activation"),
    "bos": (lambda d: d | {"bos": "start"}, "bos: start is none of the tokens"),
    "count": (lambda d: d | {"outputs": [0, 1, 2, 4, 5]}, "outputs: count 3 is missing"),
    "huge": (lambda d: d | {"outputs": [0, 1, 2, 10**250, 4, 5]}, "outputs: count 3 is missing"),
    "deep": (lambda d: d | {"num_layers": 9}, "n_layers"),
    "shape": (lambda d: d | {"key_size": 7}, r"attn/query.w has shape \(19, 6\)"),
    "field": (lambda d: d | {"more": 1}, "more"),
    "version": (lambda d: d | {"version": 2}, "update mechprobe"),
    "twice": (lambda d: d | {"tokens": [0, 0, *d["tokens"][2:]]}, "tokens: one stands there twice"),
    "tokens": (lambda d: d | {"tokens": [0, "compiler_bos"]}, "at least 2"),
}


@pytest.mark.parametrize("fault", DAMAGE)
def test_what_does_not_fit_is_refused_in_one_line(fault: str, tmp_path: Path) -> None:
    folder = stored(HIST, tmp_path)
    change, says = DAMAGE[fault]
    data = json.loads((folder / PROGRAM_FILE).read_text())
    (folder / PROGRAM_FILE).write_text(json.dumps(change(data)))
    with pytest.raises(MechprobeError, match=says) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(folder))


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    folder = stored(HIST, tmp_path)
    weights = weights_of(by_name()[HIST])
    weights["unembed.w"][0, 0] = float("nan")
    write_tensors(folder / WEIGHTS_FILE, weights, {})
    with pytest.raises(MechprobeError, match=r"unembed\.w holds NaN"):
        load(folder)
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(MechprobeError, match=WEIGHTS_FILE):
        load(folder)


def test_nothing_imports_tracr_or_jax() -> None:
    """Reading, the programs' names and the bench do without."""
    code = (
        "import sys, mechprobe.analyses.bench.tracr.store as s;"
        "s.built(next(iter(s.by_name().values())));"
        "from mechprobe.analyses.bench.tracr.programs import PROGRAMS;"
        "assert not {'tracr', 'jax', 'haiku'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_tracr_the_export_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "haiku", None)
    with pytest.raises(MechprobeError, match=r"pip install mechprobe\[compiled\]"):
        parts_of(SimpleNamespace())


# -- with tracr itself ------------------------------------------------------------------------


@pytest.mark.filterwarnings("default")  # jax's and haiku's own
@pytest.mark.parametrize("one", SMALL.values(), ids=SMALL)
def test_it_is_what_tracr_runs(one: Compiled, tmp_path: Path) -> None:
    """Stream in every block, decoded output and stored weights are those of tracr's own run."""
    compiling = pytest.importorskip("tracr.compiler.compiling")
    made = compiling.compile_rasp_to_model(
        PROGRAMS[one.program](one.T, one.L), vocab=set(range(one.T)), max_seq_len=one.L
    )
    export(made, tmp_path / "program")
    model = load(tmp_path / "program")
    description, _ = parts_of(made)
    assert _unnumbered(description) == _unnumbered(one.description)
    packaged = weights_of(one)
    tokens = model.task().sample(12, torch.Generator().manual_seed(0))
    tokens[0, 1:] = 0  # count L, which the sampler never draws
    torch.testing.assert_close(model_of(one.description, packaged)(tokens), model(tokens))
    answers, cache = model.run_with_cache(tokens)
    for i, row in enumerate(tokens.tolist()):
        run = made.apply([description.bos, *row[1:]])
        for block in range(model.cfg.n_layers):
            for k, hook in enumerate(("hook_resid_mid", "hook_resid_post")):
                theirs = torch.tensor(run.residuals[2 * block + k][0].tolist())
                torch.testing.assert_close(cache[f"blocks.{block}.{hook}"][i], theirs)
        decoded = [round(value) for value in run.decoded[1:]]
        assert answers[i, 1:].argmax(-1).tolist() == decoded
        assert decoded == [row[1:].count(token) for token in row[1:]]


def _unnumbered(description: TracrDescription) -> dict[str, object]:
    """A description without the names of directions, whose numbers go on with each program."""
    return description.model_dump() | {"residual_labels": len(description.residual_labels)}
