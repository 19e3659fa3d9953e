"""Tasks by name: any model can be asked any registered task that fits it."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechprobe import models
from mechprobe.models import (
    AttentionRegression,
    CountingConfig,
    HistogramTask,
    HookedTransformer,
    MechprobeError,
    SoFarTask,
    SolvableConfig,
    TaskDescription,
    TransformerConfig,
    wrap,
)
from mechprobe.models.families import counting, solvable, transformer
from mechprobe.models.families.foreign import to_native
from mechprobe.models.tasks import TASKS, Interface, Task, task, task_from


@dataclass(frozen=True)
class Maximum:
    """The greatest token so far: registered from outside, asked of families that count."""

    T: int
    L: int
    name: str = "maximum"

    @classmethod
    def from_data(cls, data: Any, tensors: Any) -> "Maximum":
        return cls(T=data["T"], L=data["L"])

    def why_not(self, interface: Interface) -> str | None:
        if interface.vectors:
            return "it reads vectors"
        if interface.n_ctx != self.L:
            return f"it reads {interface.n_ctx} positions, not {self.L}"
        return None if interface.d_out >= self.T else f"it has no {self.T} classes"

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randint(self.T, (n, self.L), generator=generator)

    def targets(self, inputs: Tensor) -> Tensor:
        return inputs.cummax(-1).values

    def loss(self, answers: Tensor, inputs: Tensor, targets: Tensor | None = None) -> Tensor:
        wanted = self.targets(inputs) if targets is None else targets
        return torch.nn.functional.cross_entropy(answers.flatten(0, -2), wanted.flatten())

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "T": self.T, "L": self.L}


MAXIMUM = {"name": "maximum", "T": 5, "L": 6}


@pytest.fixture
def registered() -> Iterator[None]:
    """The task is known for the time of a test."""
    with TASKS.isolated():
        task("maximum")(Maximum)
        yield


def random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def counter(**more: Any) -> HookedTransformer:
    config = CountingConfig.of("dot", T=5, L=6, d=4, p=7)
    config = CountingConfig.checked({**config.model_dump(), **more})
    return HookedTransformer(config, counting.initial(config, random()))


def deep(**more: Any) -> HookedTransformer:
    config = TransformerConfig.standard(T=5, L=6, d=4, p=7, n_layers=2, **more)
    return HookedTransformer(config, transformer.initial(config, random()))


def wrapped(**more: Any) -> HookedTransformer:
    fields = {
        "n_layers": 1,
        "d_model": 8,
        "n_ctx": 6,
        "d_head": 4,
        "n_heads": 2,
        "d_mlp": 9,
        "d_vocab": 5,
        "d_vocab_out": 7,
        "act_fn": "relu",
        "attention_dir": "bidirectional",
        "normalization_type": "LN",
        "seed": 0,
    }
    description = {"L": 6, "tokens": [4, 3, 2, 1, 0], **more}
    return wrap(TransformerBridge.boot_native(fields), TaskDescription.checked(description))


KINDS = {
    "counting": (counter, "asked"),
    "transformer": (deep, "asked"),
    "foreign": (wrapped, "task"),
}


def test_ours_are_registered_and_made_from_their_own_description() -> None:
    assert dict(TASKS) == {
        "attention-regression": AttentionRegression,
        "histogram": HistogramTask,
        "histogram-so-far": SoFarTask,
    }
    one = HistogramTask(T=5, L=6, bos=True, sampler="uniform")
    again = task_from(one.describe())
    assert again == one
    assert hash(again) == hash(one)
    assert isinstance(again, Task)
    config = SolvableConfig.of(d=7, L=3, omega=0.1, sigma=[0.1, 0.2, 0.3])
    weights = solvable.initial(config, random())
    teacher = solvable.task_of(config, weights)
    same = task_from(teacher.describe(), weights)
    assert same.describe() == teacher.describe()
    x = teacher.sample(4, random())
    assert torch.equal(same.sample(4, random()), x)
    assert torch.equal(same.targets(x), teacher.targets(x))


def test_the_usual_task_is_left_out_of_what_is_stored() -> None:
    for model in (counter(), deep()):
        assert "asked" not in model.config.model_dump()
        assert "asked" not in model.config.model_dump_json()
        assert model.config.task() == model.task()
        assert model.task().describe() == model.config.task_data
    assert counter().fingerprint() == counter(asked=None).fingerprint()


@pytest.mark.parametrize("kind", KINDS)
def test_any_family_is_asked_a_task_from_outside(
    kind: str, registered: None, tmp_path: Path
) -> None:
    make, field = KINDS[kind]
    plain, model = make(), make(**{field: MAXIMUM})
    asked = model.task()
    assert asked == Maximum(T=5, L=6)
    tokens = asked.sample(9, random())
    assert torch.equal(model(tokens), plain(tokens))
    assert model(tokens, return_type="loss") == asked.loss(plain(tokens), tokens)
    assert model.fingerprint() != plain.fingerprint()
    models.save(model, tmp_path / "m")
    again = models.load(tmp_path / "m")
    assert again.fingerprint() == model.fingerprint()
    for twin in (again, copy.deepcopy(model), model.with_dtype(torch.float64)):
        assert twin.task() == asked
    with TASKS.isolated():
        TASKS._known.pop("maximum")
        with pytest.raises(MechprobeError, match=r"/m: .*task 'maximum' is unknown"):
            models.load(tmp_path / "m")


def test_a_foreign_models_task_goes_with_it_into_a_native_twin(registered: None) -> None:
    model = wrapped(task=MAXIMUM)
    assert to_native(model).task() == model.task() == Maximum(T=5, L=6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"name": "maximum", "T": 5, "L": 7}, "'maximum' does not fit this model: it reads 6 pos"),
        ({"name": "maximum", "T": 8, "L": 6}, "'maximum' does not fit this model: it has no 8 cl"),
        ({"name": "maximum", "L": 6}, "'maximum' cannot be made from its settings: KeyError: 'T'"),
        ({"name": "maximun"}, "task 'maximun' is unknown; did you mean 'maximum'?"),
        ({"name": "attention-regression"}, "the model has no teacher Q_star"),
        ({"name": "histogram", "T": 6, "L": 6}, "it knows 5 token ids, 6 are wanted"),
        ({"name": "histogram", "T": 5, "L": 7}, "it reads 6 positions, 7 are wanted"),
        ({"name": "histogram", "T": 5, "L": 6, "more": 1}, "more: Extra inputs are not permitted"),
        ({"name": "histogram", "T": 5.5, "L": 6}, "T: Input should be a valid integer"),
    ],
)
def test_a_task_that_does_not_fit_is_refused(
    kind: str, data: dict[str, Any], said: str, registered: None
) -> None:
    make, field = KINDS[kind]
    with pytest.raises(MechprobeError) as caught:
        make(**{field: data})
    assert said in str(caught.value)


@pytest.mark.parametrize("data", ["maximum", {"T": 3}, 3, {"name": 4}])
def test_what_is_no_task_is_refused(data: object) -> None:
    for make, field in KINDS.values():
        with pytest.raises(MechprobeError, match=field):
            make(**{field: data})


def test_a_student_is_asked_of_another_mixture_but_of_no_tokens(tmp_path: Path) -> None:
    config = SolvableConfig.of(d=7, L=2, omega=0.1)
    weights = solvable.initial(config, random())
    other = solvable.task_of(config, weights).describe() | {"omega": 0.9}

    def student(data: dict[str, Any]) -> HookedTransformer:
        return HookedTransformer(
            SolvableConfig.checked({**config.model_dump(), "asked": data}), weights
        )

    model = student(other)
    x = model.task().sample(5, random())
    wanted = solvable.task_of(config.model_copy(update={"omega": 0.9}), weights).targets(x)
    torch.testing.assert_close(model.task().targets(x), wanted)
    models.save(model, tmp_path / "m")
    assert json.loads((tmp_path / "m" / "config.json").read_text())["asked"] == other
    assert models.load(tmp_path / "m").task().describe() == other
    for data, said in [
        ({"name": "histogram", "T": 5, "L": 2}, "it reads vectors, token ids are wanted"),
        (other | {"d": 9}, "d = 9 is 7 here"),
        (other | {"more": 9}, "more = 9 is not a setting"),
        (other | {"sigma": [1.0, 1.0, 1.0], "L": 3}, "A: 3 rows of 3 are wanted"),
        ({"name": "attention-regression"}, "cannot be made from its settings: KeyError: 'omega'"),
    ]:
        with pytest.raises(MechprobeError) as caught:
            student(data)
        assert said in str(caught.value)


def test_a_transformer_learns_it_and_what_only_counts_says_so(registered: None) -> None:
    model = deep(asked=MAXIMUM)
    plan = transformer.Plan(epochs=30, batch=64, lr=1e-2)
    data = transformer.FreshData(model.task(), 512, 0)
    found = transformer.train(model.config, model.weights(), data, plan, 0)
    assert found.losses[-1] < found.losses[0] / 3
    tokens = model.task().sample(8, random())
    with pytest.raises(MechprobeError, match="'maximum' does not say what is correct"):
        transformer.train(model.config, model.weights(), data, plan, 0, validation=tokens)
    plan_of_counting = counting.TrainingPlan(steps=1)
    with pytest.raises(MechprobeError, match="'maximum': this training is of counting alone"):
        counting.train([counting.Trainee(counter(asked=MAXIMUM).config, 0, plan_of_counting)])
