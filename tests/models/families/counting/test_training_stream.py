"""The training data: their law against exact enumeration, and streams that do not meet."""

import math
from collections import defaultdict
from fractions import Fraction
from itertools import permutations, product

import numpy as np
import pytest
import torch

from mechprobe.models import CountingConfig, MechprobeError, Trainee, TrainingPlan
from mechprobe.models.families.counting.training import block_tokens
from mechprobe.models.families.counting.training.rows import draw_block, parts_moments, row_capacity
from mechprobe.models.families.counting.training.stream import draw_parts, draw_sequences
from tests.models.theory.laws import agrees, compositions, merged, tally


def shape(T: int, L: int, kind: str = "dot") -> CountingConfig:
    return CountingConfig.of(kind, T=T, L=L, d=4, p=4)


def counts_of(config: CountingConfig, n: int) -> list[list[int]]:
    """The parts' sizes of n sequences, in the order they were drawn."""
    parts = draw_parts(config, 3, 0, n)
    return [row[:k].tolist() for row, k in zip(parts.counts, parts.distinct, strict=True)]


@pytest.mark.parametrize(("T", "L"), [(32, 6), (7, 7), (3, 7), (2, 5)])
def test_parts_follow_the_law_of_the_partition(T, L):
    """Every ordered partition as often as enumeration says, T < L and its surplus rule too."""
    assert agrees(tally(counts_of(shape(T, L), 40_000)), merged(L, T))


def test_the_published_size_has_as_many_parts_as_it_should():
    wanted: dict[tuple[int], Fraction] = defaultdict(Fraction)
    for parts, share in compositions(10).items():
        wanted[(len(parts),)] += share
    few = {key: share for key, share in wanted.items() if share > Fraction(1, 5000)}
    few[(0,)] = 1 - sum(few.values())  # the rest together
    seen = tally((k if (k,) in few else 0,) for k in draw_parts(shape(32, 10), 5, 0, 60_000)[2])
    assert agrees(seen, few)


def test_another_law_would_be_seen():
    """The measure itself: a slightly other law fails it."""
    seen = tally(counts_of(shape(32, 6), 40_000))
    even = dict.fromkeys(compositions(6), Fraction(1, len(compositions(6))))
    assert not agrees(seen, even)
    wanted = compositions(6)
    first, second = (5, 1), (4, 1, 1)
    shift = wanted[first] / 10
    assert not agrees(seen, wanted | {first: wanted[first] - shift, second: wanted[second] + shift})


@pytest.mark.parametrize(("T", "L"), [(32, 10), (3, 8), (2, 2)])
def test_tokens_are_distinct_and_the_rest_is_empty(T, L):
    parts = draw_parts(shape(T, L), 1, 2, 3000)
    used = np.arange(L) < parts.distinct[:, None]
    assert (parts.counts.sum(1) == L).all()
    assert (parts.counts[used] >= 1).all()
    assert (parts.counts[~used] == 0).all()
    assert (parts.tokens[~used] == 0).all()
    assert parts.tokens.min() >= 0
    assert parts.tokens.max() == T - 1
    assert parts.distinct.max() <= min(T, L)
    for row, k in zip(parts.tokens, parts.distinct, strict=True):
        assert len(set(row[:k])) == k


def test_tokens_are_uniform_within_a_sequence_and_from_one_to_the_next():
    """Pairs of a sequence's tokens, and first tokens of successive sequences."""
    tokens, _, distinct = draw_parts(shape(6, 5), 8, 1, 60_000)
    pairs = {pair: Fraction(1, 30) for pair in permutations(range(6), 2)}
    assert agrees(tally(tokens[distinct >= 2][:, :2]), pairs)
    assert agrees(tally(tokens[distinct >= 4][:, 2:4]), pairs)
    everything = dict.fromkeys(product(range(6), repeat=2), Fraction(1, 36))
    for skip in (1, 2):
        assert agrees(tally(zip(tokens[:-skip, 0], tokens[skip:, 0], strict=True)), everything)


@pytest.mark.parametrize(("T", "L"), [(4, 4), (2, 5)])
def test_shuffled_sequences_follow_their_exact_law(T, L):
    """Every sequence: parts, tokens and positions enumerated together."""
    wanted: dict[tuple[int, ...], Fraction] = defaultdict(Fraction)
    for parts, share in merged(L, T).items():
        arrangements = math.factorial(L)
        for tokens in permutations(range(T), len(parts)):
            body = [t for t, size in zip(tokens, parts, strict=True) for _ in range(size)]
            each = share / math.perm(T, len(parts)) / arrangements
            for order in permutations(body):
                wanted[order] += each
    assert sum(wanted.values()) == 1
    assert agrees(tally(draw_sequences(shape(T, L), 4, 0, 60_000)), wanted)


