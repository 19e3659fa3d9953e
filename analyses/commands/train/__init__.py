"""`mechprobe train`: counting transformers as checkpoints."""

from pathlib import Path

import click

from mechprobe.analyses.common import options
from mechprobe.analyses.common.console import report_problems, tell
from mechprobe.analyses.common.groups import examples
from mechprobe.analyses.common.paths import PATH


@click.command(
    epilog=examples(
        "mechprobe train bos --T 8 --L 6 --out my_counter",
        "mechprobe train dot --models 4 --out my_counters",
    )
)
@click.argument("architecture")
@click.option("--T", "T", type=int, default=16, show_default=True, help="Alphabet size.")
@click.option("--L", "L", type=int, default=10, show_default=True, help="Sequence length.")
@click.option("--d", type=int, default=32, show_default=True, help="Width of the embeddings.")
@click.option("--p", type=int, default=32, show_default=True, help="Hidden neurons.")
@click.option(
    "--embeddings",
    type=click.Choice(["trained", "fixed"]),
    default="trained",
    show_default=True,
    help="Of the tokens: learned, or random and fixed (appendix of arXiv:2407.11542).",
)
@click.option(
    "--models",
    type=click.IntRange(1, 10_000),
    default=1,
    show_default=True,
    help="Models to train in one stack, with seeds SEED, SEED + 1, ...",
)
@click.option(
    "--preset",
    type=click.Choice(["fast", "published"]),
    default="fast",
    show_default=True,
    help="Steps, batch, rate and schedule: ours, or those of arXiv:2407.11542.",
)
@click.option("--steps", type=int, help="[default: 5000 fast, 156500 published]")
@click.option("--batch", type=int, help="[default: 64 fast, 32 published]")
@click.option(
    "--lr", type=float, help="Peak learning rate.  [default: 0.005 fast, 0.001 published]"
)
@click.option(
    "--snapshots",
    type=click.IntRange(min=1),
    help="Keep so many checkpoints, at log-spaced steps, for `mechprobe dynamics`.",
)
@options.big_seed("Of the first model.")
@click.option(
    "--out",
    type=PATH,
    required=True,
    help="Checkpoint folder; a folder of checkpoints with --models above 1 or --snapshots.",
)
@click.option("--force", is_flag=True, help="Replace checkpoints that are there.")
def train(
    architecture: str, T: int, L: int, d: int, p: int, embeddings: str, models: int, preset: str,
    steps: int | None, batch: int | None, lr: float | None, snapshots: int | None, seed: int,
    out: Path, force: bool,
) -> int:  # fmt: skip
    """Train counting transformers of one ARCHITECTURE (bos, bos+sftm, dot, ...)."""
    from mechprobe.analyses.commands.train.training import (
        plan_of,
        train_checkpoints,
        train_snapshots,
    )
    from mechprobe.models import CountingConfig

    config = CountingConfig.of(architecture, T=T, L=L, d=d, p=p, embeddings=embeddings)
    plan = plan_of(preset, steps, batch, lr)
    seeds = range(seed, seed + models)
    if snapshots is None:
        outcome = train_checkpoints(config, plan, seeds, out, force=force)
    elif force:
        raise click.UsageError(
            "--force is of checkpoints, not of runs of snapshots; choose another --out"
        )
    else:
        outcome = train_snapshots(config, plan, seeds, snapshots, out)
    for path, accuracy in outcome.made:
        tell(f"{path}  accuracy {accuracy:.3f}")
    return report_problems(outcome.problems)
