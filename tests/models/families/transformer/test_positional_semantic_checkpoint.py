"""The published positional and semantic code's checkpoints, and what tells them from others."""

import csv
import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from mechprobe.models import MechprobeError, load, save
from mechprobe.models.checkpoints import claimed_accuracy, recognised

T, L, D, P = 6, 4, 8, 7


def published(folder: Path, attends: str, dtype: torch.dtype = torch.float32, **more: object):
    """What the published script leaves behind."""
    g = torch.Generator().manual_seed(3)
    shapes = {
        "semantic_emb.weight": (T, D),
        "positional_emb.embedding.weight": (L, D),
        "attention.Q": (D, D),
        "attention.K": (D, D),
        "attention.V": (D, D),
        "norm.weight": (D,),
        "norm.bias": (D,),
        "fc1.weight": (P, D),
        "fc1.bias": (P,),
        "fc2.weight": (L + 1, P),
        "fc2.bias": (L + 1,),
    }
    state = {name: torch.randn(shape, generator=g).to(dtype) for name, shape in shapes.items()}
    state["positional_emb.pe"] = torch.arange(L).unsqueeze(0)
    config = {"T": T, "seq_len": L, "model_dim": D, "p": P, "attention_input": attends}
    folder.mkdir(parents=True)
    torch.save(state, folder / "transformer.pt")
    (folder / "config.json").write_text(json.dumps(config | {"lr": 1e-3} | more))
    return state


