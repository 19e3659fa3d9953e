"""Ways to make what a checkpoint's weights file says bad, in files that are whole."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from mechprobe.analyses.bench.hostile.bases import Base
from mechprobe.analyses.bench.hostile.configs import Mutation

State = dict[str, Tensor]


def read(file: Path) -> State:
    """The tensors of a good file."""
    if file.suffix == ".pt":
        state: State = torch.load(file, weights_only=True)
        return state
    return dict(safetensors.torch.load_file(file))


def write(file: Path, state: State) -> None:
    """Tensors to a file of either kind."""
    if file.suffix == ".pt":
        torch.save(state, file)
    else:
        safetensors.torch.save_file({n: w.contiguous() for n, w in state.items()}, file)


def _state(change: Callable[[State, str], State]) -> Mutation:
    def mutate(folder: Path, base: Base, rng: np.random.Generator) -> None:
        file = folder / base.weights
        state = read(file)
        write(file, change(state, str(rng.choice(base.tensors))))

    return mutate


def _weight(change: Callable[[Tensor], Tensor]) -> Mutation:
    return _state(lambda state, name: state | {name: change(state[name])})


TENSORS: dict[str, Mutation] = {
    "weight-dropped": _state(lambda s, name: {n: w for n, w in s.items() if n != name}),
    "weight-renamed": _state(lambda s, name: {n + "_" * (n == name): w for n, w in s.items()}),
    "weight-unknown": _state(lambda s, name: s | {"secret.weight": s[name].clone()}),
    "weights-none": _state(lambda s, name: {}),
    "weights-many-unknown": _state(
        lambda s, name: s | {f"more.{i}": torch.zeros(1) for i in range(500)}
    ),
    "weight-name-escapes": _state(lambda s, name: s | {"\x1b[2J\x9b0m": torch.zeros(2)}),
    "weight-name-long": _state(lambda s, name: s | {"x" * 50_000: torch.zeros(2)}),
    "weight-name-lines": _state(lambda s, name: s | {"two\nlines": torch.zeros(2)}),
    "shape-longer": _weight(lambda w: torch.cat([w, w])),
    "shape-shorter": _weight(lambda w: w[1:].clone()),
    "shape-more-axes": _weight(lambda w: w.unsqueeze(0)),
    "shape-empty": _weight(lambda w: w[:0].clone()),
    "shape-scalar": _weight(lambda w: torch.tensor(1.0)),
    "shape-flat-pair": _weight(lambda w: torch.cat([w.flatten(), w.flatten()])),
    "shape-large": _weight(lambda w: torch.zeros(1_000_000)),
    "type-int64": _weight(lambda w: w.round().long()),
    "type-int8": _weight(lambda w: w.round().to(torch.int8)),
    "type-uint8": _weight(lambda w: w.abs().to(torch.uint8)),
    "type-bool": _weight(lambda w: w > 0),
    "type-complex": _weight(lambda w: w.to(torch.complex64)),
    "type-float8": _weight(lambda w: w.to(torch.float8_e4m3fn)),
    "value-nan": _weight(lambda w: torch.full_like(w, float("nan"))),
    "value-one-nan": _weight(lambda w: _first(w, float("nan"))),
    "value-inf": _weight(lambda w: _first(w, float("inf"))),
    "value-1e300": _weight(lambda w: torch.full_like(w, 1e300, dtype=torch.float64)),
    "value-1e25": _weight(lambda w: torch.full_like(w, 1e25)),
    "value-minus-inf": _weight(lambda w: _first(w, float("-inf"))),
}
# What safetensors cannot hold.
TORCH_TENSORS: dict[str, Mutation] = {
    "tensor-sparse": _weight(lambda w: w.to_sparse()),
    "tensor-meta": _weight(lambda w: w.to("meta")),
    "tensor-repeated-1e9": _weight(lambda w: torch.zeros(1).expand(10**5, 10**4)),
    "tensor-repeated-1e12": _weight(lambda w: torch.zeros(1).expand(10**6, 10**6)),
}


def _first(weight: Tensor, value: float) -> Tensor:
    changed = weight.clone()
    changed.view(-1)[0] = value
    return changed
