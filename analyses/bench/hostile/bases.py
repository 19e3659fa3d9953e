"""A small good checkpoint of every format, to be made bad."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mechprobe.models import (
    CountingConfig,
    HookedTransformer,
    TaskDescription,
    TransformerConfig,
    save,
    wrap,
)
from mechprobe.models.families.counting import initial
from mechprobe.models.families.transformer import initial as transformer_initial

T, L, D, P = 6, 4, 8, 7


@dataclass(frozen=True)
class Base:
    """A good checkpoint.

    Args:
        name: of the format and the model.
        make: writes the folder.
        config: name of the JSON file that shapes the model.
        required: its keys that cannot be left out.
        sizes: its keys with a size that the weights depend on.
        weights: name of the weights' file.
        tensors: names in it that have one shape and type only.
        has_task: whether a file of its own says what the model was asked.
    """

    name: str
    make: Callable[[Path], None]
    config: str
    required: tuple[str, ...]
    sizes: tuple[str, ...]
    weights: str
    tensors: tuple[str, ...]
    has_task: bool = False

    @property
    def is_torch(self) -> bool:
        """Whether torch wrote the weights; else safetensors did."""
        return self.weights.endswith(".pt")


def native_counting(folder: Path) -> None:
    """Our own format, a counting transformer."""
    config = CountingConfig.of("bos", T=T, L=L, d=D, p=P)
    save(HookedTransformer(config, initial(config, torch.Generator().manual_seed(0))), folder)


def native_transformer(folder: Path) -> None:
    """Our own format, two blocks with positions and norms."""
    config = TransformerConfig.standard(T=T, L=L, d=D, p=P, n_layers=2, n_heads=2)
    weights = transformer_initial(config, torch.Generator().manual_seed(0))
    save(HookedTransformer(config, weights), folder)


def published_counting(folder: Path) -> None:
    """What the published counting code leaves behind."""
    state = _common() | {
        "positional_emb.pe": torch.randn(1, L, D),
        "token_mixer.Q": torch.randn(D, D),
        "token_mixer.K": torch.randn(D, D),
    }
    more = {"attention_input": "only_sem", "no_softmax": True, "dataset_type": "backward"}
    _write(folder, state, more)


def published_positional_semantic(folder: Path) -> None:
    """What the published positional and semantic code leaves behind."""
    state = _common() | {
        "positional_emb.pe": torch.arange(L).unsqueeze(0),
        **{f"attention.{name}": torch.randn(D, D) for name in "QKV"},
        "norm.weight": torch.ones(D),
        "norm.bias": torch.zeros(D),
    }
    _write(folder, state, {"attention_input": "only_pos"})


def foreign(folder: Path) -> None:
    """A TransformerBridge with a task description."""
    # Importing the bridge takes long.
    from transformer_lens.model_bridge import TransformerBridge

    model = TransformerBridge.boot_native(
        {
            "n_layers": 1,
            "n_heads": 2,
            "d_model": D,
            "d_head": 4,
            "d_mlp": P,
            "n_ctx": L,
            "d_vocab": T,
            "d_vocab_out": L + 1,
            "act_fn": "relu",
            "attention_dir": "bidirectional",
            "normalization_type": "LN",
        }
    )
    save(wrap(model, TaskDescription(L=L, tokens=tuple(range(T)))), folder)


def _common() -> dict[str, Tensor]:
    return {
        "semantic_emb.weight": torch.randn(T, D),
        "positional_emb.embedding.weight": torch.randn(L, D),
        "fc1.weight": torch.randn(P, D),
        "fc1.bias": torch.randn(P),
        "fc2.weight": torch.randn(L + 1, P),
        "fc2.bias": torch.randn(L + 1),
    }


def _write(folder: Path, state: dict[str, Tensor], more: dict[str, object]) -> None:
    folder.mkdir(parents=True)
    torch.save(state, folder / "transformer.pt")
    config = {"T": T, "seq_len": L, "model_dim": D, "p": P, **more, "lr": 1e-3, "seed": None}
    (folder / "config.json").write_text(json.dumps(config))


OURS = ("T", "L", "d", "p")
THEIRS = ("T", "seq_len", "model_dim", "p")
BOTH = ("semantic_emb.weight", "fc1.weight", "fc2.weight", "fc2.bias")
LENS = ("n_layers", "n_heads", "d_model", "d_head", "n_ctx", "d_vocab")
FOREIGN = ("embed.weight", "pos_embed.weight", "blocks.0.attn.q.weight", "blocks.0.mlp.in.bias",
           "ln_final.weight", "unembed.weight")  # fmt: skip
BASES = (
    Base("native-counting", native_counting, "config.json", (*OURS, "mixing", "softmax", "bos"),
         OURS, "model.safetensors", ("W_E", "W_Q", "W_K", "W_in", "b_in", "W_out", "b_out")),
    Base("native-transformer", native_transformer, "config.json", OURS, OURS, "model.safetensors",
         ("W_E", "W_pos", "blocks.0.W_Q", "blocks.1.W_V", "blocks.1.ln2.w", "blocks.0.W_in",
          "blocks.1.b_out", "ln_final.b", "W_U")),
    Base("published-counting", published_counting, "config.json",
         (*THEIRS, "no_softmax", "attention_input", "dataset_type"), THEIRS, "transformer.pt",
         (*BOTH, "token_mixer.Q", "token_mixer.K")),
    Base("published-positional-semantic", published_positional_semantic, "config.json",
         (*THEIRS, "attention_input"), THEIRS, "transformer.pt",
         (*BOTH, "positional_emb.embedding.weight", "attention.Q", "attention.V", "norm.bias")),
    Base("foreign", foreign, "config.json", (*LENS, "attention_dir"), LENS, "model.safetensors",
         FOREIGN, has_task=True),
    Base("foreign-task", foreign, "task.json", ("L", "tokens"), ("L",), "model.safetensors",
         FOREIGN, has_task=True),
)  # fmt: skip
