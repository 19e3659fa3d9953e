"""What several files about sweeps compare with."""

import pytest
from click.testing import CliRunner

from mechprobe.analyses.commands.main import main
from tests.analyses.sweeps import sweeping
from tests.analyses.sweeps.inline import here


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a sweep gives that runs to its end, one shard after another in this process."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    with pytest.MonkeyPatch.context() as patch:
        here(patch)
        done = CliRunner().invoke(
            main, ["sweep", "counting", *sweeping.SMALL, "--out", str(out)], prog_name="mechprobe"
        )
    assert done.exit_code == 0, done.output
    return sweeping.contents(out)
