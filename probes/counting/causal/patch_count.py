"""Patch a count into a running model: from the token's own means, and from another token's."""

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mechprobe.models.base.chunks import joined
from mechprobe.probes.counting.bars import accuracy_bars
from mechprobe.probes.counting.context import COUNTED, CountContext, needs_counts
from mechprobe.probes.counting.transport import DOSES, admissible, differences
from mechprobe.probes.invariances import INVARIANCES
from mechprobe.probes.registry import Measurement, MetricSpec, probe
from mechprobe.probes.results import ProbeResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from transformer_lens.hook_points import HookPoint


@probe(
    "patch-count",
    tasks=COUNTED,
    kind="causal",
    metrics={
        "follows_own": MetricSpec("answers c + dc after a token's own count change", "1", 0, 1),
        "follows_other": MetricSpec("answers c + dc after another token's count change", "1", 0, 1),
        "keeps_other": MetricSpec("answers c all the same after another token's change", "1", 0, 1),
        "accuracy_before": MetricSpec("accuracy of the untouched model here", "1", 0, 1),
        "chance": MetricSpec("accuracy of the best constant answer", "1", 0, 1),
    },
    parameters=lambda: {"doses": list(DOSES)},
    invariances=INVARIANCES,
)
def patch_count(context: CountContext) -> Measurement:
    """Does the answer follow a count that is written into a full run, after the last attention?"""
    held = context.held_out
    T, C, R = held.predicted.shape
    reference, valid = context.reference, admissible(C)
    # One admissible dose and one foreign source token for every sequence.
    lottery = context.uniform_numbers("patched dose", (T, C, R, len(DOSES)))
    dose = torch.where(valid[None, :, None], lottery, -1.0).argmax(-1)
    target = torch.arange(T).view(T, 1, 1).expand(T, C, R)
    sources = context.uniform_numbers("patched source", (T, C, R, T), token_axes=(0, 3))
    other = sources.masked_fill(torch.eye(T, dtype=torch.bool)[:, None, None], -1.0).argmax(-1)
    count = torch.arange(C).view(1, C, 1).expand(T, C, R)

    def part(source: Tensor, some: slice) -> Tensor:
        flat, at = held.data.tokens[some].flatten(0, 2), held.data.position[some].flatten()
        row = torch.arange(len(at))
        delta = differences(reference.means_of(some))[0]
        chosen = (target[some] - some.start, source[some], count[some], dose[some])
        edit = delta[chosen].flatten(0, 2)

        def write(resid: Tensor, hook: "HookPoint") -> Tensor:
            out = resid.clone()
            out[row, at] += edit
            return out

        with torch.no_grad():
            logits = context.model.run_with_hooks(
                flat, fwd_hooks=[(context.hook_name("resid_mid"), write)]
            )
        answered: Tensor = logits[row, at].argmax(-1).view(-1, C, R)
        return answered

    each = max(C * R * context.run_bytes, T * C * len(DOSES) * reference.resid[0, 0, 0].nbytes)

    def answers(source: Tensor) -> Tensor:
        return joined(T, each, partial(part, source))

    before = count + 1
    after = before + torch.tensor(DOSES, dtype=torch.int64)[dose]
    own, foreign = answers(target), answers(other)
    return Measurement(
        metrics={
            "follows_own": (own == after).double().mean(),
            "follows_other": (foreign == after).double().mean(),
            "keeps_other": (foreign == before).double().mean(),
            "accuracy_before": (held.predicted == before).double().mean(),
            "chance": 1 / C,
        }
    )


patch_count.applies(needs_counts)


@patch_count.figure
def _draw(result: ProbeResult) -> "Figure":
    figure, (axes,) = accuracy_bars(
        {
            "follows\nown": result.value("follows_own"),
            "follows\nother": result.value("follows_other"),
            "unmoved by\nother": result.value("keeps_other"),
        },
        result.value("accuracy_before"),
        result.value("chance"),
        "Patching the count component",
    )
    axes.set_ylabel("share of answers")
    return figure


@patch_count.words
def _say(result: ProbeResult) -> str:
    return (
        f"A patched count is followed in {result.value('follows_own'):.0%} of the cases if it is"
        f" the token's own, in {result.value('follows_other'):.0%} if it is another token's;"
        f" another token's leaves the answer alone in {result.value('keeps_other'):.0%}."
    )
