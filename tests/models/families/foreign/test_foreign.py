"""Foreign models: what probes read and write through them is what the models do."""

import copy
import json
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformer_lens import ActivationCache, HookedRootModule, patching
from transformer_lens.hook_points import HookPoint
from transformer_lens.model_bridge import TransformerBridge

from mechprobe import models
from mechprobe.models import (
    CountingConfig,
    ForeignTransformer,
    HistogramTask,
    HookedTransformer,
    MechprobeError,
    TaskDescription,
    wrap,
)
from mechprobe.models.families.counting.weights import initial
from mechprobe.models.families.foreign import (
    checks,
    compiled_counter,
    to_native,
    train_boot_native,
)
from mechprobe.models.hooked import ModelConfig

CLASSES = TaskDescription(L=6, tokens=tuple(range(8)), bos=8)
# Ids in no order, no BOS, two ids for count 2.
NUMBERS = TaskDescription(
    L=4,
    tokens=(7, 3, 9),
    answers={1: (5,), 2: (6, 2), 3: (1,), 4: (0,)},
)


def booted(**changes: object) -> TransformerBridge:
    """A random bidirectional model of TransformerLens, weights away from their symmetric start."""
    fields = {
        "n_layers": 2,
        "d_model": 12,
        "n_ctx": 7,
        "d_head": 5,
        "n_heads": 2,
        "d_mlp": 16,
        "d_vocab": 10,
        "d_vocab_out": 7,
        "act_fn": "gelu",
        "attention_dir": "bidirectional",
        "normalization_type": "LN",
        "seed": 0,
    }
    model = TransformerBridge.boot_native(fields | changes)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator)
    return model


@cache
def wrapped() -> ForeignTransformer:
    """One for tests that do not change it."""
    return wrap(booted(), CLASSES)


def drawn(model: HookedTransformer, n: int = 16) -> torch.Tensor:
    """Sequences of a model's task."""
    return model.task().sample(n, torch.Generator().manual_seed(2))


def close(a: torch.Tensor, b: torch.Tensor, within: float = 1e-5) -> bool:
    """Whether two are equal up to rounding."""
    return bool((a - b).abs().max() <= within)


# -- description ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"L": 1}, "L: "),
        ({"tokens": [0]}, "tokens: "),
        ({"tokens": [0, 1, 0]}, "id 0 stands there twice"),
        ({"tokens": [0, -1]}, "tokens.1"),
        ({"tokens": [0, True]}, "tokens.1"),
        ({"bos": 1}, "id 1 is one of the tokens"),
        ({"task": "sorting"}, "task: "),
        ({"answers": "tokens"}, "answers"),
        ({"answers": {"1": [1], "2": [2]}}, "count 3 is missing"),
        ({"answers": {"0": [3], "1": [1], "2": [2], "3": [0]}}, "count 0 is never right"),
        ({"answers": {"1": [1], "2": [2], "3": []}}, "count 3 has no ids"),
        ({"answers": {"1": [1], "2": [2], "3": [1]}}, "id 1 stands there twice"),
        ({"answers": {"one": [1], "2": [2], "3": [1]}}, "answers"),
        ({"answers": {"1": [1], "01": [2]}}, "a count stands there twice|answers.01: "),
        ({"answers": {1: [1], "1": [2]}}, "a count stands there twice"),
        ({"sampler": "poisson"}, "sampler: "),
        ({"more": 1}, "more: "),
    ],
)
def test_faults_of_a_description_are_one_line(change: dict[str, object], said: str) -> None:
    data = {"L": 3, "tokens": [0, 1]} | change
    with pytest.raises(MechprobeError, match=said) as caught:
        TaskDescription.checked(data, "task.json")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("task.json: ")


def test_a_description_made_in_python_is_checked_in_one_line() -> None:
    made = TaskDescription.of(L=4, tokens=[7, 3, 9], answers={1: [5], 2: [6, 2], 3: [1], 4: [0]})
    assert made == NUMBERS
    with pytest.raises(MechprobeError, match=r"^task description: L: .*; tokens.1: ") as caught:
        TaskDescription.of(L=1, tokens=(0, -1))
    assert "\n" not in str(caught.value)


