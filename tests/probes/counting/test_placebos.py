"""Controls of interchanges: nothing to find, and the same size and rank as what is there."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mechprobe.models import HookedTransformer, construct
from mechprobe.models.families.counting import symmetries
from mechprobe.models.tasks.causal_models import grouped, inventory, relation
from mechprobe.probes import CountContext
from mechprobe.probes.counting.interchange import interchanges
from mechprobe.probes.counting.placebos import controls, dealt_anew, random_means

T, L = 8, 6


def context(model: HookedTransformer, seed: int = 0) -> CountContext:
    return CountContext(model, model.task(), seed)


@pytest.mark.parametrize("name", ["bos+sftm", "dot-relation-split", "dot-lookup", "lin"])
def test_controls_find_next_to_nothing(name):
    """Whatever a network does, its counts are not followed where they are not. A model that nothing
    moves keeps its own count, which is half of the inventory's accuracy."""
    c = context(construct(name, T=T, L=L))
    found = interchanges(c)
    beside = controls(c, found)
    for control in (beside.untrained, beside.shuffled, beside.random):
        for reading in (control.mean, control.single):
            assert reading.accuracy(relation(T)) < 0.4
            assert reading.accuracy(inventory(T)) < 0.65
        assert control.own().mean() < 0.4
        assert control.received().mean() < 0.3
        assert control.sent().mean() < 0.3


def test_random_means_keep_lengths_angles_and_rank():
    c = context(construct("dot", T=T, L=L, dtype=torch.float64))
    means, drawn = c.reference.means, random_means(c)(0)
    rows = means - means.mean((0, 1))
    form = torch.linalg.pinv(rows.flatten(0, 1).T @ rows.flatten(0, 1), rtol=1e-10)
    true, random = (one - one.mean(1, keepdim=True) for one in (means, drawn))
    gram = true @ form @ true.mT
    assert torch.allclose(random @ form @ random.mT, gram, atol=1e-9)
    for token in range(T):
        ranks = [int(torch.linalg.matrix_rank(one[token], rtol=1e-7)) for one in (true, random)]
        assert ranks[0] == ranks[1]
    # Another direction for each token, none of them its own.
    cosine = torch.einsum("sci,ij,scj->s", true, form, random) / gram.diagonal(0, 1, 2).sum(-1)
    assert cosine.abs().max() < 0.9


@settings(max_examples=4)
@given(seed=st.integers(0, 2**31))
def test_random_means_move_with_the_basis(seed):
    model = construct("bos-blend", T=T, L=L, alpha=0.43, dtype=torch.float64)
    G = symmetries.random_invertible(model.config.d, torch.Generator().manual_seed(seed))
    here, there = (random_means(context(m))(0) for m in (model, symmetries.residual_gl(model, G)))
    assert torch.allclose(here @ G, there, atol=1e-6 * float(there.abs().max()))


def test_dealing_anew_moves_sequences_only_among_a_tokens_counts():
    c = context(construct("dot", T=T, L=L))
    cells = c.reference
    dealt = dealt_anew(c, cells, "shuffled means")
    assert not torch.equal(dealt.resid, cells.resid)
    for before, after in zip(cells.data.tokens, dealt.data.tokens, strict=True):
        assert sorted(before.flatten(0, 1).tolist()) == sorted(after.flatten(0, 1).tolist())
    row = dealt.data.position.unsqueeze(-1)
    marked = dealt.data.tokens.gather(-1, row).squeeze(-1)
    assert torch.equal(marked, torch.arange(T).view(-1, 1, 1).expand_as(marked))
    moved = replace(cells, data=dealt.data)
    assert torch.equal(c.run_cells(dealt.data).resid, dealt.resid)
    assert not torch.equal(moved.resid, dealt.resid)


def test_chance_is_the_mean_over_ways_to_exchange_tokens():
    c = context(construct("dot-relation-groups", T=T, L=L, groups=2))
    mean, model = interchanges(c).mean, grouped([0, 0, 0, 0, 0, 1, 1, 2])
    rng = np.random.default_rng(0)
    drawn = [mean.accuracy(grouped(rng.permutation(model.counters.numpy()))) for _ in range(500)]
    assert mean.chance(model) == pytest.approx(np.mean(drawn), abs=0.02)
    assert mean.chance(relation(T)) == pytest.approx(mean.accuracy(relation(T)))
    assert mean.chance(inventory(T)) == pytest.approx(mean.accuracy(inventory(T)))
