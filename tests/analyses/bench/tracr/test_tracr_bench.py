"""Compiled programs in the bench: what is said of them holds, and the page says what there is."""

from pathlib import Path

import pytest

from mechprobe.analyses.bench.methods.population import SEEN, compiled, disguised
from mechprobe.analyses.bench.tracr import page
from mechprobe.analyses.bench.tracr.programs import PROGRAMS
from mechprobe.analyses.bench.tracr.store import (
    built,
    by_name,
    keep,
    packaged,
    packed,
    unpacked,
    weights_of,
)
from mechprobe.analyses.bench.tracr.truth import TRUTH
from mechprobe.analyses.bench.tracr.verify import directions, verify
from mechprobe.models import MechprobeError
from mechprobe.probes import label

ROOT = Path(__file__).parents[4]
SMALL = {one.program: one for one in by_name().values() if (one.T, one.L) == (4, 5)}


def test_every_program_has_its_truth_and_rows() -> None:
    assert (
        list(PROGRAMS) == list(TRUTH) == list(dict.fromkeys(o.program for o in by_name().values()))
    )
    assert all(
        len({(o.T, o.L) for o in by_name().values() if o.program == p}) >= 3 for p in PROGRAMS
    )
    assert sum(path.stat().st_size for path in packaged().iterdir()) < 300_000


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_does_what_is_said_of_it(program: str) -> None:
    """Every interchange of a named variable is answered as its causal model says."""
    one = SMALL[program]
    found = verify(built(one), one.description.residual_labels, one.known, seed=7, pairs=150)
    assert found.keys() == one.verified.keys()
    assert all(case.accuracy == 1.0 and case.pairs >= 10 for case in found.values()), found
    assert all(case.accuracy == 1.0 for case in one.verified.values())


@pytest.mark.parametrize(
    ("program", "rival"), [("hist", "table"), ("table", "groups"), ("groups", "part")]
)
def test_what_is_said_of_another_does_not_hold(program: str, rival: str) -> None:
    """The interchanges tell programs apart: another one's answers are missed."""
    one, other = SMALL[program], TRUTH[rival]
    names = one.known.variables(one.T, one.L)
    mixed = type(other)(
        other.mechanism, (), one.known.hook, lambda T, L: names, other.says, "another's answers"
    )
    found = verify(built(one), one.description.residual_labels, mixed, pairs=150)
    assert min(case.accuracy for case in found.values()) < 0.9


def test_directions_of_a_variable() -> None:
    labels = ["all_1_3:0", "all_1_3_selector_width_attn_output", "all_11_4:0", "one", "all_4"]
    assert directions(labels, ["all_1"]) == [0, 1]
    assert directions(labels, ["all_11", "all"]) == [2, 4]
    with pytest.raises(MechprobeError, match="no direction of the stream is of count"):
        directions(labels, ["count"])


def test_stored_sparse_and_whole_again(tmp_path: Path) -> None:
    one = SMALL["hist"]
    weights = weights_of(one)
    at, value = packed(one.description, weights)
    assert len(at) < 100
    again = unpacked(one.description, at, value)
    assert weights.keys() == again.keys()
    assert all((weights[name] == again[name]).all() for name in weights)
    keep(tmp_path, {one.name: (one, weights)}, "a test")
    assert {path.name for path in tmp_path.iterdir()} == {p.name for p in packaged().iterdir()}


def test_rows_in_the_bench_of_methods() -> None:
    rows = compiled(True, 0)
    programs = [e for e in rows if e.member.name in by_name()]
    assert len(programs) >= 4
    tuned = {by_name()[e.member.name].program for e in programs if e.tuned}
    assert tuned <= set(SEEN)
    assert any(not e.tuned for e in programs)
    model = disguised(programs[0].member)
    assert model.fingerprint() == built(by_name()[programs[0].member.name]).fingerprint()
    for entry in programs:
        known = by_name()[entry.member.name].known
        assert entry.member.truth(model) == known.mechanism
        assert entry.also == known.also
        assert known.settled
    assert {TRUTH[by_name()[e.member.name].program].mechanism for e in programs} >= {
        "relation-based",
        "inventory-based",
    }


def test_a_compiled_histogram_is_labelled() -> None:
    verdict = label(built(by_name()["hist-T6-L6"]))
    assert (verdict.mechanism, verdict.attention) == ("relation-based", "semantic")


def test_the_page_has_every_program_and_row() -> None:
    text = (ROOT / "docs" / page.PAGE).read_text()
    assert page.programs() in text
    for one in by_name().values():
        start = [f"`{one.program}`", str(one.T), str(one.L)]
        rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
        row = next(cells for cells in rows if cells[1:4] == start)
        assert row[8] == " or ".join((one.known.mechanism, *one.known.also))
        assert row[11] == ("" if page.right(one.program, row[9]) else "wrong")


def test_a_page_is_refreshed_between_its_marks(tmp_path: Path) -> None:
    name = "hist-T4-L5"
    labels = {name: label(built(by_name()[name]))}
    with pytest.raises(MechprobeError, match="is not there"):
        page.refresh(tmp_path, labels)
    (tmp_path / "formats").mkdir()
    file = tmp_path / page.PAGE
    file.write_text(
        "<!-- programs -->\n<!-- end -->\nkept\n<!-- labels -->\nOUTDATED\n<!-- end -->\n"
    )
    page.refresh(tmp_path, labels)
    text = file.read_text()
    assert "kept" in text
    assert "OUTDATED" not in text
    (row,) = (line for line in text.splitlines() if line.startswith("| `hist`  | 4"))
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[8:10] == ["relation-based", "relation-based"]
    file.write_text("<!-- programs -->\n<!-- end -->\n")
    with pytest.raises(MechprobeError, match="`<!-- labels -->` stands there 0 times"):
        page.refresh(tmp_path, labels)
