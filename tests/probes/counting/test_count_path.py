"""Paths of counts in models built by hand, where writers and readers are known."""

from collections.abc import Callable

import pytest
import torch
from transformer_lens.model_bridge import TransformerBridge

from mechprobe.models import (
    CountingConfig,
    HookedTransformer,
    TaskDescription,
    TransformerConfig,
    construct,
    wrap,
)
from mechprobe.models.base.weights import Weights
from mechprobe.models.families.counting import initial
from mechprobe.models.families.foreign.compiled import compiled_counter
from mechprobe.models.families.transformer import initial as drawn
from mechprobe.probes import ProbeResult, find_probe
from mechprobe.probes.counting.causal.count_path import fewest_heads, first_of_best
from mechprobe.probes.counting.pairs import CountPairs, count_pairs
from mechprobe.probes.counting.paths import CountPaths
from mechprobe.probes.reading import context_for

T, L = 6, 6
IS_BOS, FRACTION, COPY, ANSWER = T, T + 1, T + 2, T + 3
D = ANSWER + L + 1
SELECTED = 20.0
VALUES = torch.tensor([1 / (1 + c) for c in range(L + 1)], dtype=torch.float64)
SURE = 400.0


def counter(
    writers: dict[tuple[int, int], float],
    reader: int | None = None,
    relay: tuple[int, int] | None = None,
) -> HookedTransformer:
    """Two blocks of two heads that count exactly; heads and layers not named do nothing.

    Args:
        writers: (block, head) and which part of 1 / (1 + count) it writes.
        reader: block of the feed-forward layer that turns it into answers; the unembedding does
            where left out.
        relay: a head that copies what others wrote from positions with its own token; what it
            copies is read.
    """
    config = TransformerConfig.checked(
        {
            "T": T, "L": L, "d": D, "p": 1, "bos": True, "n_layers": 2, "n_heads": 2,
            "d_head": T + 1, "values": "value-output", "readout": "unembed",
        }
    )  # fmt: skip
    w = {n: 0 * v.double() for n, v in drawn(config, torch.Generator()).items()}
    w["W_E"][:, : T + 1] = torch.eye(T + 1)
    for (block, head), part in writers.items():
        _select_same(w, block, head)
        w[f"blocks.{block}.W_K"][head, IS_BOS, :T] = 1
        w[f"blocks.{block}.W_V"][head, IS_BOS, 0] = part
        w[f"blocks.{block}.W_O"][head, 0, FRACTION] = 1
    source = FRACTION
    if relay is not None:
        block, head = relay
        _select_same(w, block, head)
        w[f"blocks.{block}.W_V"][head, FRACTION, 0] = 1
        w[f"blocks.{block}.W_O"][head, 0, COPY] = 1
        source = COPY
    # The nearest of the values 1 / (1 + c) has the largest 2 v x - v^2.
    if reader is None:
        w["W_U"][source] = 2 * SURE * VALUES
        w["b_U"] = -SURE * VALUES**2
    else:
        w[f"blocks.{reader}.W_in"][source, 0] = 1
        w[f"blocks.{reader}.W_out"][0, ANSWER:] = 2 * SURE * VALUES
        w[f"blocks.{reader}.b_out"][ANSWER:] = -SURE * VALUES**2
        w["W_U"][ANSWER:] = torch.eye(L + 1)
    return HookedTransformer(config, w)


def _select_same(w: Weights, block: int, head: int) -> None:
    w[f"blocks.{block}.W_Q"][head, :T, :T] = SELECTED * (T + 1) ** 0.5 * torch.eye(T)
    w[f"blocks.{block}.W_K"][head, :T, :T] = torch.eye(T)


def measured(model: HookedTransformer) -> tuple[ProbeResult, dict[str, float]]:
    result = find_probe("count-path")(model)
    return result, {name: result.value(name) for name in result.metrics}


@pytest.mark.parametrize("name", ["dot", "bos+sftm", "lin", "dot-lookup"])
def test_one_head_writes_and_one_layer_reads(name: str) -> None:
    result, found = measured(construct(name, T=8, L=6))
    for share in ("writer_share", "mlp_share", "writer_taken", "right"):
        assert found[share] == pytest.approx(1.0)
    assert found["writers"] == 1
    assert found["direct_share"] == found["elsewhere"] == found["mlp_block"] == 0
    assert result.metrics["head_share"].value is None
    arrays = result.arrays
    assert arrays["resid_pre"].tolist() == [[0.0, pytest.approx(1.0)]]
    assert arrays["attn_out"].tolist() == [[pytest.approx(1.0), 0.0]]
    # A constant matrix has no queries.
    assert bool(torch.tensor(arrays["read_by_q"]).isnan().all()) == (name == "lin")
    assert "the feed-forward layer of block 0 (100%)" in result.words