def test_positions_are_alike_at_the_published_size():
    """Any two positions are equal equally often, within five standard deviations."""
    body = draw_sequences(shape(32, 10), 6, 0, 40_000)
    share = sum(p * sum(c * (c - 1) for c in parts) for parts, p in compositions(10).items()) / 90
    for i, j in permutations(range(10), 2):
        spread = math.sqrt(float(share * (1 - share)) / len(body))
        assert abs((body[:, i] == body[:, j]).mean() - float(share)) < 5 * spread


@pytest.mark.parametrize(("T", "L"), [(32, 10), (3, 8)])
def test_sequences_and_parts_are_the_same_multisets(T, L):
    """Row by row: a dot model and a constant matrix of one seed see the same data."""
    parts = draw_parts(shape(T, L), 5, 7, 500)
    for row, tokens, counts in zip(
        draw_sequences(shape(T, L), 5, 7, 500), parts.tokens, parts.counts, strict=True
    ):
        wanted = {int(t): int(c) for t, c in zip(tokens, counts, strict=True) if c}
        assert dict(zip(*np.unique(row, return_counts=True), strict=True)) == wanted


def test_streams_repeat_themselves_and_no_other():
    config = shape(32, 10)
    one = draw_sequences(config, 1, 0, 200)
    assert (one == draw_sequences(config, 1, 0, 200)).all()
    others = [(1, 1), (0, 1), (2, 0), (0, 0), (2**62, 0)]
    for seed, block in others:
        # Two positions are equal by chance in 1 of 32.
        assert (one == draw_sequences(config, seed, block, 200)).mean() < 0.06, (seed, block)


def test_a_shorter_block_begins_as_a_longer_one():
    long, short = (draw_parts(shape(32, 10), 1, 4, n) for n in (300, 100))
    assert all((a[:100] == b).all() for a, b in zip(long, short, strict=True))


def test_a_plain_module_reads_bos_first():
    plain, bos = (shape(9, 5, kind) for kind in ("dot", "bos"))
    tokens = block_tokens(bos, 2, 0, 50)
    assert tokens.dtype == torch.int64
    assert (tokens[:, 0] == 9).all()
    assert torch.equal(tokens[:, 1:], block_tokens(plain, 2, 0, 50))
    assert torch.equal(tokens[:, 1:], torch.from_numpy(draw_sequences(plain, 2, 0, 50)).long())


@pytest.mark.parametrize("L", [2, 3, 6, 10])
def test_moments_of_the_number_of_parts_are_exact(L):
    law = compositions(L)
    mean, square = parts_moments(L)
    assert mean == pytest.approx(float(sum(p * len(parts) for parts, p in law.items())))
    assert square == pytest.approx(float(sum(p * len(parts) ** 2 for parts, p in law.items())))


def test_there_is_room_for_every_batch_but_not_for_all_of_it():
    config = shape(32, 10)
    room = row_capacity(config, 32)
    rows = draw_parts(config, 0, 0, 32 * 5000).distinct.reshape(5000, 32).sum(1)
    assert rows.max() <= room < 32 * 10
    assert room % 16 == 0
    assert row_capacity(config, 1) <= 16


@pytest.mark.parametrize("kind", ["dot", "lin"])
@pytest.mark.parametrize("T", [12, 40_000])
def test_a_device_reads_the_same_data_as_a_core(kind, T):
    """Slots, rows in use, and the cut of a plan's last block; wide numbers where they must be."""
    config = shape(T, 6, kind)
    trainee = Trainee(config, 3, TrainingPlan(steps=130, batch=4))
    block = draw_block(trainee, 1, row_capacity(config, 4))
    assert block.tokens.shape == (30, 4, 6)
    assert block.tokens.dtype == (torch.int16 if T == 12 else torch.int32)
    if kind == "lin":
        same = draw_sequences(config, 3, 1, 120)
        assert (block.tokens.numpy().reshape(120, 6) == same).all()
        return
    parts = draw_parts(config, 3, 1, 120)
    assert (block.tokens.numpy().reshape(120, 6) == parts.tokens).all()
    assert (block.counts.numpy().reshape(120, 6) == parts.counts).all()
    for counts, rows, used in zip(block.counts, block.rows, block.used, strict=True):
        assert torch.equal(rows[: used.item()].long(), counts.flatten().nonzero().squeeze(1))
        assert (rows[used.item() :] == 0).all()


def test_too_little_room_is_told_and_enough_is_enough():
    trainee = Trainee(shape(32, 10), 3, TrainingPlan(steps=100, batch=4))
    most = int(draw_parts(trainee.config, 3, 0, 400).distinct.reshape(100, 4).sum(1).max())
    assert draw_block(trainee, 0, most).used.max() == most
    with pytest.raises(MechprobeError, match="than there is room for; use cpu"):
        draw_block(trainee, 0, most - 1)
