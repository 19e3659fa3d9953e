"""Networks before training: made once for a configuration, or scrambled."""

import torch

from mechprobe import construct
from mechprobe.models import HookedTransformer, Task
from mechprobe.models.families.foreign.compiled import compiled_counter
from mechprobe.probes.untrained import OfUntrained, scrambled

T, L = 6, 5


def test_an_untrained_network_is_run_once_for_a_configuration():
    runs: list[str] = []

    def measure(model: HookedTransformer, task: Task, seed: int) -> str:
        runs.append(model.fingerprint())
        return runs[-1]

    of = OfUntrained(measure)
    found = []
    for name, seed in (("dot", 0), ("dot", 1), ("dot", 0), ("dot-lookup", 0)):
        model = construct(name, T=T, L=L)
        found.append(of(model, model.task(), seed))
        assert found[-1] != model.fingerprint()
    assert len(runs) == len(set(runs)) == 3
    assert found[0] == found[2]
    of.forget()
    model = construct("dot", T=T, L=L)
    assert of(model, model.task(), 0) == found[0]
    assert len(runs) == 4


def test_a_model_that_says_not_how_it_starts_is_scrambled():
    of = OfUntrained(lambda model, task, seed: model.fingerprint())
    model = compiled_counter(T=T, L=L)
    assert of(model, model.task(), 2) == scrambled(model, 2).fingerprint()


def test_a_scrambled_model_has_the_same_numbers_in_other_places():
    model = construct("dot", T=T, L=L)
    other = scrambled(model, 3)
    for name, weight in model.weights().items():
        assert torch.equal(weight.flatten().sort()[0], other.weights()[name].flatten().sort()[0])
    first, again, third = (scrambled(model, seed).fingerprint() for seed in (3, 3, 4))
    assert first == again != third
