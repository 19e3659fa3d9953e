"""Checkpoints: our own format, the published counting code's, and hostile files."""

import errno
import json
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mechprobe.models import (
    ARCHITECTURES,
    CountingConfig,
    HookedTransformer,
    MechprobeError,
    construct,
    load,
    read_meta,
    save,
)
from mechprobe.models.base import tensor_files
from mechprobe.models.families.counting import initial


def random_model(kind: str, dtype: torch.dtype = torch.float32) -> HookedTransformer:
    config = CountingConfig.of(kind, T=6, L=4, d=5, p=7)
    weights = initial(config, torch.Generator().manual_seed(0))
    return HookedTransformer(config, {name: w.to(dtype) for name, w in weights.items()})


def listing(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"<folder>"
        for path in folder.rglob("*")
    }


def refused(path: Path, root: Path, names: str | None = None) -> str:
    """`load` raises one line that names the path, and writes nothing."""
    before = listing(root)
    with pytest.raises(MechprobeError) as caught:
        load(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert (names or str(path)) in message
    assert listing(root) == before
    return message


# -- our own format -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_round_trip_is_bit_equal(kind, dtype, tmp_path):
    model = random_model(kind, dtype)
    meta = {"construction": "none", "seed": 3, "nested": {"a": [1, 2.5, None]}, "name": "ü"}
    save(model, tmp_path / "a" / "b", meta)
    assert sorted(listing(tmp_path / "a" / "b")) == ["config.json", "model.safetensors"]
    again = load(tmp_path / "a" / "b")
    assert again.config == model.config
    assert again.fingerprint() == model.fingerprint()
    assert read_meta(tmp_path / "a" / "b") == meta
    tokens = model.config.task().sample(5, torch.Generator().manual_seed(1))
    assert torch.equal(again(tokens), model(tokens))
    assert [str(path) for path in tmp_path.iterdir()] == [str(tmp_path / "a")]


def test_the_view_does_not_matter_and_text_paths_load(tmp_path):
    model = random_model("dot")
    save(model.widened(), tmp_path / "wide")
    assert load(str(tmp_path / "wide")).fingerprint() == model.fingerprint()
    assert not load(tmp_path / "wide").cfg.widened
    assert read_meta(tmp_path / "wide") == {}


def test_a_new_checkpoint_replaces_an_older_one(tmp_path):
    old, new = random_model("dot"), random_model("lin")
    save(old, tmp_path / "model", {"age": "old"})
    save(new, tmp_path / "model", {"age": "new"})
    assert load(tmp_path / "model").fingerprint() == new.fingerprint()
    assert read_meta(tmp_path / "model") == {"age": "new"}
    assert sorted(listing(tmp_path)) == ["model", "model/config.json", "model/model.safetensors"]


def test_the_same_model_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        save(random_model("bos"), tmp_path / name, {"b": 1, "a": 2})
    assert listing(tmp_path / "one") == listing(tmp_path / "two")


@pytest.mark.parametrize("extra", ["notes.txt", ".hidden", "transformer.pt"])
def test_a_folder_with_other_files_is_not_replaced(extra, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / extra).write_text("do not lose this")
    before = listing(tmp_path)
    with pytest.raises(MechprobeError, match="holds other files") as caught:
        save(random_model("dot"), tmp_path / "mine")
    assert str(tmp_path / "mine") in str(caught.value)
    assert listing(tmp_path) == before


def test_a_file_is_not_replaced_by_a_folder(tmp_path):
    (tmp_path / "file").write_text("content")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(MechprobeError, match="file"):
            save(random_model("dot"), path)
    assert listing(tmp_path) == {"file": b"content"}


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        safetensors.SafetensorError("I/O error: No space left on device"),
        KeyboardInterrupt(),
    ],
    ids=["disk full", "safetensors", "interrupt"],
)
def test_a_failing_write_leaves_everything_as_it_was(failure, existing, monkeypatch, tmp_path):
    if existing:
        save(random_model("dot"), tmp_path / "model", {"age": "old"})
    before = listing(tmp_path)

    def fail(tensors, path, metadata=None):
        Path(path).write_bytes(b"half a file")
        raise failure

    monkeypatch.setattr(tensor_files, "save_file", fail)
    wanted = KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else MechprobeError
    with pytest.raises(wanted) as caught:
        save(random_model("lin"), tmp_path / "model")
    if wanted is MechprobeError:
        assert str(caught.value).startswith(f"{tmp_path / 'model'}: cannot write")
        assert "No space left on device" in str(caught.value)
    assert listing(tmp_path) == before