def test_the_compiled_counter_of_the_foreign_path() -> None:
    _, found = measured(compiled_counter(T=8, L=6))
    for share in ("writer_share", "mlp_share", "writer_taken", "right"):
        assert found[share] == pytest.approx(1.0, abs=1e-5)
    assert found["direct_share"] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(
    ("writer", "reader"), [((0, 0), 0), ((0, 1), 1), ((1, 0), 1), ((1, 1), None), ((0, 1), None)]
)
def test_writer_and_reader_are_found(writer: tuple[int, int], reader: int | None) -> None:
    result, found = measured(counter({writer: 1.0}, reader))
    assert found["right"] == found["writer_taken"] == found["writers"] == 1
    assert (found["writer_block"], found["writer_head"]) == writer
    alone = torch.zeros(2, 2).double()
    alone[writer] = 1
    for array in ("writers", "heads_everywhere"):
        torch.testing.assert_close(torch.tensor(result.arrays[array]), alone)
    read = torch.zeros(2).double()
    if reader is not None:
        read[reader] = 1
        assert found["mlp_block"] == reader
    torch.testing.assert_close(torch.tensor(result.arrays["read_by_mlp"]), read)
    assert found["direct_share"] == pytest.approx(float(reader is None))
    assert found["head_share"] == pytest.approx(0, abs=1e-6)
    assert found["elsewhere"] == pytest.approx(0, abs=1e-6)
    head = f"written by head {writer[1]} of block {writer[0]} (100% of the answer's change)"
    name = "the answer itself" if reader is None else f"the feed-forward layer of block {reader}"
    assert f"{head} and read by {name}" in result.words


def test_two_writers_share() -> None:
    result, found = measured(counter({(0, 1): 0.7, (1, 0): 0.3}, reader=1))
    shares = torch.tensor([[0.0, 0.7], [0.3, 0.0]]).double()
    torch.testing.assert_close(torch.tensor(result.arrays["writers"]), shares, atol=1e-6, rtol=0)
    assert found["writers"] == 2
    assert "written by 2 heads (strongest: head 1 of block 0, 70% of the answer" in result.words
    assert "add up" not in result.words


def test_the_figure_has_every_reader_and_says_where_its_colours_end() -> None:
    result, found = measured(counter({(0, 1): 0.7, (1, 0): 0.3}))
    assert found["direct_share"] == pytest.approx(1)
    _, reads, *_ = find_probe("count-path").draw(result).axes
    assert [text.get_text() for text in reads.get_xticklabels()][-1] == "unem-\nbedding"
    shown = reads.collections[0].get_array().reshape(2, 4)
    assert shown[1, 3] == pytest.approx(1)
    assert bool(shown.mask[0, 3])
    assert reads.collections[0].get_clim() == (0, 1)

    def bars(result: ProbeResult) -> list[str]:
        axes = find_probe("count-path").draw(result).axes
        return [one.get_ylabel() for one in axes if "share" in one.get_ylabel()]

    assert not any("colours end" in text for text in bars(result))
    result.arrays["writers"] = result.arrays["writers"] - 0.2
    assert "colours end at 0 and 1" in bars(result)[0]


def test_a_relay_reads_by_its_values() -> None:
    """Block 0 counts at every position, block 1 fetches counts from positions with its token."""
    result, found = measured(counter({(0, 0): 1.0}, reader=1, relay=(1, 1)))
    assert (found["writer_block"], found["writer_head"], found["head_block"]) == (1, 1, 1)
    assert found["head_number"] == 1
    assert found["writer_share"] == pytest.approx(1.0)
    assert found["head_share"] > 0.5
    assert found["elsewhere"] > 0.25
    assert result.arrays["heads_everywhere"][0, 0] == pytest.approx(found["head_share"], abs=1e-6)
    values = torch.tensor(result.arrays["read_by_v"])
    assert values[1, 1] == pytest.approx(found["head_share"])
    assert values.count_nonzero() == 1
    assert not result.arrays["read_by_q"].any()
    assert not result.arrays["read_by_k"].any()
    assert "the values of head 1 of block 1" in result.words
    assert "need not add up" in result.words
    assert "by way of other positions" in result.words