def test_sequences_are_those_the_model_was_trained_on() -> None:
    description = TaskDescription.of(L=6, tokens=range(8), bos=8, sampler="uniform")
    model = wrap(booted(), description)
    assert model.task() == HistogramTask(T=8, L=6, bos=True, sampler="uniform")
    assert to_native(model).task() == model.task()
    assert CLASSES.task_data["sampler"] == "partition"


def test_description_reads_what_it_writes() -> None:
    for description in (CLASSES, NUMBERS, CLASSES.model_copy(update={"sampler": "uniform"})):
        again = TaskDescription.checked(json.loads(description.model_dump_json()))
        assert again == description


def test_ids_and_answers_are_translated() -> None:
    assert NUMBERS.to_ids(torch.tensor([[0, 1], [2, 2]])).tolist() == [[7, 3], [9, 9]]
    assert CLASSES.to_ids(torch.tensor([8, 0])).tolist() == [8, 0]
    logits = torch.randn(2, 3, 10, generator=torch.Generator().manual_seed(0))
    classes = NUMBERS.to_classes(logits)
    assert classes.shape == (2, 3, 5)
    assert torch.equal(classes[..., 1], logits[..., 5])
    both = (logits[..., 6].exp() + logits[..., 2].exp()).log()
    assert close(classes[..., 2], both)
    assert classes.isfinite().all()
    assert (classes[..., 0] < classes[..., 1:].amin(-1)).all()
    assert torch.equal(CLASSES.to_classes(logits), logits[..., :7])


# -- the hooked model -----------------------------------------------------------------------------


def test_answers_are_the_models_own() -> None:
    inner = booted()
    model = wrap(inner, CLASSES)
    tokens = drawn(model)
    assert torch.equal(model(tokens), inner(tokens))
    assert isinstance(model, HookedTransformer)
    assert isinstance(model.config, ModelConfig)
    assert model.task() == HistogramTask(T=8, L=6, bos=True)
    loss = model.task().loss(model(tokens), tokens)
    assert torch.equal(model(tokens, return_type="loss"), loss)
    assert model.cfg.n_layers == 2
    assert model.cfg.positions
    assert not model.cfg.constant_mixing
    assert model.W_E.shape == (9, 12)
    assert model.W_pos.shape == (7, 12)
    assert model.W_Q.shape == (2, 2, 12, 5)
    assert model.W_U.shape == (12, 7)


def test_number_tokens_answer() -> None:
    inner = booted(n_ctx=9, d_vocab_out=10)
    model = wrap(inner, NUMBERS)
    tokens = drawn(model)
    own = NUMBERS.to_classes(inner(NUMBERS.to_ids(tokens)))
    assert torch.equal(model(tokens), own)
    assert model.W_pos.shape == (4, 12)
    with pytest.raises(AttributeError, match="several ids"):
        _ = model.W_U


def test_cache_has_the_standard_names_and_adds_up() -> None:
    model = wrapped()
    tokens = drawn(model)
    answers, cache = model.run_with_cache(tokens)
    assert isinstance(cache, ActivationCache)
    assert torch.equal(answers, model(tokens))
    for layer in range(2):
        get = lambda name, at=layer: cache[f"blocks.{at}.{name}"]  # noqa: E731
        scores = torch.einsum("bqhe,bkhe->bhqk", get("attn.hook_q"), get("attn.hook_k")) / 5**0.5
        assert close(get("attn.hook_attn_scores"), scores)
        assert close(scores.softmax(-1), get("attn.hook_pattern"))
        mixed = torch.einsum("bhqk,bkhe->bqhe", get("attn.hook_pattern"), get("attn.hook_v"))
        assert close(mixed, get("attn.hook_z"))
        mid = get("hook_resid_pre") + get("hook_attn_out")
        assert close(mid, get("hook_resid_mid"))
        assert close(mid + get("hook_mlp_out"), get("hook_resid_post"))
    stack = cache.decompose_resid(apply_ln=True, layer=-1, mode="attn").sum(0)
    assert stack.shape == (16, 7, 12)
    assert close(cache["hook_embed"] + cache["hook_pos_embed"], cache["blocks.0.hook_resid_pre"])


