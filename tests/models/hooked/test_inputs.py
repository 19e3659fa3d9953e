"""The doors of every family: what goes into models and tasks is taken, or refused in one line."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechprobe.models import (
    CountingConfig,
    HistogramTask,
    HookedTransformer,
    MechprobeError,
    SolvableConfig,
    TaskDescription,
    TransformerConfig,
    wrap,
)
from mechprobe.models.families import counting, solvable, transformer
from mechprobe.models.tasks.inputs import Tokens

T, L = 8, 6
FAMILIES = ("counting", "counting, no BOS", "transformer", "foreign")


@cache
def model_of(family: str) -> HookedTransformer:
    """One of each, with random weights; BOS is id 8 where there is one."""
    random = torch.Generator().manual_seed(0)
    if family.startswith("counting"):
        kind = "dot" if family.endswith("no BOS") else "bos+sftm"
        config = CountingConfig.of(kind, T=T, L=L, d=5, p=4)
        return HookedTransformer(config, counting.initial(config, random))
    if family == "transformer":
        deep = TransformerConfig.standard(T=T, L=L, d=8, p=4, n_layers=2, bos=True)
        return HookedTransformer(deep, transformer.initial(deep, random))
    if family == "solvable":
        student = SolvableConfig.of(d=5)
        return HookedTransformer(student, solvable.initial(student, random))
    fields = {
        "n_layers": 2,
        "d_model": 8,
        "n_ctx": 7,
        "d_head": 4,
        "n_heads": 2,
        "d_mlp": 9,
        "d_vocab": 9,
        "d_vocab_out": 7,
        "act_fn": "relu",
        "attention_dir": "bidirectional",
        "normalization_type": "LN",
        "seed": 0,
    }
    return wrap(
        TransformerBridge.boot_native(fields), TaskDescription.of(L=L, tokens=range(T), bos=T)
    )


def drawn(model: HookedTransformer, n: int = 4) -> Tensor:
    return model.task().sample(n, torch.Generator().manual_seed(1))


def put(tokens: Tensor, at: tuple[int, int], value: int) -> Tensor:
    changed = tokens.clone()
    changed[at] = value
    return changed


# What is wrong with sequences of 7 positions, ids 0..7 and BOS = 8, and what is said about it.
FAULTS: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "PAD": (lambda x: put(x, (1, 3), -1), r"tokens: id -1 at \[1, 3\] is none; ids are 0 to 8"),
    "too large": (lambda x: put(x, (2, 6), 9), r"tokens: id 9 at \[2, 6\] is none; ids are 0 to 8"),
    "no BOS": (lambda x: put(x, (2, 0), 3), r"sequence \[2\] does not begin with BOS \(id 8\)"),
    "BOS twice": (lambda x: put(x, (0, 1), 8), r"BOS \(id 8\) stands at \[0, 1\] as well"),
    "BOS last": (lambda x: x.roll(-1, 1), r"sequence \[0\] does not begin with BOS"),
    "without BOS": (lambda x: x[:, 1:], r"shape \(4, 6\): sequences have 7 positions .* BOS"),
    "longer": (lambda x: torch.cat([x, x[:, 1:]], 1), r"shape \(4, 13\): sequences have 7"),
    "bytes of a mask": (lambda x: x == 0, "type torch.bool: ids are integers"),
    "real": (lambda x: x.float(), r"type torch.float32: ids are integers; .* tokens.long\(\)"),
    "a list": (lambda x: x.tolist(), "tokens: a list was given; a tensor of integer ids is wanted"),
    "numpy's": (lambda x: x.numpy(), "tokens: a ndarray was given"),
    "text": (lambda x: "B a b", "tokens: a str was given"),
    "elsewhere": (lambda x: x.to("meta"), "tokens are on meta, the weights on cpu; move one"),
    "four axes": (lambda x: x[None, None], r"shape \(1, 1, 4, 7\): one batch axis is wanted"),
    "no axis": (lambda x: x[0, 0], r"shape \(\): sequences have 7 positions"),
}


@pytest.mark.parametrize("family", ["counting", "transformer", "foreign"])
@pytest.mark.parametrize("fault", FAULTS)
def test_tokens_outside_the_task_are_refused_alike(family: str, fault: str) -> None:
    model = model_of(family)
    change, said = FAULTS[fault]
    bad = change(drawn(model))
    doors: list[Callable[[Any], object]] = [
        model,
        model.run_with_cache,
        model.run_with_hooks,
        model.resid_mid,
        lambda x: model(x, return_type="loss"),
    ]
    for door in doors:
        with pytest.raises(MechprobeError, match=said) as caught:
            door(bad)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fault", [f for f in FAULTS if f not in ("four axes", "elsewhere")])
def test_the_task_refuses_the_same(fault: str) -> None:
    task = HistogramTask(T=T, L=L, bos=True)
    good = task.sample(4, torch.Generator().manual_seed(1))
    change, said = FAULTS[fault]
    bad, logits = change(good), torch.zeros(4, L + 1, L + 1)
    for door in (
        task.targets,
        task.chance,
        lambda x: task.correct(logits, x),
        lambda x: task.accuracy(logits, x),
        lambda x: task.loss(logits, x),
        lambda x: task.token_losses(logits, x),
    ):
        with pytest.raises(MechprobeError, match=said):
            door(bad)
    # Any number of leading axes is a batch to a task.
    assert torch.equal(task.targets(good[None])[0], task.targets(good))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_type_of_integers_is_taken_as_what_it_says(family: str) -> None:
    """Bytes would index as a mask."""
    model = model_of(family)
    tokens = drawn(model)
    wanted, loss = model(tokens), model(tokens, return_type="loss")
    for dtype in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.uint16):
        assert torch.equal(model(tokens.to(dtype)), wanted)
        assert model(tokens.to(dtype), return_type="loss") == loss


@pytest.mark.parametrize("family", [*FAMILIES, "solvable"])
def test_one_sequence_is_a_batch_of_one_and_no_sequence_has_no_loss(family: str) -> None:
    model = model_of(family)
    inputs = drawn(model)
    assert torch.equal(model(inputs[0]), model(inputs[:1]))
    assert model(inputs[0], return_type="loss") == model(inputs[:1], return_type="loss")
    answers, cache = model.run_with_cache(inputs[0], remove_batch_dim=True)
    assert answers.shape[0] == 1
    assert cache["blocks.0.hook_resid_pre"].shape[0] == inputs.shape[1]
    if family != "foreign":  # TransformerLens's own code runs no empty batch
        assert model(inputs[:0]).shape == (0, *answers.shape[1:])
        assert model(inputs[:0], return_type="loss", loss_per_token=True).numel() == 0
        with pytest.raises(MechprobeError, match="no sequences: the mean loss of an empty batch"):
            model(inputs[:0], return_type="loss")
    if family != "solvable":
        for name in ("accuracy", "chance"):
            arguments = (answers[:0], inputs[:0]) if name == "accuracy" else (inputs[:0],)
            with pytest.raises(MechprobeError, match="no sequences: the accuracy"):
                getattr(model.task(), name)(*arguments)


VECTORS: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "narrow": (lambda x: x[..., :4], r"real vectors of shape \(batch, 2, 5\) are wanted"),
    "one position": (lambda x: x[:, :1], r"real vectors of shape \(batch, 2, 5\) are wanted"),
    "whole numbers": (lambda x: x.long(), "type torch.int64: real vectors"),
    "complex": (lambda x: x + 0j, "type torch.complex128: real vectors"),
    "NaN": (
        lambda x: x.index_put((torch.tensor(1),), torch.tensor(torch.nan, dtype=x.dtype)),
        r"NaN or infinite at \[1, 0, 0\]",
    ),
    "infinite": (lambda x: x * torch.inf, r"NaN or infinite at \[0, 0, 0\]"),
    "a list": (lambda x: x.tolist(), "a list was given; a tensor of real vectors"),
    "elsewhere": (lambda x: x.to("meta"), "are on meta, the weights on cpu"),
}


@pytest.mark.parametrize("fault", VECTORS)
def test_vectors_outside_the_task_are_refused(fault: str) -> None:
    model = model_of("solvable")
    task, weights = model.task(), model.weights()
    good = drawn(model)
    change, said = VECTORS[fault]
    bad = change(good)
    for door in (
        model,
        model.run_with_cache,
        task.targets,
        task.mixing,
        task.attention,
        lambda x: task.loss(good, x),
        lambda x: solvable.forward(model.config, weights, x),
    ):
        with pytest.raises(MechprobeError, match=said):
            door(bad)


def test_vectors_of_a_shorter_type_are_widened_and_of_a_longer_one_refused() -> None:
    double = model_of("solvable")
    single = double.with_dtype(torch.float32)
    x = drawn(double)
    assert torch.equal(double(x.float()), double(x.float().double()))
    assert single(x.float()).dtype == torch.float32
    with pytest.raises(MechprobeError, match=r"torch.float64 meet weights of type torch.float32"):
        single(x)
    huge = torch.full_like(x, 1e308)  # their sum overflows, they do not
    assert double.task().checked(huge) is huge
    assert double(x.requires_grad_()).requires_grad


def test_targets_and_answers_are_compared_with_the_sequences() -> None:
    model = model_of("counting")
    task, tokens = model.task(), drawn(model)
    logits = model(tokens)
    for bad, said in (
        (
            torch.full((4, L), -100),
            r"targets: id -100 at \[0, 0\] is none",
        ),  # torch leaves these out
        (torch.full((4, L), L + 1), "targets: id 7"),
        (torch.zeros(4, L + 1).long(), r"targets of shape \(4, 7\): \(4, 6\) is wanted"),
        (torch.zeros(4, L), "targets of type torch.float32"),
        ([[0] * L] * 4, "targets: a list was given"),
    ):
        with pytest.raises(MechprobeError, match=said):
            model(tokens, return_type="loss", targets=bad)
    for answers in (logits[:2], logits[:, 1:], logits[..., :L], logits.long(), logits[0]):
        for scored in (task.loss, task.correct, task.accuracy, task.token_losses):
            with pytest.raises(MechprobeError, match="answers of shape"):
                scored(answers, tokens)
    student = model_of("solvable")
    x = drawn(student)
    y = student(x)
    for answers, targets, said in (
        (y, y[0], "targets of shape"),
        (y[:1], None, "answers of shape"),
    ):
        with pytest.raises(MechprobeError, match=said):
            student.task().loss(answers, x, targets)


def test_ids_of_wrapped_models_and_answer_classes_are_checked() -> None:
    model = model_of("foreign")
    for bad in (-1, T + 1):
        with pytest.raises(MechprobeError, match=f"tokens: id {bad} at "):
            model.to_ids(torch.tensor([0, bad]))
    for bad in (-1, L + 1):
        with pytest.raises(MechprobeError, match=f"answer classes: id {bad} at "):
            model_of("counting").tokens_to_residual_directions(torch.tensor([bad]))
    assert model_of("counting").tokens_to_residual_directions(2).shape == (L + 1,)


@pytest.mark.parametrize("family", ["counting", "transformer"])
def test_plain_forward_passes_refuse_ids_too(family: str) -> None:
    model = model_of(family)
    tokens, weights = drawn(model), model.weights()
    forward, run = transformer.forward, tokens
    if family == "counting":
        forward, run = counting.forward, tokens[None]
        weights = {name: weight[None] for name, weight in weights.items()}
    torch.testing.assert_close(
        forward(model.config, weights, run).view(4, L + 1, -1), model(tokens)
    )
    for bad in (-1, T + 1):
        with pytest.raises(MechprobeError, match=f"id {bad} at"):
            forward(model.config, weights, run.clone().fill_(bad))


def test_bos_need_not_be_the_last_id() -> None:
    reads = Tokens(n_ctx=3, n_ids=5, bos=2)
    good = torch.tensor([[2, 0, 4], [2, 3, 1]])
    assert torch.equal(reads.checked(good), good)
    for bad, said in (([[2, 0, 2]], r"stands at \[0, 2\]"), ([[0, 1, 3]], "does not begin")):
        with pytest.raises(MechprobeError, match=said):
            reads.checked(torch.tensor(bad))
