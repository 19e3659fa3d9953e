"""Planted models answer rightly and do what they say: checked on the variables they were built
around, by interchanges of these alone. No rule, probe or threshold of ours is asked."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest
import torch
from torch import Tensor

from mechprobe.models import CONSTRUCTIONS, HistogramTask, HookedTransformer, construct
from mechprobe.models.families.counting.constructions import Sizes

SIZES = [(8, 6), (16, 10)]
SIZED = pytest.mark.parametrize(("T", "L"), SIZES)
REPS = 2


@dataclass(frozen=True)
class Runs:
    """A position of every token at every count, REPS times: rows are (token, count, rep).

    Args:
        model: in float64.
        mid: its hook_resid_mid there, [row, d].
        token, count: what stands there and how often it occurs, [row].
        embedding: of all tokens, BOS last; a basis, so that mid is a mass on each of them.
    """

    model: HookedTransformer
    mid: Tensor
    token: Tensor
    count: Tensor
    embedding: Tensor

    @property
    def mass(self) -> Tensor:
        """The variables: mass on every token and on BOS, [row, vocab]."""
        return self.mid @ torch.linalg.pinv(self.embedding)

    def answers(self, change: Tensor) -> Tensor:
        """What is answered where masses are changed by this much, [row, vocab] -> [row]."""
        answered: Tensor = self.model.read_out(self.mid + change @ self.embedding).argmax(-1)
        return answered

    def pairs(self, seed: int = 0) -> Tensor:
        """For each row another, a random one, [row]."""
        return torch.randperm(len(self.mid), generator=torch.Generator().manual_seed(seed))

    def written(self, source: Tensor, count: Tensor) -> Tensor:
        """What sources write more than the same tokens do at other counts, [row, vocab]: the count
        variable's new value less its old one."""
        at = {(int(t), int(c)): i for i, (t, c) in enumerate(zip(self.token, self.count))}
        same = torch.tensor([at[t, c] for t, c in zip(self.token[source].tolist(), count.tolist())])
        return self.mass[source] - self.mass[same]


@cache
def runs(name: str, T: int, L: int) -> Runs:
    model = construct(name, T=T, L=L, seed=1, dtype=torch.float64)
    data = model.config.task().balanced(REPS, torch.Generator().manual_seed(0))
    tokens, position = data.tokens.flatten(0, 2), data.position.flatten()
    with torch.no_grad():
        mid = model.resid_mid(tokens)[torch.arange(len(tokens)), position]
    token = tokens[torch.arange(len(tokens)), position]
    count = (tokens == token.unsqueeze(1)).sum(1)
    return Runs(model.requires_grad_(False), mid, token, count, model.weights()["W_E"])


def only(change: Tensor, where: Callable[[int], Tensor] | Tensor) -> Tensor:
    """A change in some coordinates of each row alone, [row, vocab]; `where` holds them."""
    kept = torch.zeros_like(change, dtype=torch.bool)
    kept.scatter_(1, where if where.ndim == 2 else where.unsqueeze(1), True)
    return change * kept


# -- all of them --------------------------------------------------------------------------------

PLANTED = [name for name, c in CONSTRUCTIONS.items() if c.plant is not None]
COUNTING = [n for n in PLANTED if CONSTRUCTIONS[n].build.__module__.split(".")[3] == "counting"]


@pytest.mark.parametrize("name", COUNTING)
@SIZED
def test_planted_models_answer_every_sequence_rightly(name: str, T: int, L: int) -> None:
    for seed in (0, 1):
        model = construct(name, T=T, L=L, seed=seed)
        for sampler in ("partition", "uniform"):
            task = HistogramTask(T=T, L=L, bos=model.config.bos, sampler=sampler)
            tokens = task.sample(500, torch.Generator().manual_seed(seed))
            with torch.no_grad():
                assert task.accuracy(model(tokens), tokens) == 1.0


def test_half_of_the_planted_models_are_kept_out_of_tuning() -> None:
    held = {name for name in PLANTED if CONSTRUCTIONS[name].held_out}
    assert 0.4 <= len(held) / len(PLANTED) <= 0.6
    assert not any(c.held_out for name, c in CONSTRUCTIONS.items() if name not in PLANTED)


# -- who writes, who listens, and who needs it --------------------------------------------------


@SIZED
def test_listeners_need_no_foreign_count_that_they_would_follow(T: int, L: int) -> None:
    r = runs("bos+sftm-listeners", T, L)
    source, first = r.pairs(), T // 2
    there = torch.full_like(r.token, T)  # the coordinate of BOS
    swap = only(r.mass[source] - r.mass, there)
    answer, sent = r.answers(swap), r.count[source]
    writes, reads = r.token[source] < first, r.token < first
    # Within the first half, the value on BOS is the count.
    assert (answer == sent)[writes & reads].all()
    # Within the second, whatever stands there is of no use: any value, or the mean of all.
    assert (answer == r.count)[~writes & ~reads].all()
    mean = r.mass[~reads, T].mean() - r.mass[:, T]
    held = r.answers(only(mean.unsqueeze(1).expand_as(swap), there))
    assert (held == r.count)[~reads].all()
    # Its count is in its own coordinate.
    own = r.written(torch.arange(len(source)), sent.clamp(max=L - 1))
    looked_up = r.answers(only(-own, r.token))
    assert (looked_up == sent)[~reads].all()
    # The trap: what the first half writes would move the second's answers, though it never gets
    # there.
    trap = writes & ~reads & (r.count > 1)
    assert (answer < r.count)[trap].all()
    shares = CONSTRUCTIONS["bos+sftm-listeners"].plant.causal(Sizes(T, L)).shares
    assert torch.equal(shares[:first, :first], torch.ones(first, first, dtype=torch.bool))
    assert torch.equal(shares[first:, first:], torch.eye(T - first, dtype=torch.bool))