def test_read_out_goes_on_from_resid_mid_with_hooks() -> None:
    model = wrapped()
    tokens = drawn(model)
    mid = model.resid_mid(tokens)
    _, cache = model.run_with_cache(tokens)
    assert torch.equal(mid, cache["blocks.1.hook_resid_mid"])
    assert close(model.read_out(mid), model(tokens))
    # Any leading axes, and hooks see them too.
    cells = mid.view(2, 2, 4, 7, 12)
    seen: dict[str, tuple[int, ...]] = {}

    def drop(value: torch.Tensor, hook: HookPoint) -> torch.Tensor:
        seen[str(hook.name)] = tuple(value.shape)
        return torch.zeros_like(value)

    with model.hooks(fwd_hooks=[("blocks.1.mlp.hook_post", drop)]):
        dropped = model.read_out(cells)
        run = model(tokens)
    assert seen["blocks.1.mlp.hook_post"] == (16, 7, 16)
    assert close(dropped.view(run.shape), run)
    assert not close(run, model(tokens), 1e-2)


def test_scores_are_written_through_the_softmax() -> None:
    model = wrapped()
    tokens = drawn(model)
    name = "blocks.0.attn.hook_attn_scores"

    def sharpen(value: torch.Tensor, hook: HookPoint) -> torch.Tensor:
        value *= 3  # in place
        return value

    hooks = [(name, sharpen)]
    kept: list[torch.Tensor] = []
    hooks.append(("blocks.0.attn.hook_pattern", lambda value, hook: kept.append(value)))
    out = model.run_with_hooks(tokens, fwd_hooks=hooks)
    _, cache = model.run_with_cache(tokens)
    assert close(kept[0], (3 * cache[name]).softmax(-1))
    pattern = [("blocks.0.attn.hook_pattern", lambda value, hook: kept[0])]
    assert close(out, model.run_with_hooks(tokens, fwd_hooks=pattern))
    assert not close(out, model(tokens), 1e-2)


def test_resid_mid_is_written_for_the_skip_as_well() -> None:
    """In the bridge itself it is not: this is what the wrapper mends."""
    model = wrapped()
    tokens = drawn(model)
    moved = model.resid_mid(tokens).roll(1, 0)
    name = "blocks.1.hook_resid_mid"

    def in_place(value: torch.Tensor, hook: HookPoint) -> torch.Tensor:
        value[:] = moved
        return value

    for write in (in_place, lambda value, hook: moved):
        assert close(model.run_with_hooks(tokens, fwd_hooks=[(name, write)]), model.read_out(moved))
    bare = model.inner.run_with_hooks(tokens, fwd_hooks=[(name, lambda value, hook: moved)])
    assert not close(bare, model.read_out(moved), 1e-2)


def test_transformer_lens_patching_works() -> None:
    model = wrapped()
    clean, corrupted = drawn(model, 2).chunk(2)
    with torch.no_grad():
        answers, cache = model.run_with_cache(clean)
        metric = lambda logits: (logits - answers).pow(2).mean()  # noqa: E731
        by_resid = patching.get_act_patch_resid_mid(model, corrupted, cache, metric)
        lost = float(metric(model(corrupted)))
        by_head = patching.get_act_patch_attn_head_out_all_pos(model, corrupted, cache, metric)
    assert by_resid.shape == (2, 7)
    assert by_head.shape == (2, 2)
    # Each position is read alone: patched in the last block, each mends its own part.
    assert float(by_resid[1].sum()) == pytest.approx(6 * lost, rel=1e-4)


