"""Numbers of ours do not depend on torch's default type: draws and new tensors name theirs."""

import ast
from collections.abc import Iterator

import pytest

from tests.test_house import modules, tree

DRAWS = "mechprobe.models.base.draws"  # where every random draw is made
# Programs of their own: other people's code to compare with, and broken checkpoints.
OTHERS = ("mechprobe.analyses.bench.peers.", "mechprobe.analyses.bench.hostile.")
DRAWING = {
    "rand", "randn", "randint", "randperm", "multinomial", "normal", "bernoulli", "poisson",
    "rand_like", "randn_like", "randint_like", "seed", "manual_seed",
}  # fmt: skip
IN_PLACE = {
    "normal_", "uniform_", "random_", "bernoulli_", "exponential_", "geometric_", "cauchy_",
    "log_normal_", "trunc_normal_", "orthogonal_", "kaiming_uniform_", "kaiming_normal_",
    "xavier_uniform_", "xavier_normal_",
}  # fmt: skip
# Their type is torch's default one where numbers are not whole.
MAKING = {
    "zeros", "ones", "full", "empty", "eye", "linspace", "logspace", "tensor", "as_tensor",
    "scalar_tensor", "hann_window", "hamming_window", "complex", "polar",
}  # fmt: skip


def calls(syntax: ast.AST) -> Iterator[tuple[ast.Call, str, str]]:
    """Every call of an attribute: the node, what it is an attribute of, and its name."""
    for node in ast.walk(syntax):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node, ast.unparse(node.func.value), node.func.attr


def draws(syntax: ast.AST) -> Iterator[str]:
    """Random draws of torch's, and of numpy's and Python's global generators."""
    for node, owner, name in calls(syntax):
        torchs = owner == "torch" and name in DRAWING
        makes = name in ("default_rng", "Generator", "SeedSequence", "Philox")
        globals_ = owner in ("np.random", "numpy.random", "random") and not makes
        unseeded = name == "default_rng" and not node.args
        on_generator = owner.endswith("Generator()")  # torch.Generator().manual_seed
        if (torchs or name in IN_PLACE or globals_ or unseeded) and not on_generator:
            yield f"{node.lineno} {ast.unparse(node)}"


def untyped(syntax: ast.AST) -> Iterator[str]:
    """New tensors without a type, but for those of whole numbers that are written there."""
    for node, owner, name in calls(syntax):
        if owner != "torch" or name not in (MAKING | {"arange"}):
            continue
        named = any(word.arg == "dtype" for word in node.keywords)
        written = [a.value for a in node.args if isinstance(a, ast.Constant)]
        whole = name == "tensor" and bool(written) and isinstance(written[0], int)
        # The type of a range is that of its ends: whole unless a number says otherwise.
        counted = name == "arange" and not any(isinstance(v, float) for v in written)
        if not (named or whole or counted):
            yield f"{node.lineno} {ast.unparse(node)}"


def ours() -> list[str]:
    """Modules that are held to it."""
    return [name for name in modules() if not f"{name}.".startswith(OTHERS)]


def test_draws_are_made_in_one_place() -> None:
    found = [f"{name}:{draw}" for name in ours() if name != DRAWS for draw in draws(tree(name))]
    assert not found


def test_draws_name_type_and_device() -> None:
    made = [
        node for node, owner, name in calls(tree(DRAWS)) if owner == "torch" and name in DRAWING
    ]
    assert len(made) == 4
    for node in made:
        assert {"generator", "dtype", "device"} <= {word.arg for word in node.keywords}


def test_new_tensors_name_their_type() -> None:
    assert not [f"{name}:{one}" for name in ours() for one in untyped(tree(name))]


@pytest.mark.parametrize(
    "code",
    [
        "torch.rand(3, generator=g, dtype=torch.float32)",
        "torch.randn_like(x)",
        "w.normal_()",
        "nn.init.xavier_uniform_(w)",
        "torch.manual_seed(0)",
        "np.random.rand(3)",
        "np.random.default_rng()",
        "random.shuffle(x)",
    ],
)
def test_draws_are_found(code: str) -> None:
    """What the first test rests on."""
    assert list(draws(ast.parse(code)))


def test_what_is_no_draw_of_torch_passes() -> None:
    for code in ("torch.Generator().manual_seed(3)", "np.random.default_rng(seed)"):
        assert not list(draws(ast.parse(code)))


def test_tensors_without_a_type_are_found() -> None:
    """What the third test rests on."""
    for code in ("torch.zeros(3)", "torch.tensor([1.0])", "torch.arange(0, 1.0)", "torch.eye(2)"):
        assert list(untyped(ast.parse(code))), code
    for code in ("torch.zeros(3, dtype=d)", "torch.tensor(True)", "torch.arange(n)"):
        assert not list(untyped(ast.parse(code))), code
