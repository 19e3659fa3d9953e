"""The command `mechprobe`. Errors are one line on standard error and exit code 2."""

import json
import sys
from pathlib import Path
from typing import NoReturn

import click

from mechprobe.analyses.commands.dynamics import dynamics
from mechprobe.analyses.commands.sweep import sweep
from mechprobe.analyses.commands.theory import theory
from mechprobe.models.base.errors import MechprobeError


class OneLine(click.Group):
    """A group whose usage errors are one line and whose bad input ends with exit code 2."""

    def main(self, *args: object, **kwargs: object) -> NoReturn:
        """Run the command and leave the process."""
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})  # type: ignore[call-overload]
            sys.exit(code if isinstance(code, int) else 0)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(2)
        except click.ClickException as error:
            where = (
                error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
            )
            _fail(f"{error.format_message()} (see {where or 'mechprobe'} --help)")
        except MechprobeError as error:
            _fail(str(error))
        except (click.Abort, KeyboardInterrupt):
            _say("stopped; the same command goes on where it was")
            sys.exit(130)
        except BrokenPipeError:
            sys.exit(1)


def _say(text: str) -> None:
    click.echo(f"mechprobe: {' '.join(text.split())}", err=True)


def _fail(text: str) -> NoReturn:
    _say(text)
    sys.exit(2)


@click.group(cls=OneLine)
@click.version_option(package_name="mechprobe")
def main() -> None:
    """Which algorithm did this small attention model learn, and how do you know?"""


@main.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/demo"), show_default=True
)
@click.option("--quick", is_flag=True, help="Fewer models and steps, under a minute.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
def demo(out: Path, quick: bool, seed: int) -> int:
    """Train models of every architecture, label them, write a report."""
    from mechprobe.analyses.common.text import table
    from mechprobe.analyses.studies.demo.work import demo as run_demo
    from mechprobe.reports import write_report

    results, problems = run_demo(out, quick, seed)
    click.echo(table(results))
    click.echo(f"report: {write_report(out)}")
    return _report_problems(problems)


@main.command()
@click.argument("architecture")
@click.option("--T", "T", type=int, default=16, show_default=True, help="Alphabet size.")
@click.option("--L", "L", type=int, default=10, show_default=True, help="Sequence length.")
@click.option("--d", type=int, default=32, show_default=True, help="Width of the embeddings.")
@click.option("--p", type=int, default=32, show_default=True, help="Hidden neurons.")
@click.option(
    "--models",
    type=click.IntRange(min=1),
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
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Checkpoint folder; a folder of checkpoints with --models above 1 or --snapshots.",
)
def train(
    architecture: str, T: int, L: int, d: int, p: int, models: int, preset: str,
    steps: int | None, batch: int | None, lr: float | None, snapshots: int | None, seed: int,
    out: Path,
) -> None:  # fmt: skip
    """Train counting transformers of one ARCHITECTURE (bos, bos+sftm, dot, ...)."""
    from mechprobe.analyses.commands.training import plan_of, train_checkpoints, train_snapshots
    from mechprobe.models import CountingConfig

    config = CountingConfig.of(architecture, T=T, L=L, d=d, p=p)
    plan = plan_of(preset, steps, batch, lr)
    seeds = range(seed, seed + models)
    if snapshots is None:
        made = train_checkpoints(config, plan, seeds, out)
    else:
        made = train_snapshots(config, plan, seeds, snapshots, out)
    for path, accuracy in made:
        click.echo(f"{path}  accuracy {accuracy:.3f}")


@main.command()
@click.argument("name", required=False)
@click.option("--list", "listing", is_flag=True, help="Show every construction and leave.")
@click.option("--T", "T", type=int, default=16, show_default=True, help="Alphabet size.")
@click.option("--L", "L", type=int, default=10, show_default=True, help="Sequence length.")
@click.option("--alpha", type=float, help="Share of the relation-based part (blends only).")
@click.option("--groups", type=int, help="Number of counters (dot-relation-groups only).")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Checkpoint folder to write.")
def construct(
    name: str | None, listing: bool, T: int, L: int, alpha: float | None, groups: int | None,
    seed: int, out: Path | None,
) -> None:  # fmt: skip
    """Build a model with known mechanism and save it."""
    from mechprobe.models import CONSTRUCTIONS, save
    from mechprobe.models import construct as build

    if listing:
        for known in CONSTRUCTIONS.values():
            option = f" [--{known.option}]" if known.option else ""
            click.echo(
                f"{known.name:24s} {known.counting:16s} {known.attention:11s}"
                f" {known.summary}{option}"
            )
        return
    if name is None or out is None:
        raise click.UsageError("NAME and --out are wanted, or --list")
    model = build(name, T=T, L=L, seed=seed, alpha=alpha, groups=groups)
    meta = {"origin": "construction", "construction": name, "seed": seed}
    options = {
        key: value for key, value in (("alpha", alpha), ("groups", groups)) if value is not None
    }
    save(model, out, meta | options)
    c = model.config
    click.echo(f"{out}  {c.architecture} T={c.T} L={c.L} d={c.d} p={c.p}")


@main.command()
@click.option("--schema", is_flag=True, help="Print the JSON Schema of stored results and leave.")
def probes(schema: bool) -> int:
    """List the probes, those of installed packages included."""
    from mechprobe.probes import all_probes, json_schema
    from mechprobe.probes.reading import READINGS
    from mechprobe.probes.registry import PROBES

    if schema:
        click.echo(json.dumps(json_schema(), indent=2))
        return 0
    known = all_probes()
    width = max(len(name) for name in known)
    for probe in known.values():
        click.echo(f"{probe.name:{width}s}  {probe.kind:7s}  {probe.summary}  [{probe.package}]")
    return _report_problems([*PROBES.problems(), *READINGS.problems()])


@main.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
@click.option("--formats", "listing", is_flag=True, help="Show every known format and leave.")
def inspect(path: Path | None, as_json: bool, listing: bool) -> int:
    """Say what the checkpoint at PATH is and what can be measured on it."""
    from mechprobe.analyses.commands.inspecting import as_text, formats_text, inspect_path

    if listing:
        text, problems = formats_text()
        click.echo(text)
        return _report_problems(problems)
    if path is None:
        raise click.UsageError("PATH is wanted, or --formats")
    found = inspect_path(path)
    click.echo(json.dumps(found, indent=2, allow_nan=False) if as_json else as_text(found))
    return 0


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--run",
    "folder",
    type=click.Path(path_type=Path),
    help="Also run every probe and keep the results there, for `mechprobe report`.",
)
def label(paths: tuple[Path, ...], as_json: bool, seed: int, folder: Path | None) -> int:
    """Label the models at PATHS (checkpoint folders)."""
    from mechprobe.analyses.commands.labelling import as_object, as_text, label_paths, study_paths

    labelled, problems = label_paths(paths, seed)
    if folder is not None:
        good = [item.path for item in labelled]
        problems += study_paths(good, folder, seed)
    if as_json:
        click.echo(json.dumps([as_object(item) for item in labelled], indent=2, allow_nan=False))
    else:
        for item in labelled:
            click.echo(as_text(item))
    return _report_problems(problems)


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
def report(run: Path) -> None:
    """Write the HTML report of a RUN folder."""
    from mechprobe.reports import write_report

    click.echo(f"report: {write_report(run)}")


main.add_command(sweep)
main.add_command(theory)
main.add_command(dynamics)


def _report_problems(problems: list[str]) -> int:
    for problem in problems:
        _say(problem)
    return 2 if problems else 0


if __name__ == "__main__":
    main()