def test_the_model_is_copied_and_left_clean() -> None:
    inner = booted()
    model = wrap(inner, CLASSES)
    tokens = drawn(model)
    before = model(tokens)
    with torch.no_grad():
        for weight in inner.parameters():
            weight.zero_()
    assert torch.equal(model(tokens), before)
    twin = copy.deepcopy(model)
    assert twin.fingerprint() == model.fingerprint()
    assert torch.equal(twin(tokens), before)
    with torch.no_grad():
        next(iter(twin.inner.parameters())).zero_()
    assert twin.fingerprint() != model.fingerprint()
    assert torch.equal(model(tokens), before)
    with pytest.raises(KeyError), model.hooks(fwd_hooks=[("blocks.0.nowhere", print)]):
        model(tokens)
    assert not any(point.has_hooks() for point in model.taps.sources.values())


def test_double_precision_and_gradients() -> None:
    model = wrapped().with_dtype(torch.float64)
    tokens = drawn(model)
    assert model(tokens).dtype == torch.float64 == model.cfg.dtype
    assert close(model(tokens), wrapped()(tokens))
    mid = model.resid_mid(tokens).detach().requires_grad_()
    model.read_out(mid).sum().backward()
    assert mid.grad is not None
    assert mid.grad.abs().sum() > 0


def test_there_is_one_view() -> None:
    with pytest.raises(MechprobeError, match="natural"):
        wrapped().widened()


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"attention_dir": "causal"}, "causal"),
        ({"positional_embedding_type": "rotary", "d_head": 6}, "block 0: the softmax"),
        ({"attn_scores_soft_cap": 0.5}, "block 0: the softmax"),
        ({"output_logits_soft_cap": 0.5}, "not read from blocks.1.hook_resid_mid"),
        ({"n_ctx": 6}, "reads 6 positions, the task description wants 7"),
        ({"d_vocab": 8}, "id 8 is beyond the model's vocabulary of 8"),
        ({"d_vocab_out": 6}, "answer 6 is beyond the model's 6 logits"),
    ],
)
def test_models_that_cannot_be_read_are_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(MechprobeError, match=said) as caught:
        wrap(booted(**change), CLASSES)
    assert "\n" not in str(caught.value)


def test_numbers_that_are_not_finite_are_refused() -> None:
    model = booted()
    with torch.no_grad():
        next(iter(model.blocks[1].mlp.parameters())).fill_(float("inf"))
    with pytest.raises(MechprobeError, match=r"blocks\.1\..* is not finite"):
        wrap(model, CLASSES)


def test_other_modules_are_refused() -> None:
    with pytest.raises(MechprobeError, match="Linear is no TransformerLens model"):
        wrap(nn.Linear(2, 2), CLASSES)
    with pytest.raises(MechprobeError, match="cfg has no n_layers"):
        wrap(HookedRootModule(), CLASSES)


@pytest.mark.parametrize(
    "change",
    [
        {"attn_only": True},
        {"gated_mlp": True, "act_fn": "silu"},
        {"n_key_value_heads": 1},
        {"normalization_type": "RMS"},
    ],
    ids=str,
)
def test_other_kinds_of_blocks_are_read(change: dict[str, object]) -> None:
    model = wrap(booted(**change), CLASSES)
    tokens = drawn(model)
    assert close(model.read_out(model.resid_mid(tokens)), model(tokens))
    assert model.cfg.attn_only == ("attn_only" in change)


# -- a HookedRootModule ---------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["dot", "bos+sftm", "lin"])
def test_a_hooked_root_module_is_read(architecture: str) -> None:
    """Our own counting models are such modules."""
    config = CountingConfig.of(architecture, T=8, L=6, d=5, p=9)
    own = HookedTransformer(config, initial(config, torch.Generator().manual_seed(0)))
    description = TaskDescription(L=6, tokens=tuple(range(8)), bos=8 if config.bos else None)
    model = wrap(own, description)
    tokens = drawn(model)
    answers, cache = model.run_with_cache(tokens)
    expected, own_cache = own.run_with_cache(tokens)
    assert torch.equal(answers, expected)
    assert all(torch.equal(cache[name], own_cache[name]) for name in own_cache)
    assert model.cfg.softmax == config.softmax
    assert model.cfg.constant_mixing == (config.mixing == "lin")
    assert copy.deepcopy(model).cfg.softmax == config.softmax
    assert not model.cfg.positions


