# %% [markdown]
# # The two papers
#
# What the suite reproduces, in small. Full runs are studies: `mechprobe study counting-phase-diagram` (6 minutes on two
# cores) and `mechprobe study attention-phase-transition` (20 minutes) write pages with every figure beside the published
# one; see [reproduce the papers](../reproduce.md).

# %%
import os

import matplotlib.pyplot as plt
import mechprobe
import torch

QUICK = os.environ.get("MECHPROBE_QUICK") == "1"

# %% [markdown]
# ## Counting in small transformers (arXiv:2407.11542)
#
# With as many dimensions as tokens, a model that compares tokens counts with one neuron; a look-up needs about a neuron
# a token. Both as the paper builds them:

# %%
built = {
    name: mechprobe.construct(name, T=8, L=6)
    for name in ("dot", "bos", "bos+sftm", "lin", "dot+sftm", "lin+sftm")
}
labels = mechprobe.label_many(built, workers=1)
frame = labels.to_frame()
frame["neurons"] = [model.config.p for model in built.values()]
frame[["model", "neurons", "counting", "attention", "accuracy", "kappa"]]

# %% [markdown]
# ## A phase transition (arXiv:2402.03902)
#
# A solvable attention model has a positional and a semantic minimum. Both are trained here from their own starts, over the
# number of sequences alpha = n / d, at d = 200 (the paper and the study: 1000). In the study alpha_c is 1.2515 +- 0.0004 at
# omega = 0.3.

# %%
from mechprobe.models.families.solvable import Dataset, Problems, initial, minimise, start

config = mechprobe.SolvableConfig.of(d=100 if QUICK else 200, omega=0.3)
alphas = [0.8, 1.6] if QUICK else [0.6, 0.9, 1.2, 1.5, 1.8, 2.1]
loss = {"semantic": [], "positional": []}
for alpha in alphas:
    generator = torch.Generator().manual_seed(0)
    weights = initial(config, generator)
    data = Dataset.draw(config, weights, int(alpha * config.d), generator)
    starts = [start(kind, config, weights["Q_star"], generator) for kind in loss]
    fit = minimise(Problems.of(config, data, [0.3, 0.3]), torch.stack(starts))
    for kind, value in zip(loss, fit.loss):
        loss[kind].append(float(value) / config.d)

# %%
figure, axes = plt.subplots(figsize=(4.2, 3), layout="constrained")
for kind, values in loss.items():
    axes.plot(alphas, values, marker="o", label=kind)
axes.axvline(1.2515, color="grey", ls=":", label="alpha_c of the theory")
axes.set(xlabel="alpha", ylabel="training loss / d", title="Two minima, one data set each")
axes.legend(fontsize=8)
# %% [markdown]
# The student's label says which minimum it is in.

# %%
student = mechprobe.HookedTransformer(config, weights | {"Q": fit.Q[0]})
mechprobe.label(student)
