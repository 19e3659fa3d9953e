"""Planted transformers answer rightly and do what they say: checked by interchanges of the parts
they were built around. No rule, probe or threshold of ours is asked."""

from dataclasses import dataclass
from functools import cache, partial

import pytest
import torch
from torch import Tensor

from mechprobe.models import (
    CONSTRUCTIONS,
    HistogramTask,
    HookedTransformer,
    MechprobeError,
    construct,
    load,
    save,
)

SIZES = [(8, 6), (16, 10)]
SIZED = pytest.mark.parametrize(("T", "L"), SIZES)
DEEP = [
    name
    for name, known in CONSTRUCTIONS.items()
    if known.plant is not None and ".transformer." in known.build.__module__
]
KNOWN_BY_HEART = [(3, 4), (4, 4)]
REPS = 2


@dataclass(frozen=True)
class Runs:
    """Sequences with a marked position each: every token at every count, REPS times."""

    model: HookedTransformer
    tokens: Tensor
    position: Tensor
    token: Tensor
    count: Tensor
    cache: dict[str, Tensor]

    @property
    def rows(self) -> Tensor:
        return torch.arange(len(self.tokens))

    def at(self, name: str) -> Tensor:
        """An activation at the marked positions, [row, ...]."""
        return self.cache[name][self.rows, self.position]

    def pairs(self, seed: int = 0) -> Tensor:
        """For each row another, [row]."""
        return torch.randperm(len(self.tokens), generator=torch.Generator().manual_seed(seed))

    def same_token(self, seed: int = 0) -> Tensor:
        """For each row another with the same token, [row]."""
        T = int(self.token.max()) + 1
        within = torch.randperm(
            len(self.tokens) // T, generator=torch.Generator().manual_seed(seed)
        )
        return self.token * len(within) + within.repeat(T)

    def answers(self, name: str, values: Tensor, everywhere: bool = False) -> Tensor:
        """Answers at the marked positions where an activation is replaced, there or [row, pos]."""

        def replace(found: Tensor, hook: object) -> Tensor:
            if everywhere:
                return values
            out = found.clone()
            out[self.rows, self.position] = values
            return out

        with torch.no_grad():
            logits = self.model.run_with_hooks(self.tokens, fwd_hooks=[(name, replace)])
        return logits[self.rows, self.position].argmax(-1)


@cache
def runs(name: str, T: int, L: int) -> Runs:
    model = construct(name, T=T, L=L, seed=1, dtype=torch.float64).requires_grad_(False)
    task = HistogramTask(T=T, L=L, bos=model.config.bos)
    data = task.balanced(REPS, torch.Generator().manual_seed(0))
    tokens, position = data.tokens.flatten(0, 2), data.position.flatten()
    _, found = model.run_with_cache(tokens)
    token = tokens[torch.arange(len(tokens)), position]
    count = (tokens == token.unsqueeze(1)).sum(1)
    return Runs(model, tokens, position, token, count, dict(found))


# -- all of them --------------------------------------------------------------------------------

ALL = [(n, *size) for n in DEEP for size in (KNOWN_BY_HEART if n == "memorised" else SIZES)]


@pytest.mark.parametrize(("name", "T", "L"), ALL)
def test_planted_models_answer_every_sequence_rightly(name: str, T: int, L: int) -> None:
    made = [construct(name, T=T, L=L, seed=seed) for seed in (0, 1)]
    for seed, model in enumerate(made):
        for sampler in ("partition", "uniform"):
            task = HistogramTask(T=T, L=L, bos=model.config.bos, sampler=sampler)
            tokens = task.sample(200, torch.Generator().manual_seed(seed))
            with torch.no_grad():
                assert task.accuracy(model(tokens), tokens) == 1.0
    assert made[0].fingerprint() != made[1].fingerprint()


