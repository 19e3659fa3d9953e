"""Checkpoints as training scripts save them: wrapped modules, dictionaries, shared numbers."""

import argparse
import collections
import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from mechprobe.analyses.commands.inspect.inspecting import as_text, inspect_path
from mechprobe.analyses.commands.label.labelling import as_text as label_text
from mechprobe.analyses.commands.label.labelling import label_paths
from mechprobe.models import CountingConfig, HookedTransformer, MechprobeError, load, save
from mechprobe.models.base.safe.torch_files import read_torch
from mechprobe.models.families.counting import initial
from mechprobe.probes import label

T, L, D, P = 6, 4, 40, 7
CONFIG = CountingConfig.of("dot", T=T, L=L, d=D, p=P)
ARGUMENTS = {
    "T": T, "seq_len": L, "model_dim": D, "p": P, "attention_input": "only_sem",
    "no_softmax": True, "dataset_type": "backward",
}  # fmt: skip


class Mixer(nn.Module):
    """As in the published code."""

    def __init__(self) -> None:
        super().__init__()
        self.Q, self.K = (nn.Parameter(torch.randn(D, D)) for _ in range(2))


class Published(nn.Module):
    """Its names; it is never run."""

    def __init__(self) -> None:
        super().__init__()
        self.semantic_emb, self.token_mixer = nn.Embedding(T, D), Mixer()
        self.fc1, self.fc2 = nn.Linear(D, P), nn.Linear(P, L + 1)


class Compiled(nn.Module):
    """Names its parts as torch.compile does."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._orig_mod = module


@pytest.fixture
def module() -> Published:
    """The same weights every time."""
    torch.manual_seed(0)
    return Published()


def stored(content: object, folder: Path) -> Path:
    """A folder of the published code's."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(ARGUMENTS))
    torch.save(content, folder / "transformer.pt")
    return folder


def lightning(module: nn.Module) -> dict[str, object]:
    """What its trainer saves."""
    moments = {
        i: {"step": torch.ones(()), "exp_avg": torch.zeros_like(w), "exp_avg_sq": w.square()}
        for i, w in enumerate(module.parameters())
    }
    optimiser = {"state": moments, "param_groups": [{"lr": 0.1, "params": [*moments]}]}
    return {
        "epoch": 3,
        "global_step": 400,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": {f"net.{name}": w for name, w in module.state_dict().items()},
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 4}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.ones(())}},
        "optimizer_states": [optimiser],
        "lr_schedulers": [{"milestones": collections.Counter([3, 4])}],
        "hyper_parameters": argparse.Namespace(lr=0.1, where=Path("x")),
    }


