"""Interchange interventions: against a run of the whole network, on models of known mechanism, and
on models whose tokens listen to a counter that they do not use."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformer_lens.tools.analysis.interchange import run_with_intervention

from mechprobe.models import HookedTransformer, construct
from mechprobe.models.base import chunks
from mechprobe.models.families.counting import symmetries
from mechprobe.models.tasks.causal_models import grouped, inventory, relation
from mechprobe.probes import CountContext
from mechprobe.probes.counting.interchange import Interchange, interchanges, pools, written
from mechprobe.probes.counting.written_counts import goals, means_of, single_sources
from tests.probes.counting.listeners import listening

T, L = 8, 6


def context(model: HookedTransformer, seed: int = 0) -> CountContext:
    return CountContext(model, model.task(), seed)


@cache
def found(name: str, alpha: float | None = None) -> Interchange:
    return interchanges(context(construct(name, T=T, L=L, alpha=alpha)))


@pytest.mark.parametrize("name", ["dot", "bos+sftm", "bos-relation-split", "bos+sftm-binary"])
def test_of_a_shared_counter_every_interchange_is_followed(name):
    i = found(name)
    assert i.mean.accuracy(relation(T)) == i.single.accuracy(relation(T)) == 1
    assert i.mean.accuracy(inventory(T)) == 0.5
    for part in (i.own(), i.received(), i.sent(), i.used()):
        assert part == pytest.approx(np.ones(T))


@pytest.mark.parametrize("name", ["lin+sftm", "dot+sftm", "dot-lookup", "bos+sftm-inventory"])
def test_of_look_ups_none_but_the_own_is_followed(name):
    i = found(name)
    for reading in (i.mean, i.single):
        assert reading.accuracy(inventory(T)) > 0.995
        assert reading.accuracy(relation(T)) <= 0.5
    assert i.own().min() == 1
    for part in (i.received(), i.sent(), i.used()):
        assert part == pytest.approx(np.zeros(T))


def test_of_several_counters_only_the_right_grouping_answers_all():
    i = interchanges(context(construct("dot-relation-groups", T=T, L=L, groups=2)))
    assert sorted(np.bincount(i.counters)) == [4, 4]
    assert i.mean.accuracy(grouped(i.counters)) == 1
    shuffled = grouped(np.roll(np.sort(i.counters), 2)[np.argsort(np.argsort(i.counters))])
    for rival in (relation(T), inventory(T), shuffled):
        assert i.mean.accuracy(rival) < 0.85
    assert i.received().min() == i.sent().min() == i.used().min() == 1


def test_an_answer_that_is_neither_count_agrees_with_no_model():
    i = found("dot-blend", 0.45)
    assert i.own().min() == 1
    for rival in (relation(T), inventory(T), grouped(i.counters)):
        assert i.mean.accuracy(rival) < 0.75


def test_listening_tokens_are_told_from_those_that_count_through_bos():
    """Half the tokens count through BOS; the other half hear it and look their count up."""
    through_bos = np.arange(T) < T // 2
    c = context(listening(T, L, range(T // 2)))
    i = interchanges(c)
    assert c.accuracy == 1
    assert c.transport.kappa() == pytest.approx(through_bos.astype(float))
    for part in (i.received(), i.sent(), i.used()):
        assert part[through_bos] == pytest.approx(np.ones(T // 2))
    assert i.received()[~through_bos].max() < 0.6
    for part in (i.sent(), i.used()):
        assert part[~through_bos] == pytest.approx(np.zeros(T // 2))
    assert i.mean.accuracy(grouped(i.counters)) > i.mean.accuracy(relation(T)) + 0.1


def test_one_loud_sender_does_not_make_a_counter():
    c = context(listening(T, L, [0], loudness=20.0))
    i = interchanges(c)
    assert c.accuracy == 1
    assert c.transport.kappa() == pytest.approx(np.zeros(T))
    for part in (i.received(), i.sent(), i.used()):
        assert part == pytest.approx(np.zeros(T))
    assert i.mean.accuracy(inventory(T)) > 0.9


@settings(max_examples=4)
@given(seed=st.integers(0, 2**31))
def test_the_basis_of_the_residual_stream_does_not_matter(seed):
    model = listening(T, L, range(T // 2))
    G = symmetries.random_invertible(T + 1, torch.Generator().manual_seed(seed))
    before, after = (
        interchanges(context(one)) for one in (model, symmetries.residual_gl(model, G))
    )
    for reading in ("mean", "single"):
        first, second = getattr(before, reading), getattr(after, reading)
        assert (first.follows == second.follows).mean() > 0.999
        assert (first.keeps == second.keeps).mean() > 0.999
    assert after.size == pytest.approx(before.size, abs=1e-6)
    assert after.needs == pytest.approx(before.needs, abs=1e-6)


def test_what_is_read_out_is_what_a_patched_run_answers():
    """The same interchange through hooks, in TransformerLens's own run."""
    model = construct("bos-blend", T=T, L=L, alpha=0.45)
    c = context(model)
    i, data, target, source = interchanges(c), c.held_out.data, 2, 5
    C, R = data.position.shape[1:]
    means = c.reference.means_for[target, source]
    delta = means[goals(C, R)] - means.unsqueeze(1)
    at = data.position[target].flatten()
    logits = run_with_intervention(
        model,
        c.hook_name("resid_mid"),
        lambda base, given: base + given,
        data.tokens[target].flatten(0, 1),
        delta.flatten(0, 1),
        lambda tokens: model(tokens)[torch.arange(len(tokens)), at],
        positions=at,
    )
    answer = logits.argmax(-1).view(C, R)
    wanted = data.counts[goals(C, R)]
    assert torch.equal(torch.from_numpy(i.mean.follows[target, ..., source]), answer == wanted)
    kept = answer == data.counts.unsqueeze(-1)
    assert torch.equal(torch.from_numpy(i.mean.keeps[target, ..., source]), kept)


