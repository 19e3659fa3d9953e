# %% [markdown]
# # Five minutes
#
# A small transformer counts how often each token of a sequence occurs. *How* does it count? Here are two models that were
# built by hand, so that the answer is known.

# %%
import mechprobe

shared = mechprobe.construct("bos+sftm", T=8, L=6)
looked_up = mechprobe.construct("bos+sftm-lookup", T=8, L=6)
shared

# %% [markdown]
# A label says which mechanism a model uses, how sure that is, and why.

# %%
labels = mechprobe.label_many({"shared": shared, "looked up": looked_up}, workers=1)
labels

# %%
labels["shared"]

# %% [markdown]
# The numbers behind the labels are a table.

# %%
frame = labels.to_frame()
frame[
    [
        "model",
        "counting",
        "counting_confidence",
        "kappa",
        "lost",
        "interchange_relation",
        "interchange_inventory",
    ]
]

# %% [markdown]
# `kappa` is how far tokens follow each other's counts: 1 for one counter that all share, 0 for a look-up for each token. A
# probe shows it token by token. Its figure goes into any axes, at the width of a paper's column.

# %%
import matplotlib.pyplot as plt

figure, both = plt.subplots(1, 2, figsize=(6.5, 2.8), layout="constrained")
for axes, (name, model) in zip(both, {"shared": shared, "looked up": looked_up}.items()):
    mechprobe.find_probe("count-transport")(model).figure(ax=axes)
    axes.set_title(name)

# %%
mechprobe.find_probe("count-transport")(shared)

# %% [markdown]
# `mechprobe.study(model, name=...)` runs every probe, and `mechprobe report` makes a page of it.