# -- the published format -----------------------------------------------------------------------

T, L, D, P = 6, 4, 5, 7


def published(
    folder: Path, *, linear: bool, bos: bool, softmax: bool, rows: int | None = None
) -> dict[str, torch.Tensor]:
    """What the published script leaves behind; `rows` of the mixing matrix if not the usual."""
    g = torch.Generator().manual_seed(5)
    vocab = T + int(bos)
    state = {
        "semantic_emb.weight": torch.randn(vocab, D, generator=g),
        "positional_emb.embedding.weight": torch.randn(L, D, generator=g),
        "positional_emb.pe": torch.randn(1, L, D, generator=g),
        "fc1.weight": torch.randn(P, D, generator=g),
        "fc1.bias": torch.randn(P, generator=g),
        "fc2.weight": torch.randn(L + 1, P, generator=g),
        "fc2.bias": torch.randn(L + 1, generator=g),
    }
    if linear:
        rows = rows or L + int(bos)
        state["token_mixer.A"] = torch.randn(rows, rows, generator=g)
    else:
        state["token_mixer.Q"] = torch.randn(D, D, generator=g)
        state["token_mixer.K"] = torch.randn(D, D, generator=g)
    folder.mkdir(parents=True)
    torch.save(state, folder / "transformer.pt")
    config = {
        "T": T,
        "seq_len": L,
        "model_dim": D,
        "p": P,
        "attention_input": "linear" if linear else "only_sem",
        "no_softmax": not softmax,
        "dataset_type": "backward_BOS" if bos else "backward",
        "lr": 1e-3,
        "seed": None,
        "device": "cuda",
    }
    (folder / "config.json").write_text(json.dumps(config))
    return state


def as_published(state, tokens, *, linear: bool, softmax: bool) -> torch.Tensor:
    """The published model's forward pass."""
    fc1, fc2 = torch.nn.Linear(D, P), torch.nn.Linear(P, L + 1)
    for name, layer in (("fc1", fc1), ("fc2", fc2)):
        layer.load_state_dict({n: state[f"{name}.{n}"] for n in ("weight", "bias")})
    x = torch.nn.functional.embedding(tokens, state["semantic_emb.weight"])
    if linear:
        a = state["token_mixer.A"]
    else:
        a = (x @ state["token_mixer.Q"]) @ (x @ state["token_mixer.K"]).transpose(1, 2) / D**0.5
    a = torch.softmax(a, dim=-1) if softmax else a
    return fc2(torch.relu(fc1(x + a @ x)))


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize(
    ("linear", "bos", "rows"),
    [
        (False, False, None),
        (False, True, None),
        (True, False, None),
        (True, True, L + 1),
        (True, True, L),
    ],
)
def test_published_models_answer_as_they_did(linear, bos, rows, softmax, tmp_path):
    folder = tmp_path / "run"
    state = published(folder, linear=linear, bos=bos, softmax=softmax, rows=rows)
    before = listing(tmp_path)
    model = load(folder)
    c = model.config
    # With BOS in a matrix of seq_len rows, one of the positions is BOS's.
    length = L - 1 if rows == L and bos else L
    assert (c.T, c.L, c.d, c.p, c.n_classes) == (T, length, D, P, L + 1)
    assert (c.mixing, c.bos, c.softmax) == ("lin" if linear else "dot", bos, softmax)
    tokens = c.task().sample(9, torch.Generator().manual_seed(6))
    wanted = as_published(state, tokens, linear=linear, softmax=softmax)
    for found in (model(tokens), model.widened()(tokens)):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert read_meta(folder) == {}
    assert listing(tmp_path) == before


