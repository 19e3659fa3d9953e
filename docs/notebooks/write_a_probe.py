# %% [markdown]
# # Write a probe
#
# A probe is a function from a context (model, task, shared measurements) to metrics that it declares. How many hidden
# neurons of a model never fire?

# %%
import mechprobe
from mechprobe import Context, Measurement, MetricSpec

SILENT = MetricSpec("share of silent neurons", low=0, high=1)


@mechprobe.probe("neuron-sparsity", metrics={"silent": SILENT})
def neuron_sparsity(context: Context) -> Measurement:
    """How many hidden neurons are silent on the task's own sequences."""
    active = context.cache["blocks.0.mlp.hook_post"].mean((0, 1))
    return Measurement({"silent": (active == 0).double().mean()}, {"active": active})


model = mechprobe.construct("dot-lookup", T=8, L=6)
neuron_sparsity(model)

# %% [markdown]
# A cell that is run again, with other code, replaces the probe. This one has a figure and words.

# %%
from mechprobe import ProbeResult
from mechprobe.probes.drawing import blank


@mechprobe.probe("neuron-sparsity", metrics={"silent": SILENT}, version="2")
def neuron_sparsity(context: Context) -> Measurement:
    """How many hidden neurons are silent on the task's own sequences."""
    active = context.cache["blocks.0.mlp.hook_post"].amax((0, 1))
    return Measurement({"silent": (active == 0).double().mean()}, {"active": active})


@neuron_sparsity.figure
def draw(result: ProbeResult):
    figure, (axes,) = blank()
    axes.plot(sorted(result.arrays["active"]), marker="o")
    axes.set(xlabel="neuron (sorted)", ylabel="largest activation", title="Activity")
    return figure


@neuron_sparsity.words
def say(result: ProbeResult) -> str:
    return f"{result.value('silent'):.0%} of the neurons never fire."


neuron_sparsity(model)

# %% [markdown]
# The conformance kit tries it on models of every kind: does it break its declaration, change the model, depend on global
# state?

# %%
mechprobe.check_probe(neuron_sparsity)

# %% [markdown]
# It is in every study and report from now on, beside those that come with the package.

# %%
mechprobe.study(model, name="mine", probes=["neuron-sparsity", "readout"])
