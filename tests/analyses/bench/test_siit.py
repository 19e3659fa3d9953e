"""The population of trained models whose mechanism is known."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from mechprobe.analyses.bench.populations import trained
from mechprobe.analyses.bench.siit import store
from mechprobe.analyses.bench.siit.grid import stacks
from mechprobe.analyses.bench.siit.job import GrownStack, Stack
from mechprobe.analyses.bench.siit.run import report
from mechprobe.models.base.tensor_files import open_tensors
from mechprobe.models.families.counting.training.siit import Verified, verify


def test_every_model_of_the_grid_has_a_name_and_a_seed_of_its_own() -> None:
    names = [name for stack in stacks() for name in stack.names]
    seeds = [seed for stack in stacks() for seed in stack.seeds]
    assert len(names) == len(set(names)) == len(set(seeds)) >= 90


def test_only_models_that_passed_are_stored(tmp_path: Path) -> None:
    """A model of one step counts nothing; with a truth that holds it would be kept."""
    stack = Stack("dot", 4, 4, 4, 3, ((0, 0, 0, 0), (0, 1, 2, 3)), (1, 2), 1, 1e-3)
    made = GrownStack.model_validate_json(stack.run().model_dump_json())
    assert not any(one.passed for one in made.models)
    good = {"behaviour": Verified(accuracy=1.0, worst=1.0, pairs=10)}
    made.models[1] = made.models[1].model_copy(update={"verified": good})
    truth = store.keep(tmp_path, [stack], [made], "test")
    assert list(truth.failed) == ["dot-T4-L4-d4-p3-relation-s1"]
    assert [one.name for one in truth.models] == ["dot-T4-L4-d4-p3-inventory-s2"]
    assert truth.models[0].mechanism == "inventory-based"
    assert "1 of 2 models passed" in report(truth)
    with open_tensors(tmp_path / store.WEIGHTS) as file:
        kept = file.get_tensor("dot-T4-L4-d4-p3-inventory-s2/W_in")
    assert torch.equal(kept, torch.tensor(made.models[1].weights["W_in"]))


def test_the_packaged_population_is_large_and_small_enough() -> None:
    assert len(store.by_name()) >= 60
    assert sum(path.stat().st_size for path in store.packaged().iterdir()) < 1.5e6
    kinds = Counter(one.mechanism for one in store.by_name().values())
    assert set(kinds) == {"relation-based", "inventory-based", "mixed"}
    assert len({one.architecture for one in store.by_name().values()}) == 6
    assert all(v.holds for one in store.by_name().values() for v in one.verified.values())


@pytest.mark.parametrize("mechanism", ["relation-based", "inventory-based", "mixed"])
def test_a_packaged_model_does_what_is_stored_of_it(mechanism: str) -> None:
    known = next(one for one in store.by_name().values() if one.mechanism == mechanism)
    model = store.built(known)
    found = verify(known.config, model.weights(), known.causal, seed=5, pairs=200)
    assert all(one.accuracy > 0.9 for one in found.values() if one.pairs), found


def test_fits_and_checks_have_no_model_in_common() -> None:
    fit, check = trained("fit"), trained("check")
    assert not {member.name for member in fit} & {member.name for member in check}
    assert len(fit) + len(check) == len(store.by_name())
    assert abs(len(fit) - len(check)) < len(fit) / 2
    member = check[0]
    known = store.by_name()[member.name]
    assert member.truth(member.build()) == known.mechanism
    assert member.attention() == known.attention
