"""The training benchmark: its tables and arithmetic, the plain loop, a peer's checkout."""

import os
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mechprobe.analyses.bench import training as training_bench
from mechprobe.analyses.bench.peers.plain import (
    FreshSequences,
    PlainCounter,
    cut,
    plain_trainer,
    sequence,
)
from mechprobe.analyses.bench.peers.published import peer_trainer
from mechprobe.analyses.bench.training import Speeds, cores_table, flops_table, ratio_table
from mechprobe.models import CountingConfig, MechprobeError
from mechprobe.models.families.counting import forward
from mechprobe.models.families.counting.training.cost import step_flops
from mechprobe.models.families.counting.training.stream import draw_parts
from tests.analyses.shell import mechprobe
from tests.models.families.counting.plain import kinds
from tests.models.theory.laws import agrees, compositions, merged, tally

KINDS = kinds(T=12, L=6, d=8, p=5)


def speeds(kind: str, ours: list[float]) -> Speeds:
    return Speeds(kind, ours, {"plain": [10.0, 10.0, 20.0]})


@pytest.mark.parametrize(("kind", "least"), [("dot", 30), ("bos+sftm", 30), ("lin+sftm", 15)])
def test_the_median_ratio_decides(kind, least):
    """Ratios of a round, not of the medians; one slow or fast round decides nothing."""
    good = speeds(kind, [10.0 * least, 1.0, 40.0 * least])
    assert good.ratios("plain") == pytest.approx([least, 0.1, 2 * least])
    assert good.met()
    assert not speeds(kind, [9.9 * least, 1.0, 40.0 * least]).met()


def test_tables_show_what_was_measured():
    one = Speeds("dot", [400.0, 300.0, 500.0], {"plain": [10.0] * 3, "published": [5.0] * 3})
    head, plain, published = ratio_table([one]).splitlines()
    assert head.split()[-1] == "demanded"
    assert plain.split() == [
        "dot",
        "400",
        "plain",
        "10",
        "40.0",
        "30.0-50.0",
        "50.0",
        ">=",
        "30",
        "met",
    ]
    assert published.split() == ["dot", "400", "published", "5", "80.0", "60.0-100.0", "100.0"]
    assert "MISSED" in ratio_table([speeds("lin", [1.0] * 3)])
    flops = 400 * step_flops(training_bench.setting("dot"), 32)
    last = flops_table([one], 10 * flops).splitlines()[-1].split()
    assert last[:2] == ["dot", f"{flops / 1e9:.1f}"]
    assert last[3] == "10%"
    assert [line.split() for line in cores_table({1: 100.0, 2: 190.0}).splitlines()[1:]] == [
        ["1", "100", "1.00"],
        ["2", "190", "1.90"],
    ]


@pytest.mark.parametrize("missed", [False, True])
def test_a_missed_ratio_is_the_exit_code(missed, monkeypatch, capsys):
    found = [speeds("dot", [900.0] * 3), speeds("lin", [100.0 if missed else 900.0] * 3)]
    monkeypatch.setattr(training_bench, "compare", lambda *_: (found, 1e9))
    monkeypatch.setattr(training_bench, "over_cores", lambda *_: {1: 1.0})
    assert training_bench.run(None, 0) == int(missed)
    assert ("MISSED" in capsys.readouterr().out) == missed


def counted(config: CountingConfig, batch: int, rows: int) -> int:
    """What torch counts for the matrix products of a step, the mixing of dot models left out."""
    c = config
    W_E, W_in, W_out, W_Q, W_K, W_mix, hidden = (
        torch.zeros(shape, requires_grad=True)
        for shape in (
            (c.n_vocab, c.d), (c.d, c.p), (c.p, c.n_classes), (c.d, c.d), (c.d, c.d),
            (c.L, c.n_ctx), (rows, c.p),
        )
    )  # fmt: skip
    with FlopCounterMode(display=False) as counter:
        table = W_E @ W_in
        ends = [table.sum(), (hidden @ W_out).sum()]
        if c.mixing == "lin":
            read = table[torch.zeros(c.n_ctx, batch, dtype=torch.long)].flatten(1)
            ends.append((W_mix @ read).sum())
        else:
            ends.append(((W_E @ W_Q) @ (W_E @ W_K).T).sum())
        sum(ends).backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("config", KINDS, ids=lambda c: c.architecture)
