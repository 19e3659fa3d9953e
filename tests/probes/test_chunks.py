"""Work in pieces gives what work at once gives, and holds no more than it may."""

import pytest
import torch

from mechprobe import models, probes
from mechprobe.models.base import chunks
from mechprobe.probes.conformance import differing
from mechprobe.probes.counting import cells
from mechprobe.probes.reading import READINGS


@pytest.mark.parametrize(
    ("n", "each", "sizes"), [(5, 40, [2, 2, 1]), (3, 1, [3]), (2, 999, [1, 1])]
)
def test_pieces_fit(n: int, each: int, sizes: list[int]) -> None:
    found = list(chunks.pieces(n, each, budget=100))
    assert [piece.stop - piece.start for piece in found] == sizes
    values = torch.arange(n)
    assert torch.equal(chunks.joined(n, each, lambda piece: values[piece]), values)


@pytest.mark.parametrize("name", ["bos+sftm", "two blocks"])
def test_results_in_pieces_are_those_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    subjects = dict(READINGS["histogram"].subjects()) if name == "two blocks" else {}
    model = next((m for m in subjects.values() if m.cfg.n_layers > 1), None)
    model = model or models.construct("bos+sftm", T=6, L=5)
    whole = probes.study(model, name="x")
    asked: list[int] = []
    pieces = chunks.pieces

    def counted(n: int, each: int, budget: int | None = None) -> list[slice]:
        found = list(pieces(n, each, budget))
        asked.append(len(found))
        return found

    monkeypatch.setattr(chunks, "BUDGET", 5000)
    for module in (chunks, cells):
        monkeypatch.setattr(module, "pieces", counted)
    parts = probes.study(model, name="x")
    assert max(asked) > 1
    assert parts.label == whole.label
    assert parts.problems == whole.problems == []
    for one, other in zip(parts.probes, whole.probes, strict=True):
        assert differing(one, other, 1e-6) == [], one.probe
