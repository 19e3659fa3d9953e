"""What the pickle of state dicts says, found without running it: nothing is called or allocated.

`torch.load(weights_only=True)` runs no code either, but a hostile pickle can still make it
allocate what no file holds, or hash nested names for ever; and it refuses a whole file for a
harmless object beside the weights.
"""

import pickletools
from dataclasses import dataclass

import torch

from mechprobe.models.base.errors import MechprobeError, short

PLAIN = "save a plain state dict"
STORAGES = {
    "torch DoubleStorage": torch.float64,
    "torch FloatStorage": torch.float32,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16,
    "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
    "torch ComplexFloatStorage": torch.complex64,
    "torch ComplexDoubleStorage": torch.complex128,
}
TENSOR, PARAMETER, DICT = (
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "collections OrderedDict",
)
# Of tensors that are sparse, quantised, without numbers, or of rarer types; and what training
# scripts keep beside the weights. Known and never called: an `Odd` stands in their place.
ODD = {
    "torch._utils _rebuild_sparse_tensor",
    "torch._utils _rebuild_meta_tensor_no_storage",
    "torch._utils _rebuild_tensor_v3",
    "torch._utils _rebuild_qtensor",
    "torch._utils _rebuild_parameter_with_state",
    "torch._tensor _rebuild_from_type_v2",
    "torch.serialization _get_layout",
    "torch.storage UntypedStorage",
    "torch QInt8Storage",
    "torch QUInt8Storage",
    "torch QInt32Storage",
    "torch per_tensor_affine",
    "torch per_channel_affine",
    "torch Size",
    "torch device",
    "_codecs encode",
    "argparse Namespace",
    "builtins set",
    "__builtin__ set",
    "collections Counter",
    "collections defaultdict",
    "collections deque",
    "builtins dict",
    "__builtin__ dict",
    "builtins list",
    "__builtin__ list",
    "datetime datetime",
    "pathlib Path",
    "pathlib PosixPath",
    "pathlib WindowsPath",
    "pathlib._local PosixPath",
    "pathlib._local WindowsPath",
    "numpy dtype",
    "numpy ndarray",
    "numpy.core.multiarray scalar",
    "numpy.core.multiarray _reconstruct",
    "numpy._core.multiarray scalar",
    "numpy._core.multiarray _reconstruct",
    "pytorch_lightning.utilities.parsing AttributeDict",
    "lightning.pytorch.utilities.parsing AttributeDict",
    "lightning_fabric.utilities.data AttributeDict",
    "lightning.fabric.utilities.data AttributeDict",
} | {f"torch {name}" for name, value in vars(torch).items() if isinstance(value, torch.dtype)}


@dataclass(frozen=True)
class _Global:
    name: str


@dataclass(frozen=True)
class Storage:
    """A record of the file: its key, the type of its numbers, how many it is said to hold."""

    key: str
    dtype: torch.dtype
    size: int


@dataclass(frozen=True)
class Stored:
    """A tensor: where in a storage its numbers lie. Claims, not yet compared with the file."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Odd:
    """Something known that is no plain tensor; what it is made of is forgotten."""


def interpreted(pickled: bytes) -> object:
    """What a pickle of protocol 2 would build, tensors as `Stored`; nothing is called.

    Raises:
        MechprobeError: it holds more than tensors, numbers, text and plain containers.
        Exception: a damaged pickle can fail anywhere.
    """
    stack: list[object] = []
    marks: list[int] = []
    memo: dict[object, object] = {}

    def items() -> list[object]:
        at = marks.pop()
        taken = stack[at:]
        del stack[at:]
        return taken

    for code, arg, _ in pickletools.genops(pickled):
        match code.name:
            case "PROTO" if arg == 2:
                pass
            case "MARK":
                marks.append(len(stack))
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINUNICODE" | "BINFLOAT":
                stack.append(arg)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[code.name])
            case "EMPTY_TUPLE":
                stack.append(())
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "TUPLE":
                stack.append(tuple(items()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                size = int(code.name[-1])
                stack[-size:] = [tuple(stack[-size:])]
            case "BINPUT" | "LONG_BINPUT":
                memo[arg] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[arg])
            case "GLOBAL":
                if arg not in (TENSOR, PARAMETER, DICT) and arg not in ODD | STORAGES.keys():
                    what = short(str(arg).replace(" ", "."))
                    raise MechprobeError(
                        f"holds more than tensors ({what}) and is not loaded; {PLAIN}"
                    )
                stack.append(_Global(str(arg)))
            case "REDUCE" | "NEWOBJ":
                given = stack.pop()
                stack.append(_made(stack.pop(), given))
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
            case "APPEND":
                last = stack.pop()
                _extend(stack[-1], [last])
            case "APPENDS":
                more = items()
                _extend(stack[-1], more)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _update(stack[-1], [key, value])
            case "SETITEMS":
                pairs = items()
                _update(stack[-1], pairs)
            case "BUILD":  # a state dict's versions of its modules
                stack.pop()
                _update(stack[-1], [])
            case "STOP":
                return stack.pop()
            case _:
                raise MechprobeError(f"holds more than tensors and is not loaded; {PLAIN}")
    raise MechprobeError("its state dict has no end")


def _made(function: object, given: object) -> object:
    match function, given:
        case _Global(name=n), () if n == DICT:
            return {}
        case _Global(name=n), (Storage() as storage, offset, tuple(shape), tuple(stride), _, _) if (
            n == TENSOR
        ):
            return Stored(storage, offset, shape, stride)  # type: ignore[arg-type]
        case _Global(name=n), (Stored() as stored, _, _) if n == PARAMETER:
            return stored
        case _Global(), _:
            return Odd()
    raise ValueError("a call of what is no function")


def _storage(given: object) -> object:
    match given:
        case ("storage", _Global(name=kind), str(key), _, int(size)) if kind in STORAGES:
            return Storage(key, STORAGES[kind], size)
    return Odd()


def _key(value: object) -> object:
    # Tuples of tuples could take for ever to hash.
    parts = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(part, str | int | float | None) for part in parts):
        raise MechprobeError(f"has names that are no text; {PLAIN}")
    return value


def _update(into: object, pairs: list[object]) -> None:
    if isinstance(into, Odd):
        return
    if not isinstance(into, dict):
        raise ValueError("items of what is no dictionary")
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        into[_key(key)] = value


def _extend(into: object, more: list[object]) -> None:
    if isinstance(into, Odd):
        return
    if not isinstance(into, list):
        raise ValueError("items of what is no list")
    into.extend(more)
