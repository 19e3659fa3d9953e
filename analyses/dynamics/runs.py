"""What the page shows: training runs, each as its snapshots and what was read off them."""

from dataclasses import dataclass, field

from mechprobe.analyses.dynamics.learning import with_learning
from mechprobe.models import MechprobeError
from mechprobe.probes.axes import Performance
from mechprobe.probes.change_points import Changes
from mechprobe.probes.followed import Followed
from mechprobe.probes.formation import Formation
from mechprobe.probes.reading import TaskReading
from mechprobe.probes.snapshots import Snapshot

TRAINING = ("steps", "batch", "lr", "schedule", "seed")  # settings that a checkpoint tells


@dataclass(frozen=True)
class Run:
    """One training run.

    Args:
        name: of its folder.
        settings: architecture, sizes and training, by name.
        snapshots: in the order of their steps.
        formation: read off them.
        changes: change points of the curves that are watched, by the curves' names.
    """

    name: str
    settings: dict[str, str]
    snapshots: list[Snapshot]
    formation: Formation
    changes: dict[str, Changes] = field(default_factory=dict)


@dataclass(frozen=True)
class Dynamics:
    """Training runs on one task, followed snapshot by snapshot.

    Args:
        reading: of the task.
        command: that makes it again.
        seed: of the probes.
        versions: of the packages it was made with.
        problems: a line for each snapshot that could not be measured.
        learning: whether the learning coefficient was estimated.
    """

    reading: TaskReading
    command: str
    seed: int
    versions: dict[str, str]
    runs: list[Run]
    problems: list[str] = field(default_factory=list)
    learning: bool = False

    @property
    def followed(self) -> Followed:
        """What is followed."""
        return what_to_follow(self.reading, self.learning)

    @property
    def performance(self) -> Performance:
        """The number that measures the models."""
        return measured_by(self.reading)


def what_to_follow(reading: TaskReading, learning: bool = False) -> Followed:
    """What a reading has followed along training, with the learning coefficient where wanted.

    Raises:
        MechprobeError: nothing, or no number says how well its models do.
    """
    found = reading.follow()
    if found is None:
        raise MechprobeError(
            f"task {reading.name}: its reading does not say what to follow along training"
            " (TaskReading.follow)"
        )
    measured_by(reading)
    return with_learning(found) if learning else found


def measured_by(reading: TaskReading) -> Performance:
    """The number that measures models of a task.

    Raises:
        MechprobeError: there is none.
    """
    if reading.performance is None:
        raise MechprobeError(
            f"task {reading.name}: its reading does not say what number measures its models"
            " (TaskReading.performance)"
        )
    return reading.performance