def test_a_published_model_becomes_one_of_ours(tmp_path):
    """Also where there are more classes than counts."""
    published(tmp_path / "run", linear=True, bos=True, softmax=True, rows=L)
    model = load(tmp_path / "run")
    save(model, tmp_path / "ours")
    assert load(tmp_path / "ours").fingerprint() == model.fingerprint()


def test_a_matrix_of_another_size_is_refused(tmp_path):
    for i, (bos, rows) in enumerate([(False, L + 1), (False, L - 1), (True, L + 2), (True, 2)]):
        folder = tmp_path / str(i)
        published(folder, linear=True, bos=bos, softmax=False, rows=rows)
        assert "token_mixer.A has shape" in refused(folder, tmp_path)


# -- hostile: configurations --------------------------------------------------------------------

BAD_PUBLISHED = [
    {"T": 1},
    {"seq_len": 1},
    {"model_dim": 1},
    {"p": 0},
    {"p": -7},
    {"T": -6},
    {"T": 10**12},
    {"T": 10**400},
    {"model_dim": 10**7},
    {"T": "6"},
    {"T": 6.5},
    {"T": 6.5},
    {"T": True},
    {"T": None},
    {"T": [6]},
    {"attention_input": "neither"},
    {"attention_input": 3},
    {"no_softmax": "true"},
    {"dataset_type": "sideways"},
    {"model_type": "2layer"},
    {"model_type": "1layer"},
    {"n_layers": 1},
    {"dataset_type": {"a": 1}},
]


@pytest.mark.parametrize("change", BAD_PUBLISHED, ids=str)
def test_published_arguments_out_of_range_are_refused(change, tmp_path):
    published(tmp_path / "run", linear=False, bos=False, softmax=False)
    file = tmp_path / "run" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    message = refused(tmp_path / "run", tmp_path, str(file))
    theirs = next(iter(change))
    # What is too big for us is told under our name for it.
    assert theirs in message or {"model_dim": "d"}[theirs] in message.split()[1]


@pytest.mark.parametrize(
    "change",
    [
        *({our: value} for our in ("T", "L", "d", "p") for value in (-1, 0, "6", 6.5, 10**9, None)),
        {"T": 1},
        {"L": 1},
        {"d": 1},
        {"mixing": "both"},
        {"softmax": "yes"},
        {"bos": 1},
        {"n_classes": 2},
        {"n_classes": "many"},
        {"family": "chess"},
        {"surprise": 1},
        {"a\nb": 1},
    ],
    ids=str,
)
def test_native_configurations_out_of_range_are_refused(change, tmp_path):
    save(random_model("dot"), tmp_path / "model")
    file = tmp_path / "model" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    refused(tmp_path / "model", tmp_path, str(file))


@pytest.mark.parametrize("missing", ["T", "seq_len", "model_dim", "p", "no_softmax"])
def test_missing_published_arguments_are_named(missing, tmp_path):
    published(tmp_path / "run", linear=False, bos=False, softmax=False)
    file = tmp_path / "run" / "config.json"
    config = json.loads(file.read_text())
    del config[missing]
    file.write_text(json.dumps(config))
    assert f"{missing}: Field required" in refused(tmp_path / "run", tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"not json\nat all",
        b"[1, 2]",
        b"null",
        b'"text"',
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"T":' * 50_000,
        b'{"T": ' + b"9" * 10_000 + b"}",
        b"\x00" * 100,
        b'{"T": NaN}',
        b'{"p": Infinity}',
        b'{"T": 1e999}',
        b'{"meta": "\\ud800"}',
        b'{"A": ' + b"[" * 100 + b"]" * 100 + b"}",
    ],
    ids=lambda content: repr(content[:12]),
)
@pytest.mark.parametrize("weights", ["model.safetensors", "transformer.pt"])
def test_a_damaged_config_is_refused(content, weights, tmp_path):
    if weights == "transformer.pt":
        published(tmp_path / "run", linear=False, bos=False, softmax=False)
    else:
        save(random_model("dot"), tmp_path / "run")
    file = tmp_path / "run" / "config.json"
    file.write_bytes(content)
    refused(tmp_path / "run", tmp_path, str(file))
    with pytest.raises(MechprobeError, match="config"):
        read_meta(tmp_path / "run")