# -- folders --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{}, {"normalization_type": None, "act_fn": "relu"}, {"attn_only": True}], ids=str
)
def test_folders_hold_the_model(tmp_path: Path, change: dict[str, object]) -> None:
    model = wrap(booted(**change), CLASSES)
    models.save(model, tmp_path / "model", {"from": "a test"})
    again = models.load(tmp_path / "model")
    assert isinstance(again, ForeignTransformer)
    assert again.fingerprint() == model.fingerprint()
    tokens = drawn(model)
    assert torch.equal(again(tokens), model(tokens))
    assert models.read_meta(tmp_path / "model") == {"from": "a test"}
    models.save(model, tmp_path / "model")  # an older one is replaced


def test_only_boot_native_models_are_written(tmp_path: Path) -> None:
    config = CountingConfig.of("dot", T=8, L=6, d=5, p=9)
    own = HookedTransformer(config, initial(config, torch.Generator().manual_seed(0)))
    model = wrap(own, TaskDescription(L=6, tokens=tuple(range(8))))
    with pytest.raises(MechprobeError, match="boot_native"):
        models.save(model, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("mine")
    with pytest.raises(MechprobeError, match="other files"):
        models.save(wrapped(), tmp_path / "other")


def edited(folder: Path, name: str, **changes: object) -> None:
    """Change fields of a JSON file; None takes one out."""
    data = json.loads((folder / name).read_text()) | changes
    (folder / name).write_text(json.dumps({k: v for k, v in data.items() if v is not None}))


def test_damaged_folders_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    models.save(wrapped(), folder)
    good = {file.name: file.read_bytes() for file in folder.iterdir()}
    weights = load_file(folder / "model.safetensors")
    first = "blocks.0.attn.q.weight"

    def stored(**changes: torch.Tensor) -> None:
        save_file(weights | changes, folder / "model.safetensors")

    faults = {
        "n_layers": lambda: edited(folder, "config.json", n_layers=10**9),
        "d_vocab: ": lambda: edited(folder, "config.json", d_vocab="many"),
        "more: ": lambda: edited(folder, "config.json", more=1),
        "attention_dir is causal": lambda: edited(folder, "config.json", attention_dir="causal"),
        "attention_dir: ": lambda: edited(folder, "config.json", attention_dir=None),
        "positional_embedding_type": lambda: edited(
            folder, "config.json", positional_embedding_type="rotary"
        ),
        "but config says": lambda: edited(folder, "config.json", d_model=99),
        "is missing": lambda: edited(folder, "config.json", n_layers=3),
        "Hugging Face": lambda: edited(folder, "config.json", architectures=["BertForMaskedLM"]),
        "too large to be tried": lambda: edited(folder, "config.json", n_ctx=16_384, n_layers=8),
        "cannot build": lambda: edited(folder, "config.json", attn_scale=1.0),
        "reads 7 positions": lambda: edited(folder, "task.json", L=9_999),
        "beyond the model's vocabulary": lambda: edited(folder, "task.json", bos=77),
        "no such file": lambda: (folder / "model.safetensors").unlink(),
        "not a whole safetensors": lambda: (folder / "model.safetensors").write_bytes(b"x" * 99),
        "NaN": lambda: stored(**{first: weights[first] * torch.nan}),
        "floats": lambda: stored(**{first: weights[first].long()}),
        "has shape": lambda: stored(**{first: weights[first][1:].clone()}),
        "does not belong": lambda: stored(more=torch.zeros(1)),
    }
    for said, damage in faults.items():
        damage()
        with pytest.raises(MechprobeError, match=said) as caught:
            models.load(folder)
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)
        for name, content in good.items():
            (folder / name).write_bytes(content)
    assert models.load(folder).fingerprint() == wrapped().fingerprint()


