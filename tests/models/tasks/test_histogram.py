"""The histogram task: targets, both samplers against their distributions, balanced sequences."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.tasks import HistogramTask, Task, partition_sequences

ROWS = 50_000


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# -- targets ------------------------------------------------------------------------------------


def test_targets_of_the_papers_example():
    """[B,A,A,D,E] -> [1,2,2,1,1]."""
    task = HistogramTask(T=5, L=5)
    assert task.targets(torch.tensor([1, 0, 0, 3, 4])).tolist() == [1, 2, 2, 1, 1]


@given(data=st.data(), bos=st.booleans())
def test_targets_are_what_a_counter_counts(data, bos):
    T, L = data.draw(st.integers(2, 9)), data.draw(st.integers(2, 12))
    rows = data.draw(
        st.lists(st.lists(st.integers(0, T - 1), min_size=L, max_size=L), min_size=1, max_size=4)
    )
    task = HistogramTask(T=T, L=L, bos=bos)
    wanted = [[Counter(row)[token] for token in row] for row in rows]
    tokens = torch.tensor([[T, *row] if bos else row for row in rows])
    assert task.targets(tokens).tolist() == wanted
    assert task.targets(tokens.unsqueeze(0)).tolist() == [wanted]


def test_the_task_is_a_task():
    task = HistogramTask(T=5, L=4, bos=True)
    assert isinstance(task, Task)
    assert (task.n_vocab, task.n_classes) == (6, 5)
    assert HistogramTask(T=5, L=4).n_vocab == 5


@pytest.mark.parametrize("bos", [False, True])
def test_accuracy_counts_right_scored_positions(bos):
    """One wrong answer of eight; what stands at the BOS position does not matter."""
    task = HistogramTask(T=3, L=4, bos=bos)
    body = torch.tensor([[0, 0, 1, 2], [1, 1, 1, 1]])
    tokens = torch.nn.functional.pad(body, (int(bos), 0), value=3)
    answers = task.targets(tokens).clone()
    answers[0, 2] += 1
    answers = torch.nn.functional.pad(answers, (int(bos), 0), value=0)
    logits = torch.nn.functional.one_hot(answers, task.n_classes).double()
    assert task.accuracy(logits, tokens) == 7 / 8
    assert task.correct(logits, tokens).sum() == 7
    # Targets are 2 2 1 1 / 4 4 4 4.
    assert task.chance(tokens) == 4 / 8


# -- the partition sampler ----------------------------------------------------------------------


@cache
def partitions(n: int) -> dict[tuple[int, ...], float]:
    """Exact distribution over ordered parts, straight from the recursion the paper states."""
    if n == 0:
        return {(): 1.0}
    if n == 1:
        return {(1,): 1.0}
    found: dict[tuple[int, ...], float] = {}
    for k in range(1, n):
        for rest, probability in partitions(n - k).items():
            parts = (k, *rest)
            found[parts] = found.get(parts, 0.0) + probability / (n - 1)
    return found


def label_distribution(L: int) -> np.ndarray:
    """Probability that a random position has label 1..L."""
    share = np.zeros(L + 1)
    for parts, probability in partitions(L).items():
        for size in parts:
            share[size] += probability * size / L
    return share[1:]


def distinct_distribution(L: int) -> np.ndarray:
    """Probability of 1..L distinct tokens."""
    share = np.zeros(L + 1)
    for parts, probability in partitions(L).items():
        share[len(parts)] += probability
    return share[1:]


def p_value(observed: np.ndarray, share: np.ndarray) -> float:
    """Chi-square of counts against shares; what is impossible must not occur."""
    possible = share > 0
    assert observed[~possible].sum() == 0
    if possible.sum() == 1:
        return 1.0
    # Cells of fewer than 5 expected go to their neighbour.
    expected, seen, cells = share[possible] * observed.sum(), observed[possible], []
    for e, o in zip(expected, seen, strict=True):
        if cells and (e < 5 or cells[-1][0] < 5):
            cells[-1] = (cells[-1][0] + e, cells[-1][1] + o)
        else:
            cells.append((e, o))
    return float(chisquare([o for _, o in cells], [e for e, _ in cells]).pvalue)


def one_label_a_row(task: HistogramTask, tokens: torch.Tensor, seed: int) -> np.ndarray:
    """How often label 1..L occurs, at one random position of each sequence."""
    column = torch.randint(task.L, (len(tokens), 1), generator=seeded(seed))
    labels = task.targets(tokens).gather(1, column).flatten()
    return labels.bincount(minlength=task.L + 1)[1:].numpy()


def distinct_tokens(tokens: torch.Tensor, L: int) -> np.ndarray:
    """How often a sequence has 1..L distinct tokens."""
    ordered = tokens.sort(dim=1).values
    number = 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(1)
    return number.bincount(minlength=L + 1)[1:].numpy()


@pytest.mark.parametrize(("T", "L", "bos"), [(32, 10, False), (7, 6, True), (16, 12, False)])
def test_partition_sampler_follows_its_recursion(T, L, bos):
    task = HistogramTask(T=T, L=L, bos=bos)
    tokens = task.sample(ROWS, seeded(1))
    assert p_value(one_label_a_row(task, tokens, 2), label_distribution(L)) > 1e-4
    body = tokens[:, int(bos) :]
    assert p_value(distinct_tokens(body, L), distinct_distribution(L)) > 1e-4
    # Tokens are exchangeable: each is as likely at one random position.
    column = torch.randint(L, (ROWS, 1), generator=seeded(3))
    chosen = body.gather(1, column).flatten().bincount(minlength=T).numpy()
    assert p_value(chosen, np.full(T, 1 / T)) > 1e-4


@pytest.mark.parametrize("where", ["first", "last"])
def test_partition_sampler_shuffles_positions(where):
    """Whether neighbours are equal depends on the parts alone, at either end of a sequence."""
    L = 8
    same = sum(
        probability * sum(k * (k - 1) for k in parts) / (L * (L - 1))
        for parts, probability in partitions(L).items()
    )
    tokens = HistogramTask(T=16, L=L).sample(ROWS, seeded(4))
    a, b = (0, 1) if where == "first" else (L - 1, L - 2)
    equal = int((tokens[:, a] == tokens[:, b]).sum())
    assert p_value(np.array([equal, ROWS - equal]), np.array([same, 1 - same])) > 1e-4


def test_the_chi_square_tells_the_uniform_sampler_apart():
    """Negative control: the tests above have power."""
    T, L = 32, 10
    task = HistogramTask(T=T, L=L, sampler="uniform")
    tokens = task.sample(ROWS, seeded(1))
    labels, share = one_label_a_row(task, tokens, 2), label_distribution(L)
    labels[-1] = 0
    assert p_value(labels, share) < 1e-10
    distinct = distinct_tokens(tokens, L)
    assert chisquare(distinct[1:], distinct_distribution(L)[1:] * distinct[1:].sum()).pvalue < 1e-10


def test_uniform_sampler_is_uniform_and_independent():
    task = HistogramTask(T=6, L=5, sampler="uniform")
    tokens = task.sample(ROWS, seeded(5))
    for column in range(5):
        assert p_value(tokens[:, column].bincount(minlength=6).numpy(), np.full(6, 1 / 6)) > 1e-4
    pairs = (6 * tokens[:, 0] + tokens[:, 4]).bincount(minlength=36).numpy()
    assert p_value(pairs, np.full(36, 1 / 36)) > 1e-4


def test_the_whole_sequence_is_never_one_token():
    """Count L never occurs under the partition sampler."""
    task = HistogramTask(T=8, L=4)
    assert task.targets(task.sample(ROWS, seeded(6))).max() == 3


@pytest.mark.parametrize(("T", "L"), [(3, 8), (4, 16), (5, 9)])
def test_surplus_parts_join_the_last_when_there_are_too_few_tokens(T, L):
    """With T < L the number of distinct tokens is min(parts, T)."""
    task = HistogramTask(T=T, L=L)
    tokens = task.sample(20_000, seeded(7))
    assert int(tokens.min()) == 0
    assert int(tokens.max()) == T - 1
    share = distinct_distribution(L)
    merged = np.zeros(L)
    merged[: T - 1], merged[T - 1] = share[: T - 1], share[T - 1 :].sum()
    assert p_value(distinct_tokens(tokens, L), merged) > 1e-4


def test_rows_of_unlike_lengths_keep_to_their_tokens():
    """Each row follows the recursion of its own length and avoids its excluded token."""
    lengths = torch.tensor([1, 3, 6]).repeat_interleave(20_000)
    exclude = torch.arange(len(lengths)) % 9
    rows = partition_sequences(lengths, 9, seeded(8), exclude=exclude)
    for length in (1, 3, 6):
        chosen = lengths == length
        valid = rows[chosen, :length]
        assert (valid != exclude[chosen].unsqueeze(1)).all()
        assert set(valid.unique().tolist()) == set(range(9))
        assert p_value(distinct_tokens(valid, length), distinct_distribution(length)) > 1e-4


# -- balanced -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("T", "L", "bos", "reps"),
    [(6, 5, False, 3), (6, 5, True, 3), (2, 7, True, 2), (9, 2, False, 4)],
)
def test_balanced_cells_hold_exactly_their_counts(T, L, bos, reps):
    task = HistogramTask(T=T, L=L, bos=bos)
    tokens, position, counts = task.balanced(reps, seeded(9))
    assert tokens.shape == (T, L - 1, reps, L + int(bos))
    assert counts.tolist() == list(range(1, L))
    if bos:
        assert (tokens[..., 0] == T).all()
    body = tokens[..., int(bos) :]
    assert int(body.min()) >= 0
    assert int(body.max()) < T
    own = torch.arange(T).view(T, 1, 1)
    # The filler never uses the token: it occurs as often as its cell says, no more.
    occurrences = (body == own.unsqueeze(-1)).sum(-1)
    assert (occurrences == counts.view(1, -1, 1)).all()
    assert (tokens.gather(-1, position.unsqueeze(-1)).squeeze(-1) == own).all()
    labels = task.targets(tokens).gather(-1, (position - int(bos)).unsqueeze(-1)).squeeze(-1)
    assert (labels == counts.view(1, -1, 1)).all()


def test_balanced_positions_are_uniform_over_the_sequence():
    task = HistogramTask(T=4, L=5)
    _, position, _ = task.balanced(800, seeded(10))
    for count in range(4):
        seen = position[:, count].flatten().bincount(minlength=5).numpy()
        assert p_value(seen, np.full(5, 1 / 5)) > 1e-4


def test_balanced_filler_follows_the_recursion_of_its_own_length():
    task = HistogramTask(T=8, L=7)
    tokens, _, counts = task.balanced(700, seeded(11))
    for i, count in enumerate(counts.tolist()):
        fill = distinct_tokens(tokens[:, i].flatten(0, 1), 7)[1:]
        share = np.pad(distinct_distribution(7 - count), (0, count - 1))
        assert p_value(fill, share) > 1e-4


@pytest.mark.parametrize(
    ("T", "L", "greatest"),
    [(15, 10, 5), (32, 10, 4), (2, 10, 9), (4, 3, 2), (2, 20, 17), (2000, 4, 2), (20_000, 4, 1)],
)
def test_uniform_tasks_ask_for_the_counts_they_make(T, L, greatest):
    task = HistogramTask(T=T, L=L, sampler="uniform")
    assert task.counts == greatest
    drawn = task.targets(task.sample(20_000, seeded(21))).flatten().bincount(minlength=L + 1)
    share = drawn / drawn.sum()
    assert greatest == 1 or share[greatest] > 5e-4
    assert (share[greatest + 1 : L] < 2e-3).all()


def test_uniform_tasks_are_balanced_with_uniform_others():
    task = HistogramTask(T=15, L=10, sampler="uniform")
    tokens, position, counts = task.balanced(300, seeded(22))
    assert tokens.shape == (15, 5, 300, 10)
    labels = task.targets(tokens).gather(-1, position.unsqueeze(-1)).squeeze(-1)
    assert (labels == counts.view(1, -1, 1)).all()
    # Beside the token itself any other is as likely, place by place.
    others = tokens[0, 0].flatten().bincount(minlength=15)[1:].numpy()
    assert p_value(others, np.full(14, 1 / 14)) > 1e-4


# -- determinism and errors ---------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["partition", "uniform"])
def test_same_seed_same_data(sampler):
    task = HistogramTask(T=9, L=7, bos=True, sampler=sampler)
    first, again, other = (task.sample(50, seeded(s)) for s in (12, 12, 13))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert (first[:, 0] == 9).all()
    one, two, three = (task.balanced(2, seeded(s)) for s in (12, 12, 13))
    assert torch.equal(one.tokens, two.tokens)
    assert torch.equal(one.position, two.position)
    assert not torch.equal(one.tokens, three.tokens)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 1, "L": 5}, "T=1"),
        ({"T": 0, "L": 5}, "T=0"),
        ({"T": 5, "L": 1}, "L=1"),
        ({"T": 5, "L": -3}, "L=-3"),
    ],
)
def test_impossible_tasks_are_refused(arguments, message):
    with pytest.raises(MechprobeError, match=message):
        HistogramTask(**arguments)


def test_an_unknown_sampler_is_refused():
    task = HistogramTask(T=5, L=5)
    # Past the type checker that guards the constructor in these tests.
    object.__setattr__(task, "sampler", "gauss")
    with pytest.raises(MechprobeError, match="sampler 'gauss' is unknown; choose partition"):
        task.__post_init__()
