"""What the page shows: training runs, each as its snapshots and what was read off them."""

from dataclasses import dataclass, field

from mechprobe.probes.formation import Formation
from mechprobe.probes.snapshots import Snapshot


@dataclass(frozen=True)
class Run:
    """One training run.

    Args:
        name: of its folder.
        settings: architecture, sizes and training, by name.
        snapshots: in the order of their steps.
        formation: read off them.
        chance: accuracy of the best constant answer.
    """

    name: str
    settings: dict[str, str]
    snapshots: list[Snapshot]
    formation: Formation
    chance: float | None


@dataclass(frozen=True)
class Study:
    """Everything on the page.

    Args:
        command: that makes it again.
        seed: of the probes.
        problems: a line for each snapshot that could not be measured.
    """

    command: str
    seed: int
    versions: dict[str, str]
    runs: list[Run]
    problems: list[str] = field(default_factory=list)
