"""`mechprobe construct`: models with a known mechanism."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.console import tell
from mechprobe.analyses.common.groups import examples
from mechprobe.analyses.common.paths import PATH

if TYPE_CHECKING:
    from mechprobe.models.families.counting.constructions import Construction


@click.command(
    epilog=examples(
        "mechprobe construct --list",
        "mechprobe construct dot-relation-split --T 8 --L 6 --out my_counter",
    )
)
@click.argument("name", required=False)
@click.option("--list", "listing", is_flag=True, help="Show every construction, planted ones last.")
@click.option("--T", "T", type=int, default=16, show_default=True, help="Alphabet size.")
@click.option("--L", "L", type=int, default=10, show_default=True, help="Sequence length.")
@click.option("--alpha", type=float, help="Share of the relation-based part (blends only).")
@click.option("--groups", type=int, help="Number of counters (dot-relation-groups only).")
@options.big_seed("Of the random parts.")
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
        planted = [known for known in CONSTRUCTIONS.values() if known.plant is not None]
        for known in CONSTRUCTIONS.values():
            if known not in planted:
                tell(_line(known) + (f" [--{known.option}]" if known.option else ""))
        tell("\nPlanted, to test labels on; those marked * are kept out of tuning:")
        for known in planted:
            tell(_line(known) + (" *" if known.held_out else ""))
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


def _line(known: "Construction") -> str:
    """Name, counting, attention and summary in columns."""
    attention = known.attention or "-"
    return f"{known.name:24s} {known.counting:16s} {attention:11s} {known.summary}"
