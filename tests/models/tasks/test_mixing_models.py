"""Causal models of attention: the same weights, parted by interchanges of their variables."""

import torch

from mechprobe.models.tasks.mixing_models import (
    MIXED,
    MIXING,
    POSITIONAL,
    SEMANTIC,
    UNINFORMED,
    Order,
)

L = 5
TOKENS = torch.tensor([2, 0, 2, 1, 0])
MOVES = torch.tensor([3, 1, 4, 0, 2])  # of the source: tokens 1 0 0 2 2
ORDER = Order(MOVES, torch.tensor([3, 4, 1, 2, 0]))  # of equal tokens another stands for one


def parts() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    F, table = torch.rand(L, L, generator=g), torch.rand(3, 3, generator=g)
    return F, table


def test_an_order_goes_there_and_back():
    weights = torch.rand(2, 3, L, L, generator=torch.Generator().manual_seed(1))
    order = Order(*(one.expand(2, 3, L) for one in (ORDER.queries, ORDER.keys)))
    moved = order.of(weights)
    assert moved[1, 2, 0, 1] == weights[1, 2, MOVES[0], ORDER.keys[1]]
    assert torch.equal(order.back.of(moved), weights)


def test_each_model_predicts_the_weights_of_a_network_that_is_made_like_it():
    """Whatever is interchanged; equal tokens may stand for each other."""
    F, table = parts()
    G = table[TOKENS][:, TOKENS]
    in_source = table[TOKENS[MOVES]][:, TOKENS[MOVES]]
    level = torch.full((L, L), 0.3)
    made = {
        SEMANTIC: (G, G, in_source),
        POSITIONAL: (F, ORDER.back.of(F), F),
        MIXED: (F + G, ORDER.back.of(F) + G, F + in_source),
        UNINFORMED: (level, level, level),
    }
    assert set(made) == set(MIXING)
    for model, (own, after_F, after_G) in made.items():
        for moved, order, wanted in (("F", ORDER.back, after_F), ("G", ORDER, after_G)):
            assert torch.allclose(model.after(own, F, level, moved, order.of), wanted)
    rivals = {m: m.after(F + G, F, level, "G", ORDER.of) for m in MIXING}
    for model in (SEMANTIC, POSITIONAL, UNINFORMED):
        assert not torch.allclose(rivals[model], rivals[MIXED], atol=0.05)


def test_variables_are_named():
    assert MIXED.variables == ("F", "G")
    assert UNINFORMED.variables == ()
    assert [model.name for model in MIXING][-1] == "mixed"  # all others are special cases