# -- twins and controls ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "description"),
    [
        ({}, CLASSES),
        ({"normalization_type": None, "act_fn": "relu", "n_layers": 1}, CLASSES),
        (
            {"d_vocab_out": 10},
            TaskDescription(L=4, tokens=(7, 3, 9), answers={c: (9 - c,) for c in range(1, 5)}),
        ),
    ],
)
def test_native_twins_compute_the_same(
    change: dict[str, object], description: TaskDescription
) -> None:
    model = wrap(booted(**change), description)
    twin = to_native(model)
    tokens = drawn(model, 64)
    assert torch.allclose(model(tokens)[..., 1:], twin(tokens)[..., 1:], rtol=1e-5, atol=1e-5)
    model, twin = model.with_dtype(torch.float64), twin.with_dtype(torch.float64)
    (answers, cache), (expected, native) = (m.run_with_cache(tokens) for m in (model, twin))
    answered = slice(None) if description.answers == "classes" else slice(1, None)
    assert close(answers[..., answered], expected[..., answered], 1e-12)
    for name in cache.keys() & native.keys():
        if "hook_scale" not in name:
            assert close(cache[name], native[name], 1e-12), name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"act_fn": "gelu_new"}, "activation is gelu_new"),
        ({"normalization_type": "RMS"}, "norm is RMS"),
        ({"attn_only": True}, "no feed-forward"),
        ({"eps": 0.01}, "eps=0.01"),
        ({"attn_scale": 4.0}, "divided by 4"),
    ],
)
def test_what_has_no_native_twin_says_why(change: dict[str, object], said: str) -> None:
    with pytest.raises(MechprobeError, match=said):
        to_native(wrap(booted(**change), CLASSES))


@pytest.mark.parametrize(("T", "L"), [(2, 2), (8, 6), (32, 15)])
def test_the_compiled_counter_counts(T: int, L: int) -> None:
    model = compiled_counter(T, L)
    task = model.task()
    generator = torch.Generator().manual_seed(0)
    body = torch.arange(T).view(-1, 1).expand(T, L)
    same = torch.cat([torch.full((T, 1), T), body], 1)
    with torch.no_grad():
        for tokens in (task.sample(512, generator), same):
            assert task.accuracy(model(tokens), tokens) == 1
        tokens = task.sample(64, generator)
        _, cache = model.run_with_cache(tokens)
    # The fraction direction holds 1 / (1 + count).
    fraction = task.scored(cache["blocks.0.hook_resid_mid"][..., T + 1], -1)
    assert close(fraction, 1 / (1 + task.targets(tokens)))
    assert close(to_native(model)(tokens), model(tokens), 1e-4)


def test_one_sequence_is_enough_to_find_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "RUN_NUMBERS", 1)
    wrap(booted(), CLASSES)
    with pytest.raises(MechprobeError, match="not read from"):
        wrap(booted(output_logits_soft_cap=0.5), CLASSES)


def test_the_callers_random_numbers_go_on(tmp_path: Path) -> None:
    models.save(wrapped(), tmp_path / "model")
    before = torch.get_rng_state()
    models.load(tmp_path / "model")
    compiled_counter(3, 2)
    train_boot_native(CLASSES, d=4, p=2, steps=1, progress=False)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "change",
    [{"n_heads": 0}, {"n_layers": 0}, {"d": 0}, {"p": 0}, {"steps": -1}, {"seed": -1}],
    ids=str,
)
def test_sizes_of_training_are_checked(change: dict[str, int]) -> None:
    ((name, value),) = change.items()
    with pytest.raises(MechprobeError, match=f"^{name}={value}: "):
        train_boot_native(CLASSES, **change, progress=False)  # type: ignore[arg-type]


def test_training_learns_and_is_seeded() -> None:
    description = TaskDescription(L=4, tokens=(7, 3, 9), answers={c: (c,) for c in range(1, 5)})
    made = [train_boot_native(description, d=8, p=8, steps=n, progress=False) for n in (1, 60, 60)]
    tokens = made[0].task().sample(256, torch.Generator().manual_seed(5))
    losses = [float(model(tokens, return_type="loss").detach()) for model in made]
    assert losses[1] < 0.9 * losses[0]
    assert made[1].fingerprint() == made[2].fingerprint() != made[0].fingerprint()
