"""Version of the counting rule: what a stored label was made with."""

from mechprobe.probes.constants import constants_behind, digest
from mechprobe.probes.counting.label.calibration import load
from mechprobe.probes.counting.label.rule import RULE_VERSION

# The verdict draws on everything that decides or measures for it.
VERDICT = "mechprobe.probes.counting.label.verdict"


def version() -> str:
    """The rule's own version, and a digest of every constant it uses and of the calibration."""
    fitted = load().model_dump(exclude={"made_by", "models", "seed"})
    return f"{RULE_VERSION}-{digest({**constants_behind(VERDICT), 'calibration': fitted})}"
