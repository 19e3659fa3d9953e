"""`mechprobe construct`: models with a known mechanism."""

from pathlib import Path

import click

from mechprobe.analyses.common.console import tell
from mechprobe.analyses.common.paths import PATH


@click.command()
@click.argument("name", required=False)
@click.option("--list", "listing", is_flag=True, help="Show every construction and leave.")
@click.option("--T", "T", type=int, default=16, show_default=True, help="Alphabet size.")
@click.option("--L", "L", type=int, default=10, show_default=True, help="Sequence length.")
@click.option("--alpha", type=float, help="Share of the relation-based part (blends only).")
@click.option("--groups", type=int, help="Number of counters (dot-relation-groups only).")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--out", type=PATH, help="Checkpoint folder to write.")
@click.option("--force", is_flag=True, help="Replace a checkpoint that is there.")
def construct(
    name: str | None, listing: bool, T: int, L: int, alpha: float | None, groups: int | None,
    seed: int, out: Path | None, force: bool,
) -> None:  # fmt: skip
    """Build a model with known mechanism and save it."""
    from mechprobe.analyses.common.targets import refuse_taken
    from mechprobe.models import CONSTRUCTIONS, save
    from mechprobe.models import construct as build

    if listing:
        for known in CONSTRUCTIONS.values():
            option = f" [--{known.option}]" if known.option else ""
            tell(
                f"{known.name:24s} {known.counting:16s} {known.attention:11s}"
                f" {known.summary}{option}"
            )
        return
    if name is None or out is None:
        raise click.UsageError("give NAME and --out, or --list")
    refuse_taken(out, force=force)
    model = build(name, T=T, L=L, seed=seed, alpha=alpha, groups=groups)
    meta = {"origin": "construction", "construction": name, "seed": seed}
    options = {
        key: value for key, value in (("alpha", alpha), ("groups", groups)) if value is not None
    }
    save(model, out, meta | options)
    c = model.config
    tell(f"{out}  {c.architecture} T={c.T} L={c.L} d={c.d} p={c.p}")