WRAPPED = {
    "plain": (lambda m: m.state_dict(), ""),
    "parallel": (lambda m: nn.DataParallel(m).state_dict(), "prefix module. dropped"),
    "compiled": (lambda m: Compiled(m).state_dict(), "_orig_mod dropped"),
    "both": (
        lambda m: nn.DataParallel(Compiled(m)).state_dict(),
        "prefix module. dropped",
    ),
    "averaged": (
        lambda m: torch.optim.swa_utils.AveragedModel(m).state_dict(),
        "n_averaged left aside",
    ),
    "model": (lambda m: {"model": m.state_dict(), "args": {"lr": 1}, "iter": 3}, "under model"),
    "lightning": (lightning, "under state_dict was taken; epoch, global_step"),
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_wrapped_modules_are_read_and_it_is_said(kind, module, tmp_path):
    wrap, said = WRAPPED[kind]
    content = wrap(module)
    wanted = load(stored(module.state_dict(), tmp_path / "plain"))
    model = load(stored(content, tmp_path / "wrapped"))
    assert model.fingerprint() == wanted.fingerprint()
    assert all(sentence.startswith("transformer.pt: ") for sentence in model.taken)
    assert said in " ".join(model.taken)
    assert bool(said) == bool(model.taken)


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module.model.", "net._orig_mod."])
def test_safetensors_of_wrapped_modules_are_read_alike(prefix, tmp_path):
    model = HookedTransformer(CONFIG, initial(CONFIG, torch.Generator().manual_seed(0)))
    save(model, tmp_path / "m")
    weights = {f"{prefix}{name}": w for name, w in model.weights().items()}
    safetensors.torch.save_file(weights, tmp_path / "m" / "model.safetensors")
    found = load(tmp_path / "m")
    assert found.fingerprint() == model.fingerprint()
    assert found.taken


def test_inspect_and_label_say_what_was_taken(module, tmp_path):
    folder = stored({"model": module.state_dict(), "epoch": 3}, tmp_path / "m")
    said = "transformer.pt: the state dict under model was taken; epoch left aside"
    found = inspect_path(folder)
    assert found["taken"] == [said]
    assert any(line.split(maxsplit=1) == ["taken", said] for line in as_text(found).splitlines())
    labelled, problems = label_paths([folder], 0)
    assert problems == {}
    assert f"\n  read: {said}\n" in label_text(labelled[0])
    assert "taken" not in as_text(found | {"taken": []})


def test_shared_numbers_are_counted_once(module, tmp_path):
    """Q = K, and a bias expanded from one number."""
    state = module.state_dict()
    state["token_mixer.K"] = state["token_mixer.Q"]
    state["fc1.bias"] = torch.full((1,), 0.5).expand(P)
    model = load(stored(state, tmp_path / "m"))
    assert torch.equal(model.W_Q, model.W_K)
    assert torch.equal(model.blocks[0].mlp.b_in, torch.full((P,), 0.5))
    assert model.W_Q.data_ptr() != model.W_K.data_ptr()


@pytest.mark.parametrize("shape", [(2**20, 2**20), (2**14, 2**13)])
def test_expanded_numbers_are_bounded_by_what_they_would_take(shape, module, tmp_path):
    state = module.state_dict() | {"semantic_emb.weight": torch.zeros(1).expand(*shape)}
    folder = stored(state, tmp_path / "m")
    with pytest.raises(MechprobeError, match="claim 128 MiB more numbers than the file holds"):
        load(folder)


def test_tied_weights_of_save_model_are_read(tmp_path):
    weights = initial(CONFIG, torch.Generator().manual_seed(0))
    weights["W_K"] = weights["W_Q"]
    model = HookedTransformer(CONFIG, weights)
    save(model, tmp_path / "m")
    tied = nn.ParameterDict(weights)
    tied["W_K"] = tied["W_Q"]
    safetensors.torch.save_model(tied, str(tmp_path / "m" / "model.safetensors"))
    found = load(tmp_path / "m")
    assert found.fingerprint() == model.fingerprint()
    assert "stored once: " in found.taken[0]


@pytest.mark.parametrize("whole", [torch.bfloat16, torch.float64])
def test_mixed_types_are_read_as_the_widest(whole, tmp_path):
    model = HookedTransformer(CONFIG, initial(CONFIG, torch.Generator().manual_seed(0)))
    save(model, tmp_path / "m")
    weights = model.weights()
    weights = {n: w if n == "b_out" else w.to(whole) for n, w in weights.items()}
    safetensors.torch.save_file(weights, tmp_path / "m" / "model.safetensors")
    found = load(tmp_path / "m")
    wider = torch.float64 if whole == torch.float64 else torch.float32
    assert {w.dtype for w in found.weights().values()} == {wider}
    assert all(torch.equal(w.to(wider), found.weights()[n]) for n, w in weights.items())
    assert f"all read as {str(wider).removeprefix('torch.')}" in found.taken[0]


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
@pytest.mark.parametrize(
    "odd",
    [
        lambda w: torch.quantize_per_tensor(w, 0.1, 0, torch.qint8),
        lambda w: w.to_sparse_coo(),
        lambda w: w.to(torch.complex64),
        lambda w: w.numpy(),
        lambda w: argparse.Namespace(w=w),
    ],
    ids=["quantised", "sparse", "complex", "numpy", "namespace"],
)
def test_tensors_of_other_kinds_are_refused_by_name(odd, module, tmp_path):
    state = module.state_dict()
    state = {**state, "fc1.weight": odd(state["fc1.weight"])}
    with pytest.raises(MechprobeError, match=r"fc1\.weight|W_in holds torch\.complex64") as caught:
        load(stored(state, tmp_path / "m"))
    assert str(tmp_path / "m" / "transformer.pt") in str(caught.value)


def test_a_pickled_module_is_refused_by_its_class(module, tmp_path):
    with pytest.raises(MechprobeError, match=r"holds more than tensors \(.*Published\)"):
        load(stored({"model": module}, tmp_path / "m"))


def test_numbers_come_out_as_torch_reads_them(tmp_path):
    """Views into one storage with offsets, strides and types; records of more than a mebibyte."""
    big = torch.randn(1100, 300, generator=torch.Generator().manual_seed(0))
    state = {
        "whole": big,
        "turned": big.T,
        "part": big[3:900:7, 1::2],
        "row": big[5].expand(4, 300),
        "windows": big.flatten().as_strided((10, 5), (2, 1), 3),
    }
    torch.save(state, tmp_path / "a.pt")
    found = read_torch(tmp_path / "a.pt", lambda weights: None)
    wanted = torch.load(tmp_path / "a.pt", weights_only=True)
    assert all(torch.equal(found[name], wanted[name]) for name in state)
    assert found["turned"].stride() == wanted["turned"].clone().stride()


def test_a_check_of_others_that_fails_is_not_damage(tmp_path):
    torch.save({"a": torch.zeros(2)}, tmp_path / "a.pt")

    def check(weights):
        return weights["b"]

    with pytest.raises(KeyError):
        read_torch(tmp_path / "a.pt", check)


# -- configurations -----------------------------------------------------------------------------


def test_whole_floats_and_a_byte_order_mark_in_a_configuration(tmp_path):
    model = HookedTransformer(CONFIG, initial(CONFIG, torch.Generator().manual_seed(0)))
    save(model, tmp_path / "m")
    file = tmp_path / "m" / "config.json"
    config = json.loads(file.read_text())
    sizes = {name: float(config[name]) for name in ("T", "L", "d", "p", "n_classes")}
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(config | sizes).encode())
    assert load(tmp_path / "m").fingerprint() == model.fingerprint()
    file.write_text(json.dumps(config | {"T": T + 0.5}))
    with pytest.raises(MechprobeError, match="T: Input should be a valid integer"):
        load(tmp_path / "m")
    file.write_text('{"T": 6, ' + json.dumps(config)[1:])
    with pytest.raises(MechprobeError, match="the name 'T' stands there twice"):
        load(tmp_path / "m")


