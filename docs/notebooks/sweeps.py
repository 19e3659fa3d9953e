# %% [markdown]
# # Sweeps as tables
#
# A sweep trains, probes and labels a grid of models; its results are one table. This one is tiny; `mechprobe sweep counting`
# does thousands, stops and goes on.

# %%
import os
from pathlib import Path
from tempfile import mkdtemp

from mechprobe.analyses.sweeps import Grid, read_frame, sweep

QUICK = os.environ.get("MECHPROBE_QUICK") == "1"
grid = Grid.checked(
    {
        "T": 6,
        "L": 5,
        "d": [4, 8],
        "p": [2, 8],
        "arch": ["bos", "lin+sftm"],
        "steps": 300 if QUICK else 2000,
    }
)
folder = Path(mkdtemp()) / "run"
_ = sweep(folder, grid, workers=1)

# %%
frame = read_frame(folder / "results.parquet")
frame = frame[frame.chosen]
frame[["architecture", "d", "p", "accuracy", "mechanism", "confidence"]]

# %%
frame.pivot_table(index=["architecture", "d"], columns="p", values="accuracy").round(2)

# %% [markdown]
# A solved model that cannot look up (fewer neurons than tokens) has to share a counter.

# %%
frame.groupby(["architecture", "mechanism"]).size().unstack(fill_value=0)
