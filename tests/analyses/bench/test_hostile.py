"""200 bad checkpoints of every format: each is refused in one line, in little memory, unrun."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import mechprobe
from mechprobe import models
from mechprobe.analyses.bench.hostile import Case, make_cases
from mechprobe.analyses.bench.hostile.archives import TORCH
from mechprobe.analyses.bench.hostile.bases import BASES
from mechprobe.analyses.bench.hostile.configs import CONFIGS, STRICT
from mechprobe.analyses.bench.hostile.files import FILES, SAFETENSORS
from mechprobe.analyses.bench.hostile.run import Outcome, judged, summary
from mechprobe.analyses.bench.hostile.tasks import TASKS
from mechprobe.analyses.bench.hostile.tensors import TENSORS, TORCH_TENSORS

ROOT = Path(mechprobe.__file__).parents[1]
# Address space that the loads may add to a process that has imported everything. The files are
# mapped whole: one of them has 4 GiB of nothing, so what is too large to map is refused as well.
LIMITED = """
import json, resource, sys
from pathlib import Path
import torch
from transformer_lens.model_bridge import TransformerBridge
from mechprobe.analyses.bench.hostile import Case
from mechprobe.analyses.bench.hostile.run import judged
from mechprobe.models import load

torch.set_num_threads(1)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
cases = [Case(n, Path(f), Path(c)) for n, f, c in json.load(sys.stdin)]
print(json.dumps([judged(case, load) for case in cases]))
"""


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """The 200 of the analysis."""
    return make_cases(tmp_path_factory.mktemp("hostile"))


def test_there_are_200_of_every_kind_and_format(cases):
    assert len({case.folder for case in cases}) == 200
    kinds = CONFIGS | STRICT | TENSORS | FILES | SAFETENSORS | TORCH | TORCH_TENSORS | TASKS
    for part in (*kinds, *(base.name for base in BASES)):
        assert any(f"-{part}" in case.name for case in cases), part


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.name)
def test_what_is_made_bad_was_good(base, tmp_path):
    base.make(tmp_path / "model")
    assert models.load(tmp_path / "model").cfg.d_model > 0


def test_each_is_refused_in_one_line_that_names_it(cases):
    """Here with the shapes in all signatures checked."""
    faults = {case.name: judged(case, models.load) for case in cases}
    assert {name: found for name, found in faults.items() if found[1]} == {}


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux alone")
def test_each_is_refused_within_a_gib(cases):
    told = json.dumps([[c.name, str(c.folder), str(c.crater)] for c in cases])
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], input=told, capture_output=True, text=True, cwd=ROOT,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert len(outcomes) == 200
    assert [(c.name, o) for c, o in zip(cases, outcomes, strict=True) if o[1]] == []


def test_the_same_seed_makes_the_same_faults(tmp_path):
    one, again, other = (
        [case.name for case in make_cases(tmp_path / name, 4, seed)]
        for name, seed in (("one", 0), ("again", 0), ("other", 1))
    )
    assert one == again
    assert one != other


def test_a_good_checkpoint_is_a_missed_demand(tmp_path):
    """The judge can say no, and the summary says what."""
    BASES[0].make(tmp_path / "model")
    case = Case("good", tmp_path / "model", tmp_path / "crater")
    assert judged(case, models.load) == ("", ("loaded",))

    def fails(path: Path) -> None:
        case.crater.touch()
        raise KeyError("no")

    message, faults = judged(case, fails)
    assert faults == ("another exception", "code was run")

    def rambles(path: Path) -> None:
        warnings.warn("look", stacklevel=1)
        raise models.MechprobeError(f"{path}: {'x ' * 1000}")

    case.crater.unlink()
    assert judged(case, rambles)[1] == ("too long", "a warning")
    text = summary([Outcome("good", message, faults, 3.0, 5 * 2**20)])
    assert "1 bad checkpoints, 1 missed a demand" in text
    assert "missed: good: another exception, code was run, 3.00 s (KeyError: 'no')" in text