def pairs_of(model: HookedTransformer) -> CountPairs:
    return count_pairs(context_for(model, None, 0))


@pytest.mark.parametrize(("name", "sizes"), [("bos", (9, 7)), ("lin", (4, 3)), ("dot", (200, 5))])
def test_pairs_differ_in_one_count_alone(name: str, sizes: tuple[int, int]) -> None:
    model = HookedTransformer(
        config := CountingConfig.of(name, T=sizes[0], L=sizes[1], d=4, p=4),
        initial(config, torch.Generator().manual_seed(0)),
    )
    pairs = pairs_of(model)
    tokens, partner, at = pairs.tokens, pairs.partner(pairs.tokens), pairs.position
    assert len(tokens) == 256
    marked = tokens[:, at]
    assert torch.equal(marked, partner[:, at])
    assert torch.equal((tokens == marked[:, None]).sum(1), pairs.counts)
    assert torch.equal((partner == marked[:, None]).sum(1), pairs.wanted)
    # Where they differ, one of them has the marked token and the other has not.
    differ = tokens != partner
    change = (pairs.wanted - pairs.counts).abs()
    assert torch.equal(differ.sum(1), change)
    assert bool(((tokens == marked[:, None]) ^ (partner == marked[:, None]))[differ].all())
    assert set(change.tolist()) == ({1} if sizes[1] == 3 else {1, 2})
    assert set(pairs.counts.tolist()) == set(range(1, sizes[1]))
    times = marked.bincount(minlength=sizes[0])
    assert times[: sizes[0]].max() <= times[: sizes[0]].min() + 2
    if config.bos:
        assert bool((tokens[:, 0] == config.T).all())


def random_model(**changes: object) -> HookedTransformer:
    """Two blocks of two heads with positions and LayerNorms."""
    kind = {"n_layers": 2, "n_heads": 2, "bos": True, "norm": "pre", **changes}
    config = TransformerConfig.standard(T=5, L=5, d=8, p=12, **kind)
    weights = drawn(config, torch.Generator().manual_seed(1))
    return HookedTransformer(config, {n: v.double() for n, v in weights.items()})


def write(values: dict[str, torch.Tensor]) -> list[tuple[str, Callable[..., torch.Tensor]]]:
    return [(name, lambda _, hook, value=value: value) for name, value in values.items()]


@torch.no_grad()
def test_shares_by_hand() -> None:
    """One patch of each kind, on a model at random."""
    model = random_model()
    pairs = pairs_of(model)
    paths = CountPaths(model, pairs)
    tokens, other, at = pairs.tokens, pairs.partner(pairs.tokens), pairs.position
    _, own = model.run_with_cache(tokens)
    _, clean = model.run_with_cache(other)

    def metric(logits: torch.Tensor) -> float:
        rows = zip(logits[:, at], pairs.wanted, pairs.counts, strict=True)
        return sum(float(row[a] - row[b]) for row, a, b in rows) / len(tokens)

    def check(found: torch.Tensor, values: dict[str, torch.Tensor]) -> None:
        start, end = metric(model(tokens)), metric(model(other))
        by_hand = metric(model.run_with_hooks(tokens, fwd_hooks=write(values)))
        assert abs(by_hand - start) > 1e-5
        assert found.item() == pytest.approx((by_hand - start) / (end - start), rel=1e-5)

    def patched(name: str, *where: object) -> dict[str, torch.Tensor]:
        out = own[name].clone()
        out[where] = clean[name][where]
        return {name: out}

    every = slice(None)
    check(paths.heads_here()[1, 1], patched("blocks.1.attn.hook_z", every, at, 1))
    both = patched("blocks.1.attn.hook_z", every, at)
    check(paths.share(paths.together([(1, 0), (1, 1)])), both)
    check(paths.heads_everywhere()[0, 0], patched("blocks.0.attn.hook_z", every, every, 0))
    others = [i for i in range(tokens.shape[1]) if i != at]
    check(paths.elsewhere("attn_out")[0], patched("blocks.0.hook_attn_out", every, others))
    check(paths.here("resid_pre", paths.partners)[1], patched("blocks.1.hook_resid_pre", every, at))

    # Readers see what the attention wrote, and not what other feed-forward layers made of it.
    names = [f"blocks.{block}.hook_attn_out" for block in (0, 1)]
    stream = own["blocks.0.hook_resid_post"] + clean[names[0]] - own[names[0]]
    with model.hooks(
        fwd_hooks=write({"blocks.1.hook_resid_pre": stream, names[1]: clean[names[1]]})
    ):
        _, seen = model.run_with_cache(tokens)
    keys = own["blocks.1.attn.hook_k"].clone()
    keys[:, :, 0] = seen["blocks.1.attn.hook_k"][:, :, 0]
    check(paths.read_by_heads("k")[1, 0], {"blocks.1.attn.hook_k": keys})
    out = own["blocks.1.hook_mlp_out"].clone()
    out[:, at] = seen["blocks.1.hook_mlp_out"][:, at]
    check(paths.here("mlp_out", paths.written)[1], {"blocks.1.hook_mlp_out": out})
    stream = own["blocks.1.hook_resid_post"] + sum(clean[name] - own[name] for name in names)
    check(torch.tensor(paths.read_directly), {"blocks.1.hook_resid_post": stream})