def test_answers_beyond_a_foreign_count_are_told_apart():
    """q is foreign, r the token's own: half of the misses are one too many, half one too few."""
    reading = found("bos+sftm-parity").mean
    assert not (reading.passes & reading.follows).any()
    missed = ~reading.follows & ~np.eye(T, dtype=bool)[:, None, None, :]
    assert 0.4 < reading.passes[missed].mean() < 0.6
    assert not found("dot-blend", 0.8).mean.passes.any()  # those fall short


def test_single_sources_hold_the_count_and_not_the_target():
    c = context(construct("dot", T=T, L=L))
    held = c.held_out
    C, R = held.predicted.shape[1:]
    given = single_sources(means_of(c.reference), held, R)(3)
    origin = given + c.reference.means_for[3].transpose(0, 1).unsqueeze(1)
    goal, some = goals(C, R), 0
    for at, r, s in np.ndindex(C, R, T):
        same = (held.resid[s, goal[at, r]] - origin[at, r, s]).abs().amax(-1) < 1e-5
        assert same.any()
        free = held.free[3, s, goal[at, r]]
        some += int(free.any() and s != 3)
        assert not free.any() or bool((same & free).any())
        if s == 3:
            assert not same[r] or held.resid[s, goal[at, r]].std(0).max() < 1e-5
    assert some > C * R


def test_all_pairs_of_counts_come_equally_often():
    C, R = 5, 8
    pairs = torch.bincount((torch.arange(C).unsqueeze(1) * C + goals(C, R)).flatten())
    wanted = R // (C - 1) * (1 - torch.eye(C, dtype=torch.int64))
    assert torch.equal(pairs, wanted.flatten()[: len(pairs)])


def test_the_size_of_a_component_is_what_the_others_say():
    """Five tokens write 1, 2, 0, 1 and 1 times a common component and all hear it."""
    writes = np.array([1.0, 2.0, 0.0, 1.0, 1.0])
    size = written(np.tile(writes, (5, 1)), np.array([0, 0, 1, 0, 0]))
    # Against the mean of the other four, less the one that answers: there is a median of four.
    assert size[2] == pytest.approx([0, 0])
    assert size[1, 0] == pytest.approx(2 / np.median([2 / 3, 1, 2 / 3, 2 / 3]))
    assert size[1, 1] == pytest.approx(2)
    assert size[0, 1] == pytest.approx(1 / np.median([1, 1.5, 1.5]))
    # Where nobody hears anybody there is nothing to share.
    assert written(np.eye(5), np.arange(5)) == pytest.approx(np.zeros((5, 2)))


def test_pools_leave_the_token_out():
    weights = pools(np.array([0, 1, 0, 0]))
    assert weights[0, 0] == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])
    assert weights[0, 1] == pytest.approx([0, 0, 1 / 2, 1 / 2])
    assert weights[1, 1] == pytest.approx(np.zeros(4))


def test_targets_may_be_measured_in_pieces(monkeypatch):
    model = construct("dot-blend", T=T, L=L, alpha=0.4)
    whole = interchanges(context(model))
    monkeypatch.setattr(chunks, "BUDGET", 2**14)
    parts = interchanges(context(model))
    assert np.array_equal(whole.mean.follows, parts.mean.follows)
    assert np.array_equal(whole.needs, parts.needs)
