"""State dicts of the published counting code in our words; the function stays the same.

    scores: s Q (s K)^T / sqrt(d), s the embeddings of what `attention_input` names, or A
    x' = e + mix(scores) e [+ p with "both"],   logits = fc2 relu(fc1 x')

Scores of positions alone ("only_pos") do not depend on the sequence: they are a constant matrix.
With "both", tokens and positions get coordinates of their own, d each, since values are those of
the tokens alone; all maps read the sum of the two.
"""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mechprobe.models.base.errors import MechprobeError
from mechprobe.models.base.safe.torch_files import wanted_tensors
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.counting import CountingConfig, check
from mechprobe.models.families.counting.formats.arguments import PublishedConfig
from mechprobe.models.families.counting.formats.positions import PLACES, order, require
from mechprobe.models.families.counting.formats.shapes import POSITIONS
from mechprobe.models.families.transformer import TransformerConfig
from mechprobe.models.families.transformer import check as check_transformer

WHOSE = "the published counting code"
EMBEDDING = "semantic_emb.weight"
READ_OUT = ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")
LONGEST = 1_000  # positions whose scores become a matrix: it may be larger than the file
# The script with two blocks reads the embeddings again in the second: what the first one writes
# never reaches the answer. Its second block's names, and those of a single block.
SECOND = {"token_mixer2": "token_mixer", "fc3": "fc1", "fc4": "fc2"}


def of_one_block(state: Weights) -> Weights:
    """Of the script with two blocks, the one that answers; other state dicts as they are."""
    if not any(name.startswith("token_mixer2.") for name in state):
        return state
    kept = {}
    for name, tensor in state.items():
        module, _, rest = name.partition(".")
        if module in SECOND:
            kept[f"{SECOND[module]}.{rest}"] = tensor
        elif module not in SECOND.values():
            kept[name] = tensor
    return kept


def translated(
    arguments: PublishedConfig, state: Weights, given: Tensor | None, file: Path, where: str
) -> tuple[CountingConfig | TransformerConfig, Weights]:
    """Configuration and weights; also of a header, whose tensors hold no numbers.

    Args:
        arguments: of the script.
        state: what it saved, of a single block.
        given: fixed embeddings in place of those saved.
        file: of the state dict, for messages.
        where: the arguments are from, for messages.

    Raises:
        MechprobeError: weights are missing, unknown or of other shapes than the arguments say.
    """
    mixing = ("token_mixer.A",) if arguments.linear else ("token_mixer.Q", "token_mixer.K")
    positions = (POSITIONS, PLACES) if arguments.positions else ()
    ignored = "" if arguments.positions else "positional_emb."
    wanted = (EMBEDDING, *mixing, *READ_OUT, *positions)
    state = wanted_tensors(state, wanted, ignored, file, WHOSE)
    if given is not None:
        # As wide and as many as those saved, which are compared with the arguments.
        require(state, {EMBEDDING: tuple(given.shape)}, file)
        known = given.to(state[EMBEDDING].dtype)
        state[EMBEDDING] = torch.empty_like(known, device="meta") if _meta(state) else known
    if arguments.positions and arguments.bos:
        raise MechprobeError(
            f"{where}: dataset_type 'backward_BOS' and attention_input"
            f" {arguments.attention_input!r}: the published code has no position for BOS"
        )
    if arguments.attention_input == "both":
        return _with_positions(arguments, state, given is not None, file, where)
    weights: Weights = {
        "W_E": state[EMBEDDING],
        "W_in": turned(state["fc1.weight"]),
        "b_in": state["fc1.bias"],
        "W_out": turned(state["fc2.weight"]),
        "b_out": state["fc2.bias"],
    }
    length = arguments.seq_len
    if arguments.linear:
        weights["W_mix"] = state["token_mixer.A"]
        length = _length(arguments, weights["W_mix"], file)
    elif arguments.positions:
        weights["W_mix"] = _scores(arguments, state, file)
    else:
        weights |= {"W_Q": state["token_mixer.Q"], "W_K": state["token_mixer.K"]}
    fields = {
        "T": arguments.T,
        "L": length,
        "d": arguments.model_dim,
        "p": arguments.p,
        "mixing": "lin" if "W_mix" in weights else "dot",
        "softmax": not arguments.no_softmax,
        "bos": arguments.bos,
        "n_classes": _classes(arguments, state),
        "embeddings": "trained" if given is None else "fixed",
    }
    config = CountingConfig.checked(fields | _asked(arguments), where=where)
    if weights["b_in"].ndim == 0:
        # The published hand-built models keep one number for a whole bias; torch broadcasts it.
        # As far as W_in has columns: a size that only the configuration claims takes no memory.
        weights["b_in"] = weights["b_in"].expand(weights["W_in"].shape[-1:]).clone()
    check(config, weights, where=str(file))
    return config, {name: weight.contiguous() for name, weight in weights.items()}