@pytest.mark.parametrize(("name", "T", "L"), ALL[::2])
def test_planted_models_are_saved_and_loaded(name: str, T: int, L: int, tmp_path) -> None:
    model = construct(name, T=T, L=L)
    save(model, tmp_path / "m")
    assert load(tmp_path / "m").fingerprint() == model.fingerprint()


def test_what_is_too_large_is_refused_in_one_line() -> None:
    with pytest.raises(MechprobeError, match=r"T=16, L=10: \d+ sequences are more than") as caught:
        construct("memorised", T=16, L=10)
    assert "\n" not in str(caught.value)
    with pytest.raises(MechprobeError, match="use a smaller T or L"):
        construct("global-pick", T=300, L=10)


# -- each on its own ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["positions", "positions-norm"])
@SIZED
def test_the_count_is_in_how_attention_spreads_over_positions(name: str, T: int, L: int) -> None:
    r = runs(name, T, L)
    z, source = "blocks.0.attn.hook_pattern", r.pairs()
    pattern = r.cache[z].clone()
    # The marked position attends to where the source's did, in its own sequence.
    pattern[r.rows, :, r.position] = r.cache[z][source, :, r.position[source]]
    if name == "positions":  # its residual stream counts itself in, which has to be there as well
        kept = pattern[r.rows, 0, r.position, r.position] > 1e-3
    else:
        kept = torch.ones(len(r.rows), dtype=torch.bool)
    answer = r.answers(z, pattern, everywhere=True)
    assert kept.sum() > 20
    assert (answer == r.count[source])[kept].all()
    assert (r.count != r.count[source])[kept].any()
    # As much attention on as many other positions: the answer stays; all evenly: it is L.
    shuffled = r.cache[z].clone()
    order = torch.randperm(L, generator=torch.Generator().manual_seed(3))
    shuffled[r.rows, :, r.position] = shuffled[r.rows, :, r.position][..., order]
    stays = shuffled[r.rows, 0, r.position, r.position] > 1e-3
    stays = stays if name == "positions" else torch.ones_like(stays)
    assert (r.answers(z, shuffled, everywhere=True) == r.count)[stays].all()
    even = torch.full_like(pattern, 1 / L)
    assert (r.answers(z, even, everywhere=True) == L).all()
    # Without positions there is no count.
    stripped = construct(name, T=T, L=L, seed=1, dtype=torch.float64)
    with torch.no_grad():
        stripped.pos_embed.W_pos.zero_()
        found = stripped(r.tokens)[r.rows, r.position].argmax(-1)
    assert len(found.unique()) == 1


@SIZED
def test_a_deep_look_up_is_private_first_and_common_then(T: int, L: int) -> None:
    r = runs("deep-lookup", T, L)
    hook = "blocks.0.mlp.hook_post"
    hidden, source = r.at(hook), r.same_token()
    # Its own neuron has the count, and no other is active.
    own = torch.nn.functional.one_hot(r.token, T).bool()
    assert (hidden[own] > 1e-6).all()
    assert (hidden[~own] == 0).all()
    swapped = torch.where(own, hidden[source], hidden)
    assert torch.equal(r.answers(hook, swapped), r.count[source])
    # A higher or lower sum of another token leaves it silent: the answer stays.
    mid, other = "blocks.0.hook_resid_mid", r.pairs()
    moved = r.at(mid) + r.at(mid)[other] - r.at(mid)[_alike(r, other)]
    foreign = r.answers(mid, moved)
    apart = r.token[other] != r.token
    drifts = (_others(r, other) != 0) | (r.token[other] == r.token)
    assert (foreign == r.count)[apart & ~drifts].all()
    # In block 1 the count of any token will do.
    late = "blocks.1.mlp.hook_post"
    assert torch.equal(r.answers(late, r.at(late)[other]), r.count[other])