# -- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "scale"), [(torch.float64, 1e300), (torch.float32, 1e25), (torch.float64, 6e153)]
)
@pytest.mark.parametrize("name", ["W_E", "b_in"])
def test_weights_whose_squares_overflow_are_refused_everywhere(name, dtype, scale, tmp_path):
    weights = initial(CONFIG, torch.Generator().manual_seed(0))
    weights = {n: w.to(dtype) for n, w in weights.items()}
    model = HookedTransformer(CONFIG, weights)
    save(model, tmp_path / "m")
    huge = weights | {name: torch.full_like(weights[name], scale)}
    said = f"{name} holds numbers as large as .*, whose squares overflow"
    with pytest.raises(MechprobeError, match=said):
        HookedTransformer(CONFIG, huge)
    safetensors.torch.save_file(huge, tmp_path / "m" / "model.safetensors")
    with pytest.raises(MechprobeError, match=said) as caught:
        load(tmp_path / "m")
    assert str(tmp_path / "m" / "model.safetensors") in str(caught.value)
    # A model that was changed after it was made.
    (model.blocks[0].mlp.b_in if name == "b_in" else model.embed.W_E).data.fill_(scale)
    with pytest.raises(MechprobeError, match="whose squares overflow"):
        label(model)


def test_denormal_and_large_numbers_are_weights(tmp_path):
    weights = initial(CONFIG, torch.Generator().manual_seed(0))
    weights["b_in"] = torch.full_like(weights["b_in"], 1e-42)
    weights["b_out"] = torch.full_like(weights["b_out"], 1e18)
    half = {name: w.to(torch.float16) for name, w in weights.items() if name != "b_out"}
    half["b_out"] = torch.full((L + 1,), 60_000.0, dtype=torch.float16)
    for kind in (weights, half):
        assert HookedTransformer(CONFIG, kind).weights()["b_in"].isfinite().all()


def test_inspect_says_that_scores_overflow(tmp_path):
    """Weights that are fine one by one, whose products are not."""
    weights = initial(CONFIG, torch.Generator().manual_seed(0))
    model = HookedTransformer(CONFIG, {name: w * 1e12 for name, w in weights.items()})
    save(model, tmp_path / "m")
    found = inspect_path(tmp_path / "m")
    assert "activations overflow" in found["label"]["why_not"]
    assert "its scores overflow" in found["probes"]["attention-sources"]["why_not"]