@SIZED
def test_one_loud_token_is_of_no_use_to_the_others(T: int, L: int) -> None:
    r = runs("dot-loud", T, L)
    source = r.pairs()
    sent, loud = r.count[source], T - 1
    own = r.answers(only(-r.written(torch.arange(len(source)), sent), r.token))
    assert (own == sent).all()  # each token's count, that of the loud one too, is its own mass
    foreign = r.answers(only(r.written(source, r.count), r.token[source]))
    other = r.token[source] != r.token
    quiet = other & (r.token[source] != loud)
    assert (foreign == r.count)[quiet].all()
    # The trap: a count of the loud one shakes all others, far beyond that count.
    heard = other & (r.token[source] == loud) & (sent != r.count)
    assert (foreign != r.count)[heard].all()
    assert set(foreign[heard].tolist()) <= {1, L}
    # Yet in their own runs there is never anything to hear: the open neuron is where it was.
    W = r.model.weights()
    opened = r.mid @ W["W_in"][:, 0] + W["b_in"][0]
    quiet_rows = r.token != loud
    assert torch.allclose(opened[quiet_rows], W["b_in"][0])
    assert not torch.allclose(opened[~quiet_rows], W["b_in"][0])


@pytest.mark.parametrize("name", ["dot-opposed", "bos+sftm-opposed"])
@SIZED
def test_opposed_answers_go_against_a_foreign_count(name: str, T: int, L: int) -> None:
    r = runs(name, T, L)
    source = r.pairs()
    sent = r.count[source]
    shared = name.startswith("bos")
    where = torch.full_like(r.token, T) if shared else r.token[source]
    foreign = r.token[source] != r.token
    moved = r.answers(only(r.written(source, r.count), where)) - r.count
    wanted = -(sent - r.count).sign()
    room = ((r.count + wanted >= 1) & (r.count + wanted <= L)) & foreign & (wanted != 0)
    assert room.double().mean() > 0.5
    assert torch.equal(moved[room].sign(), wanted[room])
    # Both parts together are the count.
    own = -r.written(torch.arange(len(source)), sent)
    both = torch.stack([r.token, where if shared else r.token], 1)
    assert torch.equal(r.answers(only(own, both)), sent)


# -- who shares ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dot-classes", "dot-parity"])
@SIZED
def test_tokens_follow_those_that_they_share_a_counter_with(name: str, T: int, L: int) -> None:
    """The causal model's own answers under interchange, for random pairs of runs."""
    r = runs(name, T, L)
    causal = CONSTRUCTIONS[name].plant.causal(Sizes(T, L))
    for seed in range(2):
        source = r.pairs(seed)
        answer = r.answers(only(r.written(source, r.count), r.token[source]))
        says = causal.answer(r.token, r.count, r.token[source], r.count[source])
        assert torch.equal(answer, says)
    shared = causal.shares.double().mean()
    assert shared == 1 if name == "dot-parity" else 0.5 < shared < 0.75


@SIZED
def test_parity_is_two_variables(T: int, L: int) -> None:
    """Neurons for q and for r are interchanged apart: the answer is 2 q + r of either."""
    r = runs("dot-parity", T, L)
    W = r.model.weights()
    hidden = (r.mid @ W["W_in"] + W["b_in"]).relu()
    q_group = torch.arange(hidden.shape[1]) < 2 * (L // 2)
    source = r.pairs()
    mixed = torch.where(q_group, hidden[source], hidden)
    answer = (mixed @ W["W_out"] + W["b_out"]).argmax(-1)
    says = 2 * (r.count[source] // 2) + r.count % 2
    there = says > 0  # 0 is none of a token that is there
    assert torch.equal(answer[there], says[there])
    assert (says != r.count)[there].any()
    assert (says != r.count[source])[there].any()


@SIZED
def test_a_shared_half_of_the_count_and_a_private_parity(T: int, L: int) -> None:
    r = runs("bos+sftm-parity", T, L)
    source = r.pairs()
    sent, bos = r.count[source], torch.full_like(r.token, T)
    by_bos = r.answers(only(r.mass[source] - r.mass, bos))
    by_self = r.answers(only(-r.written(torch.arange(len(source)), sent), r.token))
    there = (r.count > 1) & (sent > 1)
    assert torch.equal(by_bos[there], (2 * (sent // 2) + r.count % 2)[there])
    assert torch.equal(by_self[there], (2 * (r.count // 2) + sent % 2)[there])
    foreign = r.answers(only(r.written(source, r.count), r.token[source]))
    assert torch.equal(foreign[r.token[source] != r.token], r.count[r.token[source] != r.token])
