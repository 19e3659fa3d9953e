"""Whether a compiled program does what is said of it, by interchange of its own named variables.

No count means, slopes, labels or thresholds: a variable is the directions of the stream that the
compiler gave to it, and every answer is either the one that is said or not.
"""

import re
from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor
from transformer_lens.hook_points import HookPoint

from mechprobe.analyses.bench.tracr.truth import Known, Swap
from mechprobe.models import HistogramTask, HookedTransformer, MechprobeError
from mechprobe.models.base.draws import draw_integers
from mechprobe.models.families.counting.training.siit import Verified

PAIRS = 1000


def directions(labels: Sequence[str], names: Sequence[str]) -> list[int]:
    """Where a variable lies in the stream.

    Args:
        labels: of all directions. tracr adds a number to a variable's name, and then a value or
            what a direction is for: "hist_1:2", "hist_1_selector_width_attn_output".
        names: of the variable's parts, as the program has them.

    Raises:
        MechprobeError: there is no such direction.
    """
    either = "|".join(map(re.escape, names))
    wanted = re.compile(rf"(?:{either})_\d+(?::.*|_selector_width_attn_output)?")
    found = [i for i, label in enumerate(labels) if wanted.fullmatch(label)]
    if not found:
        raise MechprobeError(f"no direction of the stream is of {', '.join(names)}")
    return found


def verify(
    model: HookedTransformer,
    labels: Sequence[str],
    known: Known,
    seed: int = 0,
    pairs: int = PAIRS,
) -> dict[str, Verified]:
    """Interchange every variable between positions of random sequences, all alike likely.

    Args:
        model: a compiled program.
        labels: of the directions of its stream.
        known: what is said of it.
        seed: of the sequences and positions.
        pairs: of positions, for each variable.

    Returns:
        "behaviour", the plain answers, and a case for each variable: of the answers that differ
        from the base's own count, "VARIABLE followed", of the others "VARIABLE ignored".
    """
    task = model.task()
    assert isinstance(task, HistogramTask)
    generator = torch.Generator().manual_seed(seed)
    hook = "blocks." + known.hook.format(last=model.cfg.n_layers - 1)
    base, source = (_sequences(task, pairs, generator) for _ in range(2))
    at, there = (draw_integers(task.L, (pairs,), generator) + 1 for _ in range(2))
    rows = torch.arange(pairs)
    with torch.no_grad():
        plain = model(base)[rows, at].argmax(-1)
        _, kept = model.run_with_cache(source, names_filter=hook)
    values = kept[hook][rows, there]
    token, count = base[rows, at], _counts(base, at)
    found = {"behaviour": _case(plain == count, token)}
    for g, names in enumerate(known.variables(task.T, task.L)):
        where = torch.tensor(directions(labels, names), dtype=torch.int64)

        def put(stream: Tensor, hook: HookPoint, where: Tensor = where) -> Tensor:
            changed = stream.clone()
            changed[rows[:, None], at[:, None], where] = values[:, where]
            return changed

        with torch.no_grad():
            logits = model.run_with_hooks(base, fwd_hooks=[(hook, put)])
        answer = logits[rows, at].argmax(-1)
        said = [
            known.says(
                Swap(
                    T=task.T, variable=g, token=int(token[i]), count=int(count[i]),
                    there=int(source[i, there[i]]),
                    there_count=int((source[i] == source[i, there[i]]).sum()),
                    base=tuple(base[i, 1:].tolist()), source=tuple(source[i, 1:].tolist()),
                )
            )
            for i in range(pairs)
        ]  # fmt: skip
        right = torch.tensor([-1 if one is None else one for one in said], dtype=torch.int64)
        name = " and ".join(names)
        for case, some in (("followed", right != count), ("ignored", right == count)):
            here = some & (right >= 0)
            if here.any():
                found[f"{name} {case}"] = _case((answer == right)[here], token[here])
    return found


def _sequences(
    task: HistogramTask, number: int, generator: torch.Generator
) -> Int[Tensor, "batch pos"]:
    tokens = draw_integers(task.T, (number, task.L), generator)
    return torch.cat([torch.full((number, 1), task.T, dtype=tokens.dtype), tokens], dim=1)


def _counts(tokens: Int[Tensor, "batch pos"], at: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    return (tokens == tokens.gather(1, at.unsqueeze(1))).sum(1)


def _case(right: Tensor, token: Tensor) -> Verified:
    each = [right[token == t].double().mean().item() for t in set(token.tolist())]
    return Verified(accuracy=right.double().mean().item(), worst=min(each), pairs=len(right))
