"""Where a label goes beyond the models that its confidence was calibrated on."""

from mechprobe.probes.counting.context import CountContext
from mechprobe.probes.counting.kinds import Mechanism
from mechprobe.probes.counting.label.evidence import SEPARABLE, SOLVED, CountEvidence

CAUTIOUS = 0.75  # greatest confidence of a label beyond the calibration
NEAR = 0.03  # accuracy this far above the bar is near it
FAMILY = "counting"  # of the models that the confidence was calibrated on


def beyond(mechanism: Mechanism, e: CountEvidence, context: CountContext) -> dict[str, str]:
    """In which ways a label does so: name and sentence of each."""
    if mechanism == "unsolved":
        return doubted(context)
    found = unlike(context)
    if e.separable < SEPARABLE:
        found["alphabet"] = (
            f"{len(e.kappa)} tokens in sequences of {context.task.L}: one token's count tells"
            " another's, and opposed, positional or other counting cannot be told from the rest"
        )
    if mechanism in ("opposed", "positional", "other"):
        found["kind"] = f"no models called {mechanism} were among those of the calibration"
    if e.accuracy < SOLVED + NEAR:
        found["accuracy"] = (
            f"accuracy {e.accuracy:.3f} is near the bar of {SOLVED}; few models of the calibration"
            " are"
        )
    return found


def unlike(context: CountContext) -> dict[str, str]:
    """The same of the model itself, whatever it is called."""
    cfg, found = context.model.cfg, doubted(context)
    if cfg.n_layers > 1:
        found["depth"] = f"{cfg.n_layers} blocks; the confidence was calibrated on models of one"
    family = getattr(context.model.config, "family", None)
    if family != FAMILY:
        found["family"] = (
            f"a model of the family {family!r}; the confidence was calibrated on {FAMILY!r}"
        )
    return found


def doubted(context: CountContext) -> dict[str, str]:
    """What could not be made sure of when the model was read; a failure may be the reader's."""
    doubts = context.model.doubts
    return {"mapping": "; ".join(doubts)} if doubts else {}


def capped(confidence: float, outside: bool) -> float:
    """The confidence, no greater than `CAUTIOUS` beyond the calibration."""
    return min(confidence, CAUTIOUS) if outside else confidence