def test_what_is_no_checkpoint_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    save(random_model("dot"), tmp_path / "bare")
    (tmp_path / "bare" / "model.safetensors").unlink()
    (tmp_path / "odd" / "config.json").mkdir(parents=True)
    assert "is a file, and none of weights" in refused(tmp_path / "file", tmp_path)
    save(random_model("dot"), tmp_path / "whole")
    assert "give the folder it lies in" in refused(
        tmp_path / "whole" / "model.safetensors", tmp_path
    )
    published(tmp_path / "alone", linear=False, bos=False, softmax=False)
    (tmp_path / "alone" / "config.json").unlink()
    assert "does not say T, softmax" in refused(tmp_path / "alone", tmp_path)
    save(random_model("dot"), tmp_path / "theirs")
    (tmp_path / "theirs" / "config.json").write_text('{"d_model": 8, "n_layers": 1, "act_fn": "x"}')
    assert "a TransformerLens model without task.json" in refused(tmp_path / "theirs", tmp_path)
    assert "no such checkpoint folder" in refused(tmp_path / "nowhere", tmp_path)
    assert "no config.json" in refused(tmp_path / "empty", tmp_path)
    assert "no weights here" in refused(tmp_path / "bare", tmp_path)
    assert "not a regular file" in refused(tmp_path / "odd", tmp_path)


# -- hostile: weights ---------------------------------------------------------------------------


def tampered(state: dict[str, torch.Tensor], name: str, kind: str) -> dict[str, object]:
    """A state with one fault in `name`."""
    weight = state[name]
    changed = {
        "wrong shape": lambda: torch.cat([weight, weight]),
        "transposed": lambda: weight.unsqueeze(0),
        "scalar": lambda: torch.tensor(1.0),
        "nan": lambda: torch.full_like(weight, float("nan")),
        "inf": lambda: torch.where(weight == weight.max(), float("-inf"), weight),
        "integer": lambda: weight.round().to(torch.int64),
        "boolean": lambda: weight > 0,
        "complex": lambda: weight.to(torch.complex64),
        "empty": lambda: weight[:0],
    }
    if kind == "missing":
        return {n: w for n, w in state.items() if n != name}
    return state | {name: changed[kind]()}


FAULTS = [
    "wrong shape",
    "transposed",
    "scalar",
    "nan",
    "inf",
    "integer",
    "boolean",
    "complex",
    "empty",
    "missing",
]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["W_Q", "W_out", "b_in"])
def test_native_weights_that_do_not_fit_are_refused(name, fault, tmp_path):
    save(random_model("dot"), tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    state = safetensors.torch.load_file(file)
    changed = {n: w.contiguous() for n, w in tampered(state, name, fault).items()}
    safetensors.torch.save_file(changed, file)
    assert name in refused(tmp_path / "model", tmp_path, str(file))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["token_mixer.A", "fc1.weight", "fc2.bias"])
def test_published_weights_that_do_not_fit_are_refused(name, fault, tmp_path):
    state = published(tmp_path / "run", linear=True, bos=False, softmax=False)
    file = tmp_path / "run" / "transformer.pt"
    torch.save(tampered(state, name, fault), file)
    refused(tmp_path / "run", tmp_path, str(file))


def test_an_unknown_weight_is_refused(tmp_path):
    save(random_model("dot"), tmp_path / "ours")
    ours = tmp_path / "ours" / "model.safetensors"
    state = safetensors.torch.load_file(ours)
    safetensors.torch.save_file(state | {"W_X": torch.zeros(2)}, ours)
    assert "W_X does not belong" in refused(tmp_path / "ours", tmp_path, str(ours))
    for i, odd in enumerate(["fc3.weight", "two\nlines", 7, ("a", "b")]):
        state = published(tmp_path / str(i), linear=False, bos=False, softmax=False)
        file = tmp_path / str(i) / "transformer.pt"
        torch.save(state | {odd: torch.zeros(2)}, file)
        assert "not known" in refused(tmp_path / str(i), tmp_path, str(file))


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        torch.zeros(3),
        {},
        {"semantic_emb.weight": 3},
        None,
    ],
    ids=["list", "tensor", "empty", "number", "none"],
)
def test_other_things_in_a_torch_file_are_refused(content, tmp_path):
    published(tmp_path / "run", linear=False, bos=False, softmax=False)
    torch.save(content, tmp_path / "run" / "transformer.pt")
    refused(tmp_path / "run", tmp_path, str(tmp_path / "run" / "transformer.pt"))


