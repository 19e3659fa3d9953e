"""What commands import: waiting for torch is told by what is loaded, not by a clock."""

import subprocess
import sys

TELL = """
import atexit, sys
atexit.register(lambda: print(*sys.modules))
sys.argv[1:] = {words!r}
from mechprobe.analyses.commands.main import main
main()
"""
# What measuring, drawing and training need, and listing what there is does not.
AT_WORK = (
    "transformer_lens", "scipy", "sklearn", "pandas", "matplotlib", "seaborn", "numba", "pyarrow",
)  # fmt: skip


def loaded_by(*words: str, script: str | None = None) -> tuple[list[str], set[str]]:
    """Lines that a command, or a script that tells its modules in the end, prints in a process of
    its own, and those modules."""
    done = subprocess.run(
        [sys.executable, "-c", script or TELL.format(words=list(words))],
        capture_output=True,
        text=True,
        check=True,
    )
    *lines, modules = done.stdout.splitlines()
    return lines, set(modules.split())


def test_probes_are_listed_without_what_they_measure_with() -> None:
    """Registrations are thin: torch is the only heavy package that they import."""
    lines, modules = loaded_by("probes")
    assert any(line.startswith("linear-decoders ") for line in lines)
    assert "torch" in modules
    assert not modules.intersection(AT_WORK)
