"""Sequences of one's own: from a function or a file, checked, balanced, told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mechprobe.models import HistogramTask, MechprobeError, construct, load, save
from mechprobe.models.tasks import described, task_from
from mechprobe.probes import label
from tests.models.families.foreign.own_models import COUNTER, SAID, TRAINED, toml_of

T, L = 6, 5


def pairs(n: int, generator: torch.Generator) -> Tensor:
    """Two tokens alone, side by side: no count but those of two numbers that make 5."""
    two = torch.rand(n, T, generator=generator).argsort(-1)[:, :2]
    split = torch.randint(1, L, (n, 1), generator=generator)
    return two.gather(1, (torch.arange(L) >= split).long())


def drawn(task: HistogramTask, n: int = 200) -> Tensor:
    return task.sample(n, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("bos", [False, True])
def test_a_function_is_the_sampler(bos: bool) -> None:
    task = HistogramTask(T=T, L=L, bos=bos, sampler=pairs)
    tokens = drawn(task)
    body = task.scored(tokens, 1)
    assert torch.equal(body, pairs(200, torch.Generator().manual_seed(0)))
    assert torch.equal(tokens[:, :1], torch.full((200, 1), T)) == bos
    assert task.counts == 4
    assert HistogramTask(T=T, L=L, sampler=lambda n, g: np.zeros((n, L), int)).counts == 1


def test_balanced_sequences_have_their_counts() -> None:
    task = HistogramTask(T=T, L=L, sampler=pairs)
    data = task.balanced(8, torch.Generator().manual_seed(1))
    token = torch.arange(T).view(-1, 1, 1, 1)
    held = (data.tokens == token).sum(-1)
    assert torch.equal(held, data.counts.view(1, -1, 1).expand_as(held))
    others = data.tokens.flatten(0, 2)
    assert (others < T).all()
    # The rest is as the function draws it: one other token, or two where the own one stood.
    assert max(len(set(row.tolist())) for row in others) <= 3


@pytest.mark.parametrize("ending", ["npy", "csv", "txt"])
def test_a_file_is_the_sampler(tmp_path: Path, ending: str) -> None:
    rows = pairs(40, torch.Generator().manual_seed(3)).numpy()
    file = tmp_path / f"sequences.{ending}"
    if ending == "npy":
        np.save(file, rows)
    else:
        np.savetxt(file, rows, fmt="%d", delimiter="," if ending == "csv" else " ")
    task = HistogramTask(T=T, L=L, sampler=str(file))
    once = drawn(task, 40)
    assert torch.equal(once.unique(dim=0), torch.from_numpy(rows).unique(dim=0))
    assert drawn(task, 100).shape == (100, L)
    assert task_from(described(task)) == task
    model = construct("dot", T=T, L=L)
    save(model, tmp_path / "m")
    again = load(tmp_path / "m", {"sampler": str(file)})
    assert again.task() == task
    assert label(again).mechanism == "relation-based"


def test_what_is_no_sampler_is_refused(tmp_path: Path) -> None:
    for sampler, match in (
        ("poisson", "choose partition or uniform, or give a function"),
        (str(tmp_path / "none.npy"), "no such file"),
        (str(_text(tmp_path / "a.csv", "1,2\n3,4\n")), r"\(n, 5\) are wanted"),
        (str(_text(tmp_path / "b.csv", "1,2,3,4,9\n")), "tokens from 1 to 9; 0 to 5"),
        (str(_text(tmp_path / "c.txt", "a b\n")), "no table of whole numbers"),
    ):
        with pytest.raises(MechprobeError, match=match):
            HistogramTask(T=T, L=L, sampler=sampler)
    for given, match in (
        (lambda n, g: torch.zeros(n, L), "whole numbers of shape"),
        (lambda n, g: torch.full((n, L), T), "tokens from 6 to 6"),
        (lambda n, g: torch.zeros(n + 1, L, dtype=torch.long), "whole numbers of shape"),
        (lambda n, g: 1 / 0, "ZeroDivisionError"),
    ):
        with pytest.raises(MechprobeError, match=match):
            drawn(HistogramTask(T=T, L=L, sampler=given))


def test_a_function_is_told_but_not_stored() -> None:
    told = described(HistogramTask(T=T, L=L, sampler=pairs))
    assert told["sampler"].startswith("own:")
    assert told["sampler"].endswith("test_samplers.pairs")
    with pytest.raises(MechprobeError, match="is a function, which is not stored"):
        task_from(told)


def test_a_label_on_own_sequences() -> None:
    task = HistogramTask(T=T, L=L, sampler=pairs)
    assert label(construct("dot", T=T, L=L), task).mechanism == "relation-based"


def test_a_mapping_names_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "counter.pt").write_bytes(TRAINED.read_bytes())
    np.save(tmp_path / "mine.npy", pairs(64, torch.Generator().manual_seed(3)).numpy())
    task = f'T = {T}\nL = {L}\nbos = true\nsampler = "mine.npy"'
    (tmp_path / "counter.toml").write_text(toml_of(COUNTER | SAID, task))
    asked: Any = load(tmp_path / "counter.pt").task()
    assert asked.sampler == str(tmp_path / "mine.npy")


def test_an_unsolved_model_that_solves_other_sequences_is_told_so() -> None:
    """Counts above 3 are hardly there in uniform sequences of 16 tokens."""
    model = construct("dot", T=16, L=10)
    weights = model.weights()
    weights["b_out"][4:] -= 1e4
    found = label(model.rebuilt(weights))
    assert found.mechanism == "unsolved"
    said = found.axis("counting").reason  # type: ignore[union-attr]
    assert "on uniform sequences its accuracy is 0.9" in said
    assert "--task sampler=uniform" in said
    nothing = label(model.rebuilt({name: 0 * w for name, w in weights.items()}))
    assert "which is solved" not in nothing.reasons[0]


def _text(file: Path, text: str) -> Path:
    file.write_text(text)
    return file