def test_arithmetic_of_a_step_is_what_torch_counts(config):
    """Exactly for a constant matrix, in the mean over drawn batches for the others."""
    batch, steps = 16, 3000
    if config.mixing == "lin":
        assert step_flops(config, batch) == counted(config, batch, batch * config.L)
        return
    distinct = draw_parts(config, 0, 0, steps * batch).distinct.astype(int)
    pairs = (distinct * (distinct + config.bos)).sum() / steps
    per_row = counted(config, batch, 2) - counted(config, batch, 1)
    products = counted(config, batch, 0) + per_row * distinct.sum() / steps
    # Two tables are read and one dot product taken for each pair: three sums of p products.
    wanted = products + 3 * 2 * pairs * config.p
    assert step_flops(config, batch) == pytest.approx(wanted, rel=2e-3)


@pytest.mark.parametrize("config", KINDS, ids=lambda c: c.architecture)
def test_the_plain_module_is_the_same_function(config):
    torch.manual_seed(3)
    model = PlainCounter(config)
    names = ["W_mix"] if config.mixing == "lin" else ["W_Q", "W_K"]
    weights = dict(zip(names, model.mixers, strict=True)) | {
        "W_E": model.embedding.weight,
        "W_in": model.first.weight.T,
        "b_in": model.first.bias,
        "W_out": model.last.weight.T,
        "b_out": model.last.bias,
    }
    tokens = config.task().sample(7, torch.Generator().manual_seed(0))
    stacked = {name: w.unsqueeze(0) for name, w in weights.items()}
    torch.testing.assert_close(model(tokens), forward(config, stacked, tokens[None])[0])


def test_the_plain_sampler_follows_the_law():
    random = np.random.RandomState(0)
    assert agrees(tally(cut(5, random) for _ in range(8000)), compositions(5))


@pytest.mark.parametrize("T", [9, 2])
def test_plain_sequences_have_the_right_parts(T):
    """T < L too: the surplus joins the last part."""
    config, random = CountingConfig.of("dot", T=T, L=5, d=2, p=1), np.random.RandomState(1)
    wanted: dict = {}
    for parts, share in merged(5, T).items():
        key = tuple(sorted(parts))
        wanted[key] = wanted.get(key, 0) + share
    bodies = [sequence(config, random) for _ in range(6000)]
    assert {token for body in bodies for token in body} == set(range(T))
    sizes = [sorted(np.unique(body, return_counts=True)[1].tolist()) for body in bodies]
    assert agrees(tally(sizes), wanted)
    first = tally([body[i] == body[j]] for body in bodies for i, j in [(0, 1)])
    last = tally([body[i] == body[j]] for body in bodies for i, j in [(0, 4)])
    assert abs(first[(True,)] - last[(True,)]) < 5 * 6000**0.5


@pytest.mark.parametrize("kind", ["dot", "bos"])
def test_plain_data_are_counted_and_begin_with_bos(kind):
    config = CountingConfig.of(kind, T=6, L=5, d=4, p=4)
    data = FreshSequences(config, 40, np.random.RandomState(2))
    assert len(data) == 40
    tokens, counts = (torch.stack(parts) for parts in zip(*data, strict=True))
    assert tokens.shape == (40, config.n_ctx)
    assert torch.equal(counts, config.task().targets(tokens))
    assert not config.bos or (tokens[:, 0] == 6).all()