def _alike(r: Runs, other: Tensor) -> Tensor:
    """For each source a run of the same token with the count of the target."""
    rows = {(int(t), int(c)): i for i, (t, c) in enumerate(zip(r.token, r.count, strict=True))}
    pairs = zip(r.token[other].tolist(), r.count.tolist(), strict=True)
    return torch.tensor([rows[pair] for pair in pairs])


def _others(r: Runs, other: Tensor) -> Tensor:
    """How much more of the target's own token the source's run has than the one like it."""

    def own(run: Tensor) -> Tensor:
        return (r.tokens[run] == r.token.unsqueeze(1)).sum(1)

    return own(other) - own(_alike(r, other))


@SIZED
def test_counts_are_gathered_at_bos_and_each_token_picks_its_own(T: int, L: int) -> None:
    r = runs("global-pick", T, L)
    hook = "blocks.0.hook_resid_post"
    source = r.pairs()
    # BOS of another sequence: each position answers what that sequence has of its token.
    swapped = r.cache[hook].clone()
    swapped[:, 0] = r.cache[hook][source][:, 0]
    there = (r.tokens[source] == r.token.unsqueeze(1)).sum(1)
    answer = r.answers(hook, swapped, everywhere=True)
    assert torch.equal(answer[there > 0], there[there > 0])
    # The rest of another sequence, but for the marked token: nothing happens.
    kept = r.cache[hook][source].clone()
    kept[:, 0] = r.cache[hook][:, 0]
    kept[r.rows, r.position] = r.at(hook)
    assert torch.equal(r.answers(hook, kept, everywhere=True), r.count)


@SIZED
def test_either_of_two_redundant_ways_suffices(T: int, L: int) -> None:
    r = runs("redundant", T, L)
    hook, source = "blocks.0.mlp.hook_post", r.same_token()
    hidden = r.at(hook)
    compared = torch.arange(hidden.shape[1]) == T
    for one in (compared, ~compared):
        # Alone it is right; with a lower count from elsewhere in the other's place as well.
        assert torch.equal(r.answers(hook, torch.where(one, hidden, 0.0)), r.count)
        swapped = r.answers(hook, torch.where(one, hidden, hidden[source]))
        assert torch.equal(swapped, torch.maximum(r.count, r.count[source]))
    both = r.answers(hook, hidden[source])
    assert torch.equal(both, r.count[source])
    # The compared count serves every token, the looked-up one its own.
    foreign = r.pairs()
    lone = torch.where(compared, hidden[foreign], 0.0)
    assert torch.equal(r.answers(hook, lone), r.count[foreign])
    assert ((hidden[:, :T] > 0) == torch.nn.functional.one_hot(r.token, T).bool()).all()


@SIZED
def test_either_of_two_shared_counts_suffices(T: int, L: int) -> None:
    r = runs("twice-compared", T, L)
    z, foreign = "blocks.0.attn.hook_z", r.pairs()
    own, there, head = r.at(z), r.at(z)[foreign], torch.arange(2).view(1, 2, 1)
    assert torch.equal(r.answers(z, there), r.count[foreign])  # any token's counts serve any other
    for one in (head == 0, head == 1):
        assert torch.equal(r.answers(z, torch.where(one, own, 0.0)), r.count)
        swapped = r.answers(z, torch.where(one, own, there))
        assert torch.equal(swapped, torch.maximum(r.count, r.count[foreign]))


@SIZED
def test_nobody_reads_what_an_impostor_writes(T: int, L: int) -> None:
    r = runs("impostor", T, L)
    hook, source = "blocks.0.mlp.hook_post", r.same_token()
    z, foreign = "blocks.0.attn.hook_z", r.pairs()
    heard = r.at(hook)[:, T]
    means = torch.stack([heard[r.count == c].mean() for c in range(1, L)])
    assert (means.diff() > 1).all()  # the shared count is loud, and two neurons have it
    head = torch.arange(2).view(1, 2, 1)
    loud = torch.where(head == 0, r.at(z)[foreign], r.at(z))
    assert torch.equal(r.answers(z, loud), r.count)
    assert torch.equal(r.answers(z, torch.where(head == 0, 0.0, r.at(z))), r.count)
    quiet = torch.where(head == 1, r.at(z)[source], r.at(z))
    assert torch.equal(r.answers(z, quiet), r.count[source])


