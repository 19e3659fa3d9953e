"""Labels that earlier versions stored, as today's."""

from typing import Any

# Fields of version 1 that are details of the counting axis now.
DETAILS = ("counters", "tokens", "kappa")


def upgraded(data: object) -> object:
    """A stored label of schema version 1 in the form of version 2; anything else as it is.

    Version 1 knew two axes by name, counting (None for models that do not count) and attention,
    and kept accuracy and test error, which the evidence holds as well, beside them.
    """
    if not isinstance(data, dict) or "axes" in data or "attention" not in data:
        return data
    axes = [] if data.get("mechanism") is None else [_counting(data)]
    axes.append(
        {
            "name": "attention",
            "kind": data["attention"],
            "words": f"{data['attention']} attention",
            "confidence": data.get("attention_confidence"),
            "agreement": data.get("attention_agreement"),
            # Of students of a teacher the last reason is the one that decides.
            "reason": _reason(data, "attention") or _reason(data, "answers"),
        }
    )
    kept = ("reasons", "evidence", "version", "seed")
    return {"axes": axes} | {name: data[name] for name in kept if name in data}


def _counting(data: dict[str, Any]) -> dict[str, Any]:
    kind = data["mechanism"]
    return {
        "name": "counting",
        "kind": kind,
        "words": "counting unsolved" if kind == "unsolved" else f"{kind} counting",
        "confidence": data.get("confidence"),
        "agreement": data.get("agreement"),
        "reason": _reason(data, "counting"),
        "details": {name: data[name] for name in DETAILS if name in data},
    }


def _reason(data: dict[str, Any], topic: str) -> str:
    reasons = data.get("reasons")
    found = [r for r in reasons if isinstance(r, str)] if isinstance(reasons, list) else []
    return next((r.split(": ", 1)[1] for r in found if r.startswith(f"{topic}: ")), "")
