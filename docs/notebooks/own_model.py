# %% [markdown]
# # Your own model
#
# A counter written in plain PyTorch, with names of its own: two heads, one matrix for queries, keys and values, a gelu. Token
# ids are 0 to T-1, the token T begins every sequence, and logit c says "this token occurs c times".

# %%
import math
import os

import mechprobe
import torch
from torch import nn
from torch.nn import functional

QUICK = os.environ.get("MECHPROBE_QUICK") == "1"
T, L = 6, 4


class Counter(nn.Module):
    def __init__(self, d=16, p=32):
        super().__init__()
        self.tok = nn.Embedding(T + 1, d)
        self.n1, self.n2, self.norm = (nn.LayerNorm(d) for _ in range(3))
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down, self.head = nn.Linear(d, p), nn.Linear(p, d), nn.Linear(d, L + 1)

    def forward(self, tokens):
        x = self.tok(tokens)
        q, k, v = self.qkv(self.n1(x)).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        z = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v
        x = x + self.out(z.transpose(1, 2).flatten(2))
        return self.head(self.norm(x + self.down(functional.gelu(self.up(self.n2(x))))))


# %% [markdown]
# Train it on the task's own sequences.

# %%
torch.manual_seed(0)
task, counter = mechprobe.HistogramTask(T=T, L=L, bos=True), Counter()
draws, adam = torch.Generator().manual_seed(0), torch.optim.Adam(counter.parameters(), 1e-2)
for _ in range(100 if QUICK else 300):
    tokens = task.sample(128, draws)
    adam.zero_grad()
    logits = counter(tokens)[:, 1:]  # not at the first token
    functional.cross_entropy(logits.flatten(0, 1), task.targets(tokens).flatten()).backward()
    adam.step()

# %% [markdown]
# A mapping says which of its names is which part. What tensors do not show is found by comparing logits with the module.

# %%
names = {"embed": "tok", "ln1": ["n1"], "qkv": ["qkv"], "o": ["out"], "ln2": ["n2"]}
names |= {"mlp_in": ["up"], "mlp_out": ["down"], "ln_final": "norm", "unembed": "head"}
model = mechprobe.from_torch(counter, names, task)
print(*model.taken, sep="\n")

# %%
label = mechprobe.label(model)
label

# %%
label.to_frame()[["verdict", "accuracy", "counting_confidence", "kappa"]]

# %% [markdown]
# Every probe that reads models that count reads this one.

# %%
studied = mechprobe.study(model, name="mine", probes=["count-transport", "bos-anchoring"])
studied

# %%
studied.probe("bos-anchoring").figure()
