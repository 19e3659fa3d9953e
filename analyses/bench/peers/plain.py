"""Training as it is usually written, to measure against: a module, a DataLoader, one step a batch.

The settings are the published ones (arXiv:2407.11542): every epoch 10,000 fresh sequences, each
cut into parts by recursion, given distinct tokens, shuffled and counted; batches of 32; Adam.
"""

from collections import Counter
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from mechprobe.models import CountingConfig

EPOCH, BATCH = 10_000, 32
Example = tuple[Tensor, Tensor]


class PlainCounter(nn.Module):
    """A counting transformer as torch's own layers spell it."""

    def __init__(self, config: CountingConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.n_vocab, config.d)
        side = config.n_ctx if config.mixing == "lin" else config.d
        self.mixers = nn.ParameterList(
            nn.Parameter(torch.empty(side, side).uniform_(-(side**-0.5), side**-0.5))
            for _ in range(1 if config.mixing == "lin" else 2)
        )
        self.first = nn.Linear(config.d, config.p)
        self.last = nn.Linear(config.p, config.n_classes)

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos classes"]:
        """Logits at every position."""
        x = self.embedding(tokens)
        if self.config.mixing == "lin":
            scores = self.mixers[0]
        else:
            query, key = self.mixers
            scores = (x @ query) @ (x @ key).transpose(-2, -1) / self.config.d**0.5
        mixing = scores.softmax(-1) if self.config.softmax else scores
        answers: Tensor = self.last(self.first(x + mixing @ x).relu())
        return answers


def cut(length: int, random: np.random.RandomState) -> list[int]:
    """Sizes of the parts of a sequence: any size that leaves at least one, then the rest."""
    if length < 2:
        return [1] * length
    size = int(random.randint(1, length))
    return [size, *cut(length - size, random)]


def sequence(config: CountingConfig, random: np.random.RandomState) -> Int[np.ndarray, " length"]:
    """One sequence of the partition sampler, without BOS."""
    parts = cut(config.L, random)
    if len(parts) > config.T:
        parts = [*parts[: config.T - 1], sum(parts[config.T - 1 :])]
    body = np.repeat(random.choice(config.T, size=len(parts), replace=False), parts)
    random.shuffle(body)
    return body


class FreshSequences(Dataset[Example]):
    """Sequences drawn and counted one by one, BOS first where there is one."""

    def __init__(self, config: CountingConfig, n: int, random: np.random.RandomState) -> None:
        bodies = [sequence(config, random).tolist() for _ in range(n)]
        counts = [[found[token] for token in body] for body in bodies for found in [Counter(body)]]
        start = [config.T] * int(config.bos)
        self.tokens = torch.tensor([start + body for body in bodies])
        self.counts = torch.tensor(counts)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> Example:
        return self.tokens[index], self.counts[index]


def plain_epoch(
    model: PlainCounter, adam: torch.optim.Optimizer, n: int, random: np.random.RandomState
) -> list[float]:
    """Draw n sequences and train on them once; the loss of every step."""
    criterion, losses = nn.CrossEntropyLoss(), []
    skip = int(model.config.bos)
    for tokens, counts in DataLoader(
        FreshSequences(model.config, n, random), batch_size=BATCH, shuffle=True
    ):
        adam.zero_grad()
        answers = model(tokens)[:, skip:]
        loss = criterion(answers.flatten(0, 1), counts.flatten())
        losses.append(loss.item())
        loss.backward()
        adam.step()
    return losses


def plain_trainer(config: CountingConfig, seed: int, n: int = EPOCH) -> Callable[[], list[float]]:
    """A model at its start; every call trains it for an epoch of n sequences."""
    torch.manual_seed(seed)
    model, random = PlainCounter(config), np.random.RandomState(seed)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-9)
    return lambda: plain_epoch(model, adam, n, random)
