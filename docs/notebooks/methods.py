# %% [markdown]
# # Which methods find a known mechanism?
#
# `mechprobe bench methods` shows models whose mechanism is known to seven methods of interpretability and counts who is
# wrong ([results](../methods.md)). Here are two models, and the scores that every method gives them.

# %%
import mechprobe
from mechprobe.analyses.bench.methods import ask
from mechprobe.analyses.bench.methods.registry import METHODS

shared = mechprobe.construct("dot", T=6, L=5)
looked_up = mechprobe.construct("dot-lookup", T=6, L=5)
sorted(METHODS)

# %%
import pandas as pd

FAST = ["activation-patching", "attention-patterns", "mechprobe-rule", "sparse-probing"]
rows = []
for name, model in {"shared": shared, "looked up": looked_up}.items():
    for method in FAST:
        scores = ask(method, model, model.task()).scores
        rows.append({"model": name, "method": method, "says": max(scores, key=scores.get)})
pd.DataFrame(rows).pivot(index="method", columns="model", values="says")

# %% [markdown]
# A method of your own is a function that joins by an entry point ([how](../methods.md)).
