"""Models out of a sweep, as checkpoints."""

from pathlib import Path

from mechprobe.analyses.sweeps.shards import shards_of
from mechprobe.analyses.sweeps.store import Store
from mechprobe.models import HookedTransformer, MechprobeError, save
from mechprobe.models.base.folders import whole_folder
from mechprobe.models.base.registry import nearest


def extract(folder: Path, name: str, out: Path) -> list[Path]:
    """Write a model's checkpoint; of a sweep with snapshots, one a step below `out`.

    Raises:
        MechprobeError: no such sweep or model, its shard is not done, or `out` is taken.
    """
    store = Store(folder)
    shards = shards_of(store.grid())
    members = {m.name: (m, shard) for shard in shards for m in shard.members}
    if name not in members:
        hint = nearest(name, members)
        raise MechprobeError(f"{folder}: no model {name!r} in this sweep; {hint}")
    if out.exists():
        raise MechprobeError(f"{out}: is there already; choose another --out or remove it")
    member, shard = members[name]
    found = store.weights(shard, name)
    if not found:
        raise MechprobeError(f"{store.path(shard)}: holds no {name}; remove it and sweep again")
    config, meta = member.trainee.config, member.trainee.meta()
    shots = {step: weights for step, weights in found.items() if step is not None}
    if not shots:
        save(HookedTransformer(config, found[None]), out, meta)
        return [out]
    digits = len(str(max(shots)))
    names = {step: f"step-{step:0{digits}d}" for step in sorted(shots)}
    with whole_folder(out) as temporary:
        for step, label in names.items():
            save(HookedTransformer(config, shots[step]), temporary / label, meta | {"step": step})
    return [out / label for label in names.values()]
