"""Files of the published counting code as its scripts write them: alone, with any arguments."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear

from mechprobe.models import (
    CountingConfig,
    HookedTransformer,
    MechprobeError,
    Trainee,
    TrainingPlan,
    construct,
    load,
    save,
    train,
)
from mechprobe.models.checkpoints import claimed_accuracy, recognised, settings_of
from mechprobe.models.families.counting.formats.arguments import HARMLESS
from mechprobe.probes import label

T, L, D, P = 6, 4, 5, 7
SIZES = {"T": T, "seq_len": L, "model_dim": D, "p": P}


def state_of(attention_input: str, *, bos: bool = False, blocks: int = 1) -> dict[str, Tensor]:
    """What a published script saves; of the one with two blocks, with its names."""
    g = torch.Generator().manual_seed(5)
    shapes = {
        "semantic_emb.weight": (T + bos, D),
        "positional_emb.embedding.weight": (L, D),
        "fc1.weight": (P, D),
        "fc1.bias": (P,),
        "fc2.weight": (L + 1 if blocks == 1 else D, P),
        "fc2.bias": (L + 1 if blocks == 1 else D,),
    }
    mixer = {"A": (L, L)} if attention_input == "linear" else {"Q": (D, D), "K": (D, D)}
    shapes |= {f"token_mixer.{name}": shape for name, shape in mixer.items()}
    if blocks == 2:
        shapes |= {f"token_mixer2.{name}": shape for name, shape in mixer.items()}
        shapes |= {"fc3.weight": (P, D), "fc3.bias": (P,)}
        shapes |= {"fc4.weight": (L + 1, P), "fc4.bias": (L + 1,)}
    state = {name: torch.randn(shape, generator=g) for name, shape in shapes.items()}
    return state | {"positional_emb.pe": torch.arange(L).unsqueeze(0)}


def answers(state: dict[str, Tensor], tokens: Tensor, attends: str, softmax: bool) -> Tensor:
    """The published forward pass; of two blocks, the second reads the embeddings again."""
    e = state["semantic_emb.weight"][tokens]
    p = state["positional_emb.embedding.weight"].expand(len(tokens), -1, -1)
    second = "token_mixer2.Q" in state or "token_mixer2.A" in state
    mixer, first, last = ("token_mixer2", "fc3", "fc4") if second else ("token_mixer", "fc1", "fc2")
    seen = {"both": lambda: e + p, "only_pos": lambda: p}.get(attends, lambda: e)()
    if attends == "linear":
        scores = state[f"{mixer}.A"]
    else:
        scores = (seen @ state[f"{mixer}.Q"]) @ (seen @ state[f"{mixer}.K"]).mT / D**0.5
    x = (scores.softmax(-1) if softmax else scores) @ e + e
    x = x + p if attends == "both" else x
    hidden = linear(x, state[f"{first}.weight"], state[f"{first}.bias"]).relu()
    return linear(hidden, state[f"{last}.weight"], state[f"{last}.bias"])


def written(folder: Path, state: dict[str, Tensor], config: dict[str, object] | None = None):
    """A folder as a script, or its user, leaves it."""
    folder.mkdir()
    torch.save(state, folder / "transformer.pt")
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def same_answers(model: HookedTransformer, state, attends: str, softmax: bool) -> None:
    tokens = model.task().sample(20, torch.Generator().manual_seed(6))
    wanted = answers(state, tokens, attends, softmax)
    torch.testing.assert_close(model(tokens), wanted, rtol=1e-5, atol=1e-5)


# -- what the file does not say -----------------------------------------------------------------


@pytest.mark.parametrize("softmax", [True, False])
@pytest.mark.parametrize("attends", ["both", "only_sem", "only_pos", "linear"])
def test_a_file_alone_is_read_with_what_it_does_not_say(attends, softmax, tmp_path):
    """As a folder and as a file; with config.json, the same model."""
    state = state_of(attends)
    folder = written(tmp_path / "alone", state)
    told = {"T": T, "softmax": softmax, "sampler": "uniform", "attention_input": attends}
    model = load(folder, told)
    assert recognised(folder).name == recognised(folder / "transformer.pt").name == "counting"
    assert model.task().describe() == {
        "name": "histogram", "T": T, "L": L, "bos": False, "sampler": "uniform",
    }  # fmt: skip
    same_answers(model, state, attends, softmax)
    # Scores of positions alone are a constant matrix.
    lin = attends in ("only_pos", "linear")
    assert ("W_mix" in model.weights()) == lin
    config = {**SIZES, "attention_input": attends, "no_softmax": not softmax}
    beside = written(tmp_path / "beside", state, config | {"dataset_type": "forward"})
    for path in (folder / "transformer.pt", beside, beside / "transformer.pt"):
        again = load(path, told if path.parent == folder else None)
        assert again.fingerprint() == model.fingerprint()
    save(model, tmp_path / "ours")
    assert load(tmp_path / "ours").fingerprint() == model.fingerprint()


def test_bos_is_seen_by_the_rows(tmp_path):
    state = state_of("only_sem", bos=True)
    folder = written(tmp_path / "run", state)
    told = {"softmax": True, "sampler": "partition", "attention_input": "only_sem"}
    models = [
        load(folder, told | more) for more in ({"T": T}, {"bos": True}, {"T": T, "bos": True})
    ]
    assert {(m.config.T, m.config.bos, m.config.architecture) for m in models} == {
        (T, True, "bos+sftm")
    }
    same_answers(models[0], state, "only_sem", True)
    assert load(folder, told | {"T": T + 1}).config.architecture == "dot+sftm"
    asked = load(folder, told | {"T": T, "sampler": "uniform"}).task()
    assert (asked.bos, asked.sampler) == (True, "uniform")


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({}, "does not say T, softmax, attention_input, sampler; say it:"),
        (
            {"T": T, "softmax": True, "attention_input": "only_sem"},
            "does not say sampler; say it: --task sampler=partition, for example",
        ),
        ({"T": T + 2}, "semantic_emb.weight has 6 rows"),
        ({"T": T, "bos": True}, "semantic_emb.weight has 6 rows"),
        ({"L": L + 1}, "--task says L=5, its shapes say L=4"),
        ({"attention_input": "linear"}, "the file has token_mixer.Q"),
        ({"attention_input": "neither"}, "--task: attention_input"),
        ({"sampler": "even"}, "--task: sampler"),
        ({"softmax": "perhaps"}, "--task: softmax"),
        ({"colour": 3}, "--task: colour"),
        ({"name": "chess"}, "--task: name"),
    ],
    ids=str,
)
def test_what_is_lacking_or_contradicts_is_said(told, says, tmp_path):
    folder = written(tmp_path / "run", state_of("only_sem"))
    rest = {"T": T, "softmax": True, "attention_input": "only_sem", "sampler": "partition"}
    lacks = "does not say" in says
    with pytest.raises(MechprobeError) as caught:
        load(folder, told if lacks else rest | told)
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(folder))
    if lacks:  # the example is one
        example = str(caught.value).split("--task ")[1].split(", for")[0]
        assert load(folder, {**told, **settings_of(example)}).config.T == T


def test_a_folder_of_several_files_asks_for_one(tmp_path):
    folder = written(tmp_path / "run", state_of("only_sem"))
    torch.save(state_of("only_sem"), folder / "other.pt")
    with pytest.raises(MechprobeError, match=r"holds 2 torch files \(other.pt, transformer.pt\)"):
        load(folder)
    torch.save({"weight": torch.zeros(3)}, folder / "odd.pt")
    with pytest.raises(MechprobeError, match="not a file that a known code writes"):
        load(folder / "odd.pt")
    (folder / "bad.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(MechprobeError, match="not a whole torch file"):
        load(folder / "bad.pt")


def test_files_with_wrappers_names_are_read_too(tmp_path):
    state = {f"module.{name}": tensor for name, tensor in state_of("only_sem").items()}
    folder = written(tmp_path / "run", {"state_dict": state, "epoch": 3})
    told = settings_of(f"T={T},softmax=no,attention_input=only_sem,sampler=partition")
    same_answers(load(folder, told), state_of("only_sem"), "only_sem", False)


# -- arguments ----------------------------------------------------------------------------------


def test_harmless_arguments_are_ignored_and_unknown_ones_named(tmp_path):
    config = {
        **SIZES,
        "attention_input": "only_sem",
        "no_softmax": True,
        "dataset_type": "backward",
    }
    plain = load(written(tmp_path / "plain", state_of("only_sem"), config))
    more = written(tmp_path / "more", state_of("only_sem"), config | dict.fromkeys(HARMLESS, 1.0))
    assert load(more).fingerprint() == plain.fingerprint()
    for name in ("is_embedded", "n_layers", "activation", "p "):
        folder = written(tmp_path / name, state_of("only_sem"), config | {name: 1})
        with pytest.raises(MechprobeError, match=f"'{name}': no argument that is known"):
            load(folder)


def test_positions_know_no_bos(tmp_path):
    for attends in ("both", "only_pos"):
        config = {**SIZES, "attention_input": attends, "no_softmax": True}
        folder = written(
            tmp_path / attends,
            state_of(attends, bos=True),
            config | {"dataset_type": "backward_BOS"},
        )
        with pytest.raises(MechprobeError, match="no position for BOS"):
            load(folder)


def test_scores_that_outgrow_the_file_are_refused(tmp_path):
    state = state_of("only_pos")
    state["positional_emb.embedding.weight"] = torch.zeros(9_000, D)
    state["positional_emb.pe"] = torch.arange(9_000)
    folder = written(tmp_path / "run", state)
    with pytest.raises(MechprobeError, match="scores of more than 1000 positions are not read"):
        load(folder, settings_of(f"T={T},softmax=no,attention_input=only_pos,sampler=uniform"))


@pytest.mark.parametrize("attends", ["only_sem", "linear", "both"])
def test_of_two_blocks_the_one_that_answers_is_read(attends, tmp_path):
    """The published script with two blocks gives the second one the embeddings again."""
    state = state_of(attends, blocks=2)
    told = {"T": T, "softmax": True, "sampler": "partition", "attention_input": attends}
    model = load(written(tmp_path / "run", state), told)
    same_answers(model, state, attends, True)
    assert any("the first never reaches the answer" in sentence for sentence in model.taken)


# -- fixed random embeddings --------------------------------------------------------------------


def embedded(folder: Path, bos: bool, **config: object) -> tuple[HookedTransformer, np.ndarray]:
    """A model that counts, as the code with fixed embeddings saves it: they are not in the file."""
    model = construct("bos" if bos else "dot", T=T, L=L)
    w, c = model.weights(), model.config
    g = torch.Generator().manual_seed(1)
    state = {
        "semantic_emb.weight": torch.randn(w["W_E"].shape, generator=g),
        "positional_emb.embedding.weight": torch.randn(L, c.d, generator=g),
        "token_mixer.Q": w["W_Q"],
        "token_mixer.K": w["W_K"],
        "fc1.weight": w["W_in"].T,
        "fc1.bias": w["b_in"],
        "fc2.weight": w["W_out"].T,
        "fc2.bias": w["b_out"],
    }
    arguments = {
        "T": T, "seq_len": L, "model_dim": c.d, "p": c.p, "attention_input": "only_sem",
        "no_softmax": True, "dataset_type": "backward_BOS" if bos else "backward",
    }  # fmt: skip
    written(folder, state, arguments | config)
    return model, w["W_E"].double().numpy() * (1 + 1e-6) ** 0.5


@pytest.mark.parametrize("bos", [False, True])
def test_fixed_embeddings_are_read_where_they_are_given(bos, tmp_path):
    folder = tmp_path / "run"
    model, mus = embedded(folder, bos, model_type="1layer")
    with pytest.raises(MechprobeError, match=r"model_type in .*semantic_emb was never used") as no:
        load(folder)
    assert f"mus.npy [{T + bos}, {model.config.d}]" in str(no.value)
    np.save(folder / "mus.npy", mus)
    found = load(folder)
    assert found.config.embeddings == "fixed"
    torch.testing.assert_close(found.W_E, model.W_E)
    tokens = found.task().sample(100, torch.Generator().manual_seed(0))
    assert found.task().accuracy(found(tokens), tokens) == 1
    if bos:  # whose embedding the script saves by itself
        np.save(folder / "mus.npy", mus[:-1])
        np.save(folder / "BOS.npy", mus[-1])
        assert load(folder).fingerprint() == found.fingerprint()


def test_the_bos_file_tells_the_code_without_arguments(tmp_path):
    folder = tmp_path / "run"
    _, mus = embedded(folder, True)
    (folder / "config.json").unlink()
    told = {"T": T, "softmax": False, "attention_input": "only_sem", "sampler": "partition"}
    np.save(folder / "BOS.npy", mus[-1])
    with pytest.raises(MechprobeError, match=r"BOS.npy.*semantic_emb was never used"):
        load(folder, told)
    np.save(folder / "mus.npy", mus)
    assert load(folder, told).config.embeddings == "fixed"


def test_a_trained_model_with_fixed_embeddings_is_what_its_code_saved(tmp_path):
    """Trained here, saved as the published code saves it: without its embeddings it answers no
    better than a guess, with them as it was trained."""
    config = CountingConfig.of("lin", T=4, L=4, d=8, p=16, embeddings="fixed")
    plan = TrainingPlan(steps=1500, batch=32, lr=1e-2)
    model = HookedTransformer(config, train([Trainee(config, 0, plan)])[0].weights)
    w = model.weights()
    assert not model.embed.W_E.requires_grad
    state = {
        "semantic_emb.weight": torch.randn(4, 8, generator=torch.Generator().manual_seed(1)),
        "positional_emb.embedding.weight": torch.zeros(4, 8),
        "token_mixer.A": w["W_mix"],
        **{f"fc1.{n}": t for n, t in (("weight", w["W_in"].T), ("bias", w["b_in"]))},
        **{f"fc2.{n}": t for n, t in (("weight", w["W_out"].T), ("bias", w["b_out"]))},
    }
    folder = written(tmp_path / "run", state)
    told = settings_of("T=4,softmax=no,sampler=partition")
    guessing = label(load(folder, told))
    assert guessing.accuracy < 0.6
    assert guessing.mechanism == "unsolved"
    np.save(folder / "mus.npy", w["W_E"])
    found = label(load(folder, told))
    assert (found.accuracy, found.mechanism) == (1, "inventory-based")
    assert found.mechanism == label(model).mechanism
    save(model, tmp_path / "ours")
    assert load(tmp_path / "ours").config.embeddings == "fixed"
    assert load(tmp_path / "ours").fingerprint() == model.fingerprint()


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((T, 4)), "its rows have to hold"),
        (np.zeros((T + 1, 6)), "holds 7 rows, 6 are wanted"),
        (np.zeros((T, 6), dtype=np.int64), "floats"),
        (np.full((T, 6), np.nan), "NaN"),
        (np.array([{}]), "not a whole NumPy array"),
        (np.float64(3), "its rows have to hold"),
    ],
)
def test_embeddings_that_are_none_are_refused(array, says, tmp_path):
    model, _ = embedded(tmp_path / "run", False)
    assert model.config.d == 6
    np.save(tmp_path / "run" / "mus.npy", array, allow_pickle=True)
    with pytest.raises(MechprobeError, match=says) as caught:
        load(tmp_path / "run")
    assert "mus.npy" in str(caught.value)


# -- claims -------------------------------------------------------------------------------------


def test_what_is_claimed_is_read_wherever_it_stands(tmp_path):
    folder = tmp_path / "run"
    embedded(folder, False)
    assert claimed_accuracy(folder)[0] is None
    (folder / "wandb-summary.json").write_text('{"val_acc": 98.5, "epoch": 499}')
    assert claimed_accuracy(folder)[0] == pytest.approx(0.985)
    assert claimed_accuracy(folder / "transformer.pt")[0] == pytest.approx(0.985)
    embedded(tmp_path / "table", False, val_acc=99.9)
    assert claimed_accuracy(tmp_path / "table")[0] == pytest.approx(0.999)
    for odd in ("[1]", '{"val_acc": "good"}', '{"val_acc": 1e300}', "{"):
        (folder / "wandb-summary.json").write_text(odd)
        assert claimed_accuracy(folder)[0] is None
    save(construct("dot", T=T, L=L), tmp_path / "ours", {"accuracy": 0.75})
    assert claimed_accuracy(tmp_path / "ours") == (0.75, "")