def telling(hidden: Tensor, cleaning: Tensor) -> Tensor:
    """Neurons of block 0 that tell the number, and beside them the one that cleans up."""
    return torch.cat([hidden[..., :-2], cleaning[..., -2:]], -1)


@SIZED
def test_a_cascade_adds_up_what_two_halves_have(T: int, L: int) -> None:
    r = runs("cascade", T, L)
    hook, source = "blocks.0.mlp.hook_post", r.pairs()
    place = torch.arange(1, L + 1)
    first = place <= L // 2

    def here(run: Tensor, token: Tensor) -> Tensor:
        """How often a token stands in the half that the run's marked position lies in."""
        half = first == (r.position[run] <= L // 2).unsqueeze(1)
        return ((r.tokens[run][:, 1:] == token.unsqueeze(1)) & half).sum(1)

    # The marked position's own part is that of the source, the other half's stays.
    answer = r.answers(hook, telling(r.at(hook)[source], r.at(hook)))
    says = r.count - here(r.rows, r.token) + here(source, r.token[source])
    assert torch.equal(answer, says)
    assert (says != r.count).any()
    assert (says != r.count[source]).any()
    late = "blocks.1.mlp.hook_post"
    assert torch.equal(r.answers(late, r.at(late)[source]), r.count[source])


@SIZED
def test_ranks_are_read_at_the_last_occurrence(T: int, L: int) -> None:
    r = runs("ranks", T, L)
    hook, source = "blocks.0.mlp.hook_post", r.pairs()

    def last(run: Tensor) -> Tensor:
        held = r.tokens[run] == r.token[run].unsqueeze(1)
        return (held * torch.arange(1, L + 2)).argmax(1)

    here, there = last(r.rows), last(source)
    swapped = r.cache[hook].clone()
    swapped[r.rows, here] = telling(r.cache[hook][source, there], r.cache[hook][r.rows, here])
    assert torch.equal(r.answers(hook, swapped, everywhere=True), r.count[source])
    # The numbers of all other occurrences are of no use.
    erased = telling(torch.zeros_like(r.cache[hook]), r.cache[hook])
    erased[r.rows, here] = r.cache[hook][r.rows, here]
    assert torch.equal(r.answers(hook, erased, everywhere=True), r.count)


@pytest.mark.parametrize(("T", "L"), KNOWN_BY_HEART)
def test_what_is_known_by_heart_is_lost_sequence_by_sequence(T: int, L: int) -> None:
    model = construct("memorised", T=T, L=L, seed=1, dtype=torch.float64)
    tokens = torch.cartesian_prod(*[torch.arange(T)] * L)
    wanted = (tokens.unsqueeze(-1) == tokens.unsqueeze(-2)).sum(-1)
    with torch.no_grad():
        logits, cache = model.run_with_cache(tokens)
        active = cache["blocks.0.mlp.hook_post"] > 1e-6
        assert torch.equal(logits.argmax(-1), wanted)
        assert (active.sum(-1) == 1).all()  # one neuron speaks
        for one in range(0, len(tokens), len(tokens) // 5):
            its = active[one].any(0)

            def silence(found: Tensor, hook: object, its: Tensor) -> Tensor:
                return found * ~its

            hooks = [("blocks.0.mlp.hook_post", partial(silence, its=its))]
            broken = model.run_with_hooks(tokens, fwd_hooks=hooks)
            others = torch.arange(len(tokens)) != one
            torch.testing.assert_close(broken[others], logits[others])  # they know nothing of it
            assert (broken[one].argmax(-1) != wanted[one]).all()