def test_tensors_that_pretend_to_a_size_are_refused(tmp_path):
    """Sparse, without data, or one number repeated beyond all measure."""
    odd = {
        "sparse": torch.zeros(T, D).to_sparse_coo(),
        "meta": torch.zeros(T, D, device="meta"),
        "repeated": torch.zeros(1).expand(10**6, 10**6),
    }
    for name, tensor in odd.items():
        state = published(tmp_path / name, linear=False, bos=False, softmax=False)
        file = tmp_path / name / "transformer.pt"
        torch.save(state | {"semantic_emb.weight": tensor}, file)
        assert "semantic_emb.weight" in refused(tmp_path / name, tmp_path, str(file))


class Bomb:
    """Unpickling this creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("where", ["value", "whole", "bare pickle"])
def test_a_pickle_bomb_does_not_go_off(where, tmp_path):
    crater = tmp_path / "crater"
    state = published(tmp_path / "run", linear=False, bos=False, softmax=False)
    file = tmp_path / "run" / "transformer.pt"
    if where == "value":
        torch.save(state | {"positional_emb.pe": Bomb(crater)}, file)
    elif where == "whole":
        torch.save(Bomb(crater), file)
    else:
        file.write_bytes(pickle.dumps(Bomb(crater)))
    refused(tmp_path / "run", tmp_path, str(file))
    assert not crater.exists()
    # The bomb is real: what does unpickle it sets it off.
    torch.load(file, weights_only=False) if where != "bare pickle" else pickle.loads(
        file.read_bytes()
    )
    assert crater.exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("format_", ["native", "published"])
def test_truncated_weights_are_refused(format_, share, tmp_path):
    if format_ == "native":
        save(random_model("dot"), tmp_path / "run")
        file = tmp_path / "run" / "model.safetensors"
    else:
        published(tmp_path / "run", linear=False, bos=False, softmax=False)
        file = tmp_path / "run" / "transformer.pt"
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    refused(tmp_path / "run", tmp_path, str(file))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), format_=st.sampled_from(["native", "published"]))
def test_overwritten_bytes_load_or_are_refused_in_one_line(data, format_, tmp_path):
    """Whatever a few wild bytes do, nothing but a model or one line comes out."""
    folder = tmp_path / format_
    file = folder / ("model.safetensors" if format_ == "native" else "transformer.pt")
    if not folder.exists():
        if format_ == "native":
            save(random_model("dot"), folder)
        else:
            published(folder, linear=False, bos=False, softmax=False)
        (tmp_path / f"{format_}.whole").write_bytes(file.read_bytes())
    content = bytearray((tmp_path / f"{format_}.whole").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        wild = data.draw(st.binary(min_size=1, max_size=8))
        content[at : at + len(wild)] = wild
    file.write_bytes(bytes(content))
    try:
        model = load(folder)
    except MechprobeError as error:
        model, message = None, str(error)
    if model is None:
        assert len(message.splitlines()) == 1
        assert str(folder) in message
    else:
        assert all(w.isfinite().all() for w in model.weights().values())
        assert model.config.d == D


def test_constructions_survive_a_checkpoint(tmp_path):
    model = construct("bos+sftm-circle", T=9, L=5, dtype=torch.float64)
    save(model, tmp_path / "model")
    tokens = model.config.task().sample(200, torch.Generator().manual_seed(0))
    assert model.config.task().accuracy(load(tmp_path / "model")(tokens), tokens) == 1.0
