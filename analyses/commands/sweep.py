"""The commands `mechprobe sweep counting | status | extract`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mechprobe.analyses.common.console import tell
from mechprobe.analyses.common.groups import Group, examples
from mechprobe.analyses.common.paths import PATH

Command = TypeVar("Command", bound=Callable[..., object])
# As in analyses.sweeps.engines and models, whose import takes longer than a help page may.
ENGINES, SCHEDULES, PRESETS, EMBEDDINGS = (
    ("local", "dask", "ray"),
    ("cosine", "constant"),
    ("fast", "published"),
    ("trained", "fixed"),
)


def _listed(kind: Callable[[str], Any], word: str) -> Callable[..., list[Any] | None]:
    def parse(ctx: click.Context, param: click.Parameter, value: str | None) -> list[Any] | None:
        if value is None:
            return None
        try:
            return [kind(entry.strip()) for entry in value.split(",")]
        except ValueError:
            raise click.BadParameter(
                f"{value!r}: {word} with commas in between are wanted", ctx, param
            ) from None

    return parse


@click.group(
    cls=Group,
    epilog=examples(
        "mechprobe sweep counting --d 4,8 --p 8,32 --out runs/sweep",
        "mechprobe sweep status runs/sweep",
    ),
)
def sweep() -> None:
    """Train, probe and label grids of models, and look at them."""


@sweep.command(
    epilog=examples(
        "mechprobe sweep counting --d 4,8,16 --p 8,32 --out runs/sweep",
        "mechprobe sweep counting --grid grid.toml --workers 2 --out runs/sweep",
    )
)
@click.option(
    "--grid",
    "grid_file",
    type=PATH,
    help="A grid as TOML file.",
)
@click.option("--T", "T", type=int, help="Alphabet size.  [default: 32]")
@click.option("--L", "L", type=int, help="Sequence length.  [default: 10]")
@click.option("--d", callback=_listed(int, "numbers"), help="Widths, as in 4,8,16.")
@click.option("--p", callback=_listed(int, "numbers"), help="Hidden neurons, as in 2,8,32.")
@click.option("--arch", callback=_listed(str, "names"), help="Architectures.  [default: all]")
@click.option("--embeddings", type=click.Choice(EMBEDDINGS), help="Learned or random and fixed.")
@click.option("--seeds", type=int, help="Models a cell and learning rate.  [default: 1]")
@click.option("--seed", type=int, help="The first seed; also of the probes.  [default: 0]")
@click.option("--lr", callback=_listed(float, "numbers"), help="Peak learning rates.")
@click.option("--preset", type=click.Choice(PRESETS), help="Plan to start from.  [default: fast]")
@click.option("--steps", type=int, help="Optimiser steps, instead of the preset's.")
@click.option("--batch", type=int, help="Sequences a step, instead of the preset's.")
@click.option("--schedule", type=click.Choice(SCHEDULES), help="Instead of the preset's.")
@click.option("--snapshots", type=int, help="Keep weights at so many log-spaced steps.")
@click.option("--device", help="cpu, or a CUDA device.  [default: cpu]")
@click.option(
    "--out",
    type=PATH,
    required=True,
    help="The sweep's folder.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Shards at once.  [default: all cores]")
@click.option("--engine", type=click.Choice(ENGINES), default="local", show_default=True)
@click.option("--address", help="Of a Dask or Ray cluster; without, one is started here.")
def counting(
    grid_file: Path | None, preset: str | None, out: Path, workers: int | None, engine: str,
    address: str | None, **settings: Any,
) -> None:  # fmt: skip
    """Sweep counting transformers over d, p, architecture, seed and learning rate.

    The same command goes on where it was stopped.
    """
    from mechprobe.analyses.sweeps.grid import Grid
    from mechprobe.analyses.sweeps.run import sweep as run
    from mechprobe.analyses.sweeps.summary import summary

    given = {name: value for name, value in settings.items() if value is not None}
    if address is not None and engine == "local":
        raise click.UsageError("--address is of a cluster; choose --engine dask or ray")
    if grid_file is not None:
        if given or preset is not None:
            raise click.UsageError("--grid says it all; leave the other settings out")
        grid = Grid.read(grid_file)
    else:
        grid = _grid_of(given, preset or "fast")
    rows = run(out, grid, engine=engine, workers=workers, address=address)  # type: ignore[arg-type]
    tell(summary(rows))
    tell(f"table: {out / 'results.parquet'}")


def _grid_of(given: dict[str, Any], preset: str) -> Any:
    from mechprobe.analyses.sweeps.grid import Grid
    from mechprobe.models.families.counting import PRESETS as PLANS

    for name in ("d", "p"):
        if name not in given:
            raise click.UsageError(f"--{name} is wanted, or --grid FILE")
    plan = PLANS[preset]
    base = {
        "steps": plan.steps, "batch": plan.batch, "schedule": plan.schedule, "lr": [plan.lr],
    }  # fmt: skip
    return Grid.checked(base | given)


@sweep.command(epilog=examples("mechprobe sweep status runs/sweep"))
@click.argument("run", type=PATH)
def status(run: Path) -> None:
    """Say how far the sweep in RUN is: models done, accuracy so far, time left."""
    from mechprobe.analyses.sweeps.status import status as look
    from mechprobe.analyses.sweeps.store import Store

    tell(look(Store(run)).text())


@sweep.command(epilog=examples("mechprobe sweep extract runs/sweep MODEL --out my_counter"))
@click.argument("run", type=PATH)
@click.argument("model")
@click.option(
    "--out",
    type=PATH,
    required=True,
    help="Checkpoint folder.",
)
@click.option("--force", is_flag=True, help="Replace a checkpoint that is there.")
def extract(run: Path, model: str, out: Path, force: bool) -> None:
    """Write MODEL of the sweep in RUN as a checkpoint; its snapshots too, where it has some."""
    from mechprobe.analyses.sweeps.extract import extract as take

    for path in take(run, model, out, force=force):
        tell(str(path))