@pytest.mark.parametrize("config", KINDS[:6], ids=lambda c: c.architecture)
def test_the_plain_loop_learns(config):
    train = plain_trainer(config, 0, n=1000)
    first, *_, last = (train() for _ in range(4))
    assert len(first) == 32
    assert np.mean(last) < 0.95 * np.mean(first[:8])


PEER = """
import wandb
device = "cuda:0"
seen = []

class HistogramDatasetSampleBackward:
    def __init__(self, length, T, n, seed=None):
        self.size = (type(self).__name__, length, T, n, seed)

class HistogramDatasetSampleBackwardWithBOS(HistogramDatasetSampleBackward):
    pass

class TransformerSeq2Seq:
    def __init__(self, **arguments):
        self.arguments = arguments

def train(transformer, fresh, tested, classes, bos, n_epochs, optimizer):
    wandb.log({"nothing": model})
    print("much")
    return device, transformer.arguments, fresh().size, tested.size, classes, bos, n_epochs
"""


@pytest.mark.parametrize("kind", ["bos", "lin+sftm"])
def test_a_peers_script_is_called_with_the_published_arguments(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)
    (tmp_path / "memory_exp.py").write_text(PEER)
    config = CountingConfig.of(kind, T=32, L=10, d=32, p=16)
    device, arguments, fresh, tested, *rest = peer_trainer(tmp_path, config, 0, n=100)()
    assert device == "cpu"
    name = "HistogramDatasetSampleBackward" + "WithBOS" * config.bos
    assert fresh == (name, 10, 32, 100, None)
    assert tested == (name, 10, 32, 30, 12)
    assert rest == [11, config.bos, 1]
    assert arguments == {
        "T": 32 + config.bos,
        "model_dim": 32,
        "p": 16,
        "n_classes": 11,
        "L": 10,
        "attention_input": "only_sem" if kind == "bos" else "linear",
        "use_softmax": kind == "lin+sftm",
    }
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("text", ["1 / 0", "device = None", PEER.replace("fresh().size", "lost")])
def test_another_script_is_refused_in_one_line(text, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    (tmp_path / "memory_exp.py").write_text(text)
    with pytest.raises(MechprobeError, match="does not run as the published script") as caught:
        peer_trainer(tmp_path, KINDS[0], 0, n=100)()
    assert str(tmp_path) in str(caught.value)


def test_a_folder_without_the_script_is_told_at_once(tmp_path: Path):
    done = mechprobe("bench", "training", "--peer", tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"mechprobe: {tmp_path}: holds no memory_exp.py;"
        " give a checkout of SPOC-group/counting-attention"
    ]


class Here:
    """A side without a process of its own."""

    def run(self, work, *given):
        return work(*given)

    def begin(self, work, *given):
        return lambda: work(*given)

    def close(self):
        pass


def test_every_side_is_measured_in_every_round(tmp_path, monkeypatch):
    """The whole run at a tiny size."""
    (tmp_path / "memory_exp.py").write_text(PEER)
    monkeypatch.setitem(sys.modules, "wandb", None)
    for name, value in (("ROUNDS", 2), ("STEPS", 5), ("EPOCH", 64), ("Side", Here)):
        monkeypatch.setattr(training_bench, name, value)
    found, peak = training_bench.compare(["dot", "lin"], tmp_path, 0)
    assert [one.kind for one in found] == ["dot", "lin"]
    for one in found:
        assert list(one.others) == ["plain", "published"]
        assert all(len(s) == 2 and min(s) > 0 for s in (one.ours, *one.others.values()))
    assert peak > 0
    monkeypatch.setattr(training_bench, "cores", lambda: 3)
    assert list(training_bench.over_cores("dot", 0)) == [1, 2, 3]


def test_a_side_is_another_process_of_one_thread():
    with closing(training_bench.Side()) as side:
        assert side.run(os.getpid) != os.getpid()
        assert side.run(torch.get_num_threads) == 1
