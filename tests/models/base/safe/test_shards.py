"""Weights in several safetensors files."""

import json

import pytest
import safetensors.torch
import torch

from mechprobe.models import MechprobeError, construct, load, save

INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path):
    """A checkpoint in two shards."""
    path = tmp_path / "model"
    save(construct("dot", T=5, L=4), path)
    weights = safetensors.torch.load_file(path / "model.safetensors")
    (path / "model.safetensors").unlink()
    places = {}
    for i, names in enumerate((list(weights)[:3], list(weights)[3:])):
        file = f"model-{i + 1:05d}-of-00002.safetensors"
        safetensors.torch.save_file({name: weights[name] for name in names}, path / file)
        places |= dict.fromkeys(names, file)
    total = sum(w.nbytes for w in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (path / INDEX).write_text(json.dumps(index))
    return path


def changed(folder, change):
    """The index, changed."""
    index = json.loads((folder / INDEX).read_text())
    change(index)
    (folder / INDEX).write_text(json.dumps(index))


def test_shards_are_one_model(folder):
    model = load(folder)
    assert model.fingerprint() == construct("dot", T=5, L=4).fingerprint()
    assert model.taken == (f"{INDEX}: 2 files were read",)


def test_no_total_size_is_wanted(folder):
    changed(folder, lambda index: index.pop("metadata"))
    assert load(folder).config.architecture == "dot"


def test_a_whole_file_goes_before_an_index(folder):
    other = construct("dot", T=5, L=4)
    other.blocks[0].mlp.b_out.data += 1
    weights = other.weights()
    safetensors.torch.save_file(weights, folder / "model.safetensors")
    model = load(folder)
    assert model.fingerprint() == other.fingerprint()
    assert model.taken == (f"model.safetensors was read; {INDEX} left aside",)


SECOND = "model-00002-of-00002.safetensors"


def put(name, value):
    """A change of the index's weight_map."""
    return lambda index: index["weight_map"].update({name: value})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("W_E", "../model/" + SECOND), "the name of a file beside the index"),
        (put("W_E", "/etc/passwd"), "the name of a file beside the index"),
        (put("W_E", ".."), "no safetensors file by its name"),
        (put("W_E", "config.json"), "no safetensors file by its name"),
        (put("W_E", 3), "the name of a file beside the index"),
        (put("W_E", ""), "no safetensors file by its name"),
        (put("W_E", "none.safetensors"), "none.safetensors: no such file"),
        (put("W_X", SECOND), f"W_X is not in {SECOND}"),
        (lambda index: index["weight_map"].pop("W_E"), "does not say that W_E lies in"),
        (lambda index: index.update(weight_map={}), "weight_map is wanted"),
        (lambda index: index.update(weight_map=[1]), "weight_map is wanted"),
        (lambda index: index["metadata"].update(total_size=7), "total_size is 7, but its files"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_index_that_does_not_fit_is_refused(change, said, folder):
    changed(folder, change)
    with pytest.raises(MechprobeError, match=said) as caught:
        load(folder)
    assert str(caught.value).startswith(str(folder))


def test_a_tensor_in_two_shards_is_refused(folder):
    file = folder / SECOND
    weights = safetensors.torch.load_file(file)
    safetensors.torch.save_file(weights | {"W_E": torch.zeros(5, 5)}, file)
    with pytest.raises(MechprobeError, match=r"W_E lies in two|does not say that W_E"):
        load(folder)


def test_a_shard_that_leads_out_of_the_folder_is_not_followed(folder, tmp_path):
    (folder / SECOND).rename(tmp_path / "outside.safetensors")
    (folder / SECOND).symlink_to(tmp_path / "outside.safetensors")
    with pytest.raises(MechprobeError, match="leads out of the folder"):
        load(folder)


def test_a_name_twice_in_the_index_is_refused(folder):
    text = (folder / INDEX).read_text().replace('"W_E":', '"W_Q": "x.safetensors", "W_E":')
    (folder / INDEX).write_text(text)
    with pytest.raises(MechprobeError, match="the name 'W_Q' stands there twice"):
        load(folder)
