"""Models out of a sweep, as checkpoints."""

from pathlib import Path

from mechprobe.analyses.common.targets import refuse_taken
from mechprobe.analyses.sweeps.grid import Member
from mechprobe.analyses.sweeps.shard_file import REMOVE, STEP, digest_of, read_weights
from mechprobe.analyses.sweeps.shards import Shard
from mechprobe.analyses.sweeps.store import Store
from mechprobe.models import HookedTransformer, MechprobeError, save
from mechprobe.models.base.folders import whole_folder
from mechprobe.models.base.registry import nearest
from mechprobe.models.families.counting import Weights


def extract(folder: Path, name: str, out: Path, *, force: bool = False) -> list[Path]:
    """Write a model's checkpoint; of a sweep with snapshots, one a step below `out`.

    Args:
        folder: of the sweep.
        name: of the model.
        out: folder to write.
        force: replace a checkpoint that is there.

    Raises:
        MechprobeError: no such sweep or model, its shard is not done, is another grid's or holds
            other weights than were trained, or `out` is taken.
    """
    store = Store(folder)
    shards = store.stages().shards
    members = {m.name: (m, shard) for shard in shards for m in shard.members}
    if name not in members:
        hint = nearest(name, members)
        raise MechprobeError(f"{folder}: no model {name!r} in this sweep; {hint}")
    refuse_taken(out, force=force)
    member, shard = members[name]
    found = _as_trained(store, shard, member)
    config, meta = member.trainee.config, member.trainee.meta()
    shots = {step: weights for step, weights in found.items() if step is not None}
    if shots and force:
        raise MechprobeError(
            "--force is of checkpoints, not of runs of snapshots; choose another --out"
        )
    if not shots:
        save(HookedTransformer(config, found[None]), out, meta)
        return [out]
    digits = len(str(max(shots)))
    names = {step: f"step-{step:0{digits}d}" for step in sorted(shots)}
    with whole_folder(out) as temporary:
        for step, label in names.items():
            save(HookedTransformer(config, shots[step]), temporary / label, meta | {"step": step})
    return [out / label for label in names.values()]


def _as_trained(store: Store, shard: Shard, member: Member) -> dict[int | None, Weights]:
    """A model's weights by step, None the end, as they were when they were stored."""
    path, name = store.path(shard), member.name
    header = store.header(shard)
    if header is None:
        raise MechprobeError(f"{path}: is not there or damaged; let the sweep finish first")
    found = read_weights(path, name)
    row = next(row for row in header.rows if row["model"] == name)
    stored = {at: digest for at, digest in header.digests.items() if at.split(STEP)[0] == name}
    there = {_key(name, step): digest_of(weights) for step, weights in found.items()}
    # Files of version 1 have no digests: of the end the row tells, of snapshots nothing.
    same = there == stored if header.digests else None in found
    if same and row.get("model_hash") is not None:
        same = _fingerprint(member, found[None]) == row["model_hash"]
    if not same:
        raise MechprobeError(
            f"{path}: the weights of {name} are not those that were trained; {REMOVE}"
        )
    return found


def _key(name: str, step: int | None) -> str:
    return name if step is None else f"{name}{STEP}{step}"


def _fingerprint(member: Member, weights: Weights) -> str | None:
    try:
        return HookedTransformer(member.trainee.config, weights).fingerprint()
    except MechprobeError:  # of other shapes, or not finite
        return None
