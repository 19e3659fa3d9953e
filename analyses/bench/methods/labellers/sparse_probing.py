"""Sparse probing: does one neuron tell large counts from small ones, whatever the token?"""

from collections.abc import Mapping

import torch
from transformer_lens.tools.analysis.sparse_probing import fit_sparse_probe

from mechprobe.analyses.bench.methods.registry import method
from mechprobe.analyses.bench.methods.sharing import accuracy_of, balanced, by_share
from mechprobe.models import HistogramTask, HookedTransformer
from mechprobe.probes.draws import generator

REPS = 8  # sequences of a (token, count)


@method("sparse-probing", source="Gurnee et al., arXiv:2305.01610; TransformerLens")
def sparse_probing(model: HookedTransformer, task: HistogramTask, seed: int) -> Mapping[str, float]:
    """How well the best single neuron tells large counts from small ones, on held-out tokens."""
    draws = generator(seed, "sparse probing")
    places = balanced(task, REPS, draws)
    hook = f"blocks.{model.cfg.n_layers - 1}.mlp.hook_post"
    with torch.no_grad():
        _, cache = model.run_with_cache(places.inputs, names_filter=hook)
    neurons = cache[hook][torch.arange(len(places.at)), places.at].double()
    large = (places.counts > (task.counts + 1) / 2).long()
    found = fit_sparse_probe(
        neurons, large, k=1, groups=places.token, preprocess="standardize", seed=seed
    )
    area = found.metrics.roc_auc
    return by_share(accuracy_of(model, task, draws), 2 * abs(area - 0.5))