def answers(state, tokens, attends: str) -> torch.Tensor:
    """The published model's forward pass."""
    e = state["semantic_emb.weight"].clone()
    p = state["positional_emb.embedding.weight"][state["positional_emb.pe"][0]].clone()
    seen = torch.ones(D)
    if attends != "both":
        e[:, D // 2 :] = 0
        p[:, : D // 2] = 0
        seen[D // 2 :] = 0
        seen = seen if attends == "only_sem" else 1 - seen
    x = e[tokens] + p
    q, k = (x * seen) @ state["attention.Q"], (x * seen) @ state["attention.K"]
    mixed = (q @ k.mT / D**0.5).softmax(-1) @ (x @ state["attention.V"])
    normed = functional.layer_norm(mixed, (D,), state["norm.weight"], state["norm.bias"])
    hidden = functional.linear(normed, state["fc1.weight"], state["fc1.bias"]).relu()
    return functional.linear(hidden, state["fc2.weight"], state["fc2.bias"])


@pytest.mark.parametrize("attends", ["only_sem", "only_pos", "both"])
def test_published_models_answer_as_they_did(attends, tmp_path):
    state = published(tmp_path / "run", attends)
    assert recognised(tmp_path / "run").name == "positional-semantic"
    model = load(tmp_path / "run")
    c = model.config
    assert (c.T, c.L, c.d, c.p, c.n_classes, c.attends) == (T, L, D, P, L + 1, attends)
    assert c.task().sampler == "uniform"
    tokens = c.task().sample(50, torch.Generator().manual_seed(1))
    wanted = answers(state, tokens, attends)
    torch.testing.assert_close(model(tokens), wanted, rtol=1e-5, atol=1e-5)
    save(model, tmp_path / "ours")
    assert load(tmp_path / "ours").fingerprint() == model.fingerprint()


def test_positions_take_the_rows_they_are_given(tmp_path):
    state = published(tmp_path / "run", "both")
    state["positional_emb.pe"] = torch.tensor([[2, 0, 3, 1]])
    torch.save(state, tmp_path / "run" / "transformer.pt")
    model = load(tmp_path / "run")
    assert torch.equal(model.W_pos, state["positional_emb.embedding.weight"][[2, 0, 3, 1]])
    tokens = model.task().sample(9, torch.Generator().manual_seed(1))
    torch.testing.assert_close(model(tokens), answers(state, tokens, "both"), rtol=1e-5, atol=1e-5)


def test_the_halves_that_are_never_seen_do_not_matter(tmp_path):
    state = published(tmp_path / "one", "only_sem")
    published(tmp_path / "two", "only_sem")
    state["semantic_emb.weight"][:, D // 2 :] = 9
    state["positional_emb.embedding.weight"][:, : D // 2] = 9
    torch.save(state, tmp_path / "two" / "transformer.pt")
    assert load(tmp_path / "one").fingerprint() == load(tmp_path / "two").fingerprint()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_load(dtype, tmp_path):
    published(tmp_path / "run", "both", dtype)
    wanted = dtype if dtype == torch.float64 else torch.float32
    assert load(tmp_path / "run").cfg.dtype == wanted


@pytest.mark.parametrize(
    ("places", "says"),
    [
        (torch.tensor([[0, 1, 2, 4]]), "no positions 0..3"),
        (torch.tensor([[0, 1, 2, -1]]), "no positions 0..3"),
        (torch.tensor([[0, 1, 2.5, 3]]), "no positions 0..3"),
        (torch.tensor([[0, 1, float("nan"), 3]]), "no positions 0..3"),
        (torch.arange(L + 1).unsqueeze(0), "shape (1, 5)"),
        (torch.zeros(1, L, D), "shape (1, 4, 8)"),
        (torch.zeros(1, L, dtype=torch.bool), "torch.bool"),
        (torch.tensor(0), "shape ()"),
    ],
)
def test_positions_that_are_none_are_refused(places, says, tmp_path):
    state = published(tmp_path / "run", "both")
    torch.save(state | {"positional_emb.pe": places}, tmp_path / "run" / "transformer.pt")
    with pytest.raises(MechprobeError, match=r"positional_emb\.pe") as caught:
        load(tmp_path / "run")
    assert says in str(caught.value)
    assert str(tmp_path / "run" / "transformer.pt") in str(caught.value)


def test_the_two_published_codes_are_told_apart(tmp_path):
    """By the configuration; where it is the other's, the state dict's names say so."""
    counting = {"no_softmax": True, "dataset_type": "backward"}
    state = published(tmp_path / "run", "only_sem", **counting)
    assert recognised(tmp_path / "run").name == "counting"
    with pytest.raises(MechprobeError, match=r"token_mixer\.Q") as caught:
        load(tmp_path / "run")
    assert "attention.Q" in str(caught.value)
    other = published(tmp_path / "other", "only_sem")
    other |= {"token_mixer.Q": state["attention.Q"]}
    torch.save(other, tmp_path / "other" / "transformer.pt")
    with pytest.raises(MechprobeError, match="no_softmax and dataset_type"):
        load(tmp_path / "other")
    published(tmp_path / "odd", "only_sem", attention_input="neither")
    with pytest.raises(MechprobeError, match="attention_input"):
        load(tmp_path / "odd")


@pytest.mark.parametrize("size", [5, 7, 2])
def test_an_odd_width_has_no_halves(size, tmp_path):
    state = published(tmp_path / "run", "only_sem", model_dim=size)
    with pytest.raises(MechprobeError, match=r"config|shape"):
        load(tmp_path / "run")
    assert state["fc1.weight"].shape[1] == D


# -- files as the script names them -------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "attends"),
    [
        ("run_0_model_only_sem_orig.pt", "only_sem"),
        ("run_12_initmodel_only_pos_orig.pt", "only_pos"),
        # Set free, a model attends to everything, whatever its name still says.
        ("run_3_model_only_sem_repar.pt", "both"),
        ("run_3_model_only_pos_retrained.pt", "both"),
    ],
)
def test_files_are_read_as_they_are_written(name, attends, tmp_path):
    """Sizes by shapes, the rest by the name; alone in a folder, or one of many."""
    state = published(tmp_path / "run", attends)
    file = (tmp_path / "run" / "transformer.pt").rename(tmp_path / "run" / name)
    wanted = published(tmp_path / "beside", attends)
    assert torch.equal(wanted["attention.Q"], state["attention.Q"])
    (tmp_path / "run" / "config.json").unlink()
    model = load(file)
    assert recognised(tmp_path / "run").name == recognised(file).name == "positional-semantic"
    told = {"T": T, "L": L, "sampler": "uniform"}
    for twin in (load(tmp_path / "run"), load(tmp_path / "beside"), load(file, told)):
        assert twin.fingerprint() == model.fingerprint()
    tokens = model.task().sample(50, torch.Generator().manual_seed(1))
    torch.testing.assert_close(model(tokens), answers(state, tokens, attends), rtol=1e-5, atol=1e-5)
    torch.save(state, tmp_path / "run" / "run_1_model_only_sem_orig.pt")
    assert load(file).fingerprint() == model.fingerprint()
    with pytest.raises(MechprobeError, match="holds 2 torch files"):
        load(tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "told", "says"),
    [
        ("run_0_model_only_sem_orig.pt", {"T": T + 1}, "--task says T=7, its shapes say T=6"),
        ("run_0_model_only_sem_orig.pt", {"L": L - 1}, "--task says L=3, its shapes say L=4"),
        ("run_0_model_only_sem_orig.pt", {"attention_input": "both"}, "its name says only_sem"),
        ("run_0_model_only_sem_orig.pt", {"colour": 1}, "colour"),
        ("mine.pt", {}, "--task attention_input=only_sem, for example"),
        ("mine.pt", {"attention_input": "linear"}, "attention_input"),
    ],
)
def test_what_contradicts_a_file_is_refused(name, told, says, tmp_path):
    published(tmp_path / "run", "only_sem")
    (tmp_path / "run" / "transformer.pt").rename(tmp_path / "run" / name)
    (tmp_path / "run" / "config.json").unlink()
    with pytest.raises(MechprobeError) as caught:
        load(tmp_path / "run" / name, told)
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "run"))


def test_unknown_arguments_are_named(tmp_path):
    published(tmp_path / "run", "only_sem", n_epochs=200, num_samples=50_000, run=3)
    load(tmp_path / "run")
    published(tmp_path / "odd", "only_sem", model_type="only_pos")
    with pytest.raises(MechprobeError, match="'model_type': no argument that is known"):
        load(tmp_path / "odd")


def test_the_scripts_tables_claim_accuracies(tmp_path):
    names = ["model_type", "train_losses", "val_losses", "val_acc", "run"]
    for table, last in (("frozen_transformer_result", 0.99), ("reparameterized_transformers", 0.5)):
        with (tmp_path / f"{table}.csv").open("w", newline="") as lines:
            writer = csv.DictWriter(lines, names)
            writer.writeheader()
            for run in (0, 1):
                row = {"model_type": "only_sem", "train_losses": "[]", "val_losses": "[]"}
                writer.writerow(row | {"run": run, "val_acc": [0.1, last - run / 10]})
    published(tmp_path / "run", "only_sem")
    state = torch.load(tmp_path / "run" / "transformer.pt")
    claims = {
        "run_0_model_only_sem_orig.pt": 0.99,
        "run_1_model_only_sem_orig.pt": 0.89,
        "run_1_model_only_sem_retrained.pt": 0.4,
        "run_1_model_only_sem_repar.pt": None,
        "run_0_initmodel_only_sem_orig.pt": None,
        "run_2_model_only_sem_orig.pt": None,
    }
    for name, claim in claims.items():
        torch.save(state, tmp_path / name)
        assert claimed_accuracy(tmp_path / name)[0] == pytest.approx(claim), name
    (tmp_path / "frozen_transformer_result.csv").write_bytes(b"\xff,,")
    assert claimed_accuracy(tmp_path / "run_0_model_only_sem_orig.pt")[0] is None