KINDS = {
    "raw values": {"values": "raw", "readout": "classes", "biases": False},
    "constant mixing": {"mixing": "lin", "values": "value", "biases": False},
    "no residual": {"residual": False, "norm": "mlp", "readout": "classes"},
}


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_what_must_be_in_any_model(kind: str) -> None:
    model = random_model(**KINDS[kind])
    paths = CountPaths(model, pairs_of(model))
    # The marked token is the same: the stream starts alike, and attention brings all there is.
    assert paths.here("resid_pre", paths.partners)[0] == 0
    every = [(block, head) for block in (0, 1) for head in (0, 1)]
    assert paths.share(paths.together(every)).item() == pytest.approx(1)
    assert paths.elsewhere("resid_pre")[0].item() == pytest.approx(1)
    assert paths.elsewhere("attn_out")[1] == 0
    values = paths.read_by_heads("v")
    assert not values[0].any()
    # Without a residual nothing but feed-forward layers leads on.
    assert bool(values[1].all()) == model.config.residual
    led_past = model.config.residual and model.config.readout == "unembed"
    assert (abs(paths.read_directly) > 1e-9) == led_past
    assert bool(paths.read_by_heads("q").isnan().all()) == (kind == "constant mixing")


def test_attention_alone_with_shared_keys() -> None:
    """A bridge whose two heads share keys and values, without feed-forward layers."""
    bridge = TransformerBridge.boot_native(
        {
            "n_layers": 2, "n_heads": 2, "n_key_value_heads": 1, "d_model": 8, "d_head": 4,
            "n_ctx": L, "d_vocab": T, "d_vocab_out": L + 1, "attn_only": True, "act_fn": "relu",
            "attention_dir": "bidirectional", "normalization_type": None, "seed": 0,
        }
    )  # fmt: skip
    model = wrap(bridge, TaskDescription(L=L, tokens=tuple(range(T))))
    with torch.no_grad():
        paths = CountPaths(model, pairs_of(model))
        for part in "kv":
            read = paths.read_by_heads(part)
            assert read.shape == (2, 2)
            assert torch.equal(read[:, 0], read[:, 1])
        assert read[1].all()
        assert paths.here("mlp_out", paths.written).isnan().all()
        assert paths.elsewhere("mlp_out").isnan().all()
        assert paths.read_directly == pytest.approx(1, rel=1e-4)


def test_no_path_where_answers_do_not_follow() -> None:
    model = random_model()
    result, found = measured(model)
    assert found["right"] < 0.2
    assert result.metrics["writer_share"].value is None
    assert not result.arrays
    assert "do not follow the count" in result.words
    assert find_probe("count-path").draw(result).axes
    dead = HookedTransformer(model.config, {n: 0 * v for n, v in model.weights().items()})
    assert measured(dead)[1]["gap"] == 0


def test_first_of_best_and_fewest_heads() -> None:
    assert first_of_best(torch.tensor([[0.2, 0.8999], [0.9, 0.1]])) == (0, 1)
    assert first_of_best(torch.tensor([-0.5, -0.1])) == (1,)
    model = counter({(1, 0): 0.55, (0, 0): 0.38, (0, 1): 0.07}, reader=1)
    with torch.no_grad():
        paths = CountPaths(model, pairs_of(model))
        assert fewest_heads(paths, paths.heads_here()) == [(1, 0), (0, 0)]
