"""Where deep models keep the count: planted models of two blocks."""

import pytest

from mechprobe import construct, find_probe, label
from mechprobe.probes import check_probe
from mechprobe.probes.controls import CONTROLS

T, L = 6, 5
interchange_storage = find_probe("interchange-storage")


@pytest.mark.parametrize(
    ("name", "best"), [("deep-lookup", "made_common"), ("global-pick", "later_inventory")]
)
def test_the_planted_storage_answers_all(name, best):
    result = interchange_storage(construct(name, T=T, L=L))
    assert result.value(best) == 1.0
    for rival in set(interchange_storage.specs) - {best}:
        if not rival.endswith(CONTROLS):
            assert result.value(rival) <= 0.8
    for control in CONTROLS:
        assert result.value(f"{best}_{control}") < 0.95


def test_labels_of_deeper_models_state_it():
    found = label(construct("deep-lookup", T=T, L=L))
    said = next(reason for reason in found.reasons if reason.startswith("storage: "))
    assert "100% of the answers" in said
    assert "made common by the last block" in said
    assert said.count("controls") == 2
    assert found.number("storage_made_common") == 1.0
    one = label(construct("dot", T=T, L=L))
    assert one.evidence["storage_made_common"].value is None


def test_it_conforms_and_needs_two_blocks():
    check_probe(interchange_storage)
    model = construct("dot", T=T, L=L)
    assert "one block" in interchange_storage.why_not(model, model.task())