def turned(weight: Tensor) -> Tensor:
    """Columns to rows; anything but a matrix is left for `check` to refuse."""
    return weight.T if weight.ndim == 2 else weight


def _with_positions(
    arguments: PublishedConfig, state: Weights, fixed: bool, file: Path, where: str
) -> tuple[TransformerConfig, Weights]:
    d, L, p = arguments.model_dim, arguments.seq_len, arguments.p
    maps = ("token_mixer.Q", "token_mixer.K")
    vocabulary = {EMBEDDING: (arguments.T, d), "fc1.weight": (p, d)}
    require(state, {**vocabulary, **dict.fromkeys(maps, (d, d)), POSITIONS: (L, d)}, file)
    fields = {
        "T": arguments.T,
        "L": L,
        "d": 2 * d,
        "p": p,
        "d_head": d,
        "softmax": not arguments.no_softmax,
        "positions": True,
        "values": "value",
        "sampler": "uniform" if arguments.dataset_type == "forward" else "partition",
        "n_classes": _classes(arguments, state),
    }
    config = TransformerConfig.checked(fields, where=where)
    tokens, rows = state[EMBEDDING], state[POSITIONS][order(state[PLACES], L, file)]
    query, key = (torch.cat([state[name]] * 2).unsqueeze(0) for name in maps)
    into = turned(state["fc1.weight"])
    # Of models with fixed embeddings the published code leaves positions out of the sum.
    below = torch.zeros_like(into) if fixed else into
    values = torch.zeros_like(query[0]).repeat(1, 2)
    values[:d, :d].fill_diagonal_(1)
    weights = {
        "W_E": torch.cat([tokens, torch.zeros_like(tokens)], 1),
        "W_pos": torch.cat([torch.zeros_like(rows), rows], 1),
        "blocks.0.W_Q": query,
        "blocks.0.W_K": key,
        "blocks.0.W_V": values.unsqueeze(0),
        "blocks.0.W_in": torch.cat([into, below]),
        "blocks.0.b_in": state["fc1.bias"],
        "blocks.0.W_out": turned(state["fc2.weight"]),
        "blocks.0.b_out": state["fc2.bias"],
    }
    check_transformer(config, weights, where=str(file))
    return config, {name: weight.contiguous() for name, weight in weights.items()}


def _scores(arguments: PublishedConfig, state: Weights, file: Path) -> Tensor:
    """Scores of positions, [L, L]; computed in double precision, kept as they were stored."""
    d, L = arguments.model_dim, arguments.seq_len
    if L > LONGEST:
        raise MechprobeError(f"{file}: L={L}: scores of more than {LONGEST} positions are not read")
    maps = ("token_mixer.Q", "token_mixer.K")
    require(state, {**dict.fromkeys(maps, (d, d)), POSITIONS: (L, d)}, file)
    rows = state[POSITIONS][order(state[PLACES], L, file)].double()
    query, key = (rows @ state[name].double() for name in maps)
    scores: Tensor = query @ key.T / math.sqrt(d)
    return scores.to(state[EMBEDDING].dtype)


def _length(arguments: PublishedConfig, matrix: Tensor, file: Path) -> int:
    """The matrix says how many positions there are; one of them is BOS's where there is one."""
    bos, length = int(arguments.bos), arguments.seq_len
    rows: int = matrix.shape[0] if matrix.ndim == 2 else length + bos
    found = rows - bos
    if found not in (length, length - bos):
        raise MechprobeError(
            f"{file}: token_mixer.A has shape {tuple(matrix.shape)}, seq_len={length} wants"
            f" {length + bos} rows"
        )
    return found


def _classes(arguments: PublishedConfig, state: Weights) -> int:
    """Some published models answer with more classes than seq_len + 1; never with fewer."""
    rows: tuple[int, ...] = tuple(state["fc2.weight"].shape[:1])
    return max(arguments.seq_len + 1, *rows, 0)


def _asked(arguments: PublishedConfig) -> dict[str, Any]:
    """The task, where it is not the family's usual one."""
    if arguments.dataset_type != "forward":
        return {}
    sizes = {"T": arguments.T, "L": arguments.seq_len, "bos": False}
    return {"asked": {"name": "histogram", **sizes, "sampler": "uniform"}}


def _meta(state: Weights) -> bool:
    return state[EMBEDDING].is_meta
