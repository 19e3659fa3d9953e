"""Command lines by hypothesis, from what the commands themselves declare."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import click

from mechprobe.analyses.bench.fuzz.values import a_word

# How often each is drawn; the studies train for minutes, and are stopped.
WEIGHTS = {"construct": 6, "inspect": 4, "label": 4, "dynamics": 4, "report": 4, "probes": 2,
           "sweep": 6, "theory": 3, "train": 4, "study": 1, "demo": 0}  # fmt: skip
NUMBERS = ("-1", "0", "1", "2", "3", "4", "5", "8", "100", "100000", "1000000000", "9" * 25)
REALS = ("-1", "0", "0.1", "0.5", "1", "2.5", "1e-9", "1e9", "1e300", "nan", "inf", "-inf")
# Values that options of free text take.
TEXTS = ("2,3", "3", "bos", "bos,dot", "all", "0.005", "0.5:1.5:2", "0.6,0.4,0.4,0.6", "cpu",
         "cuda", "T=3,L=3", "bos+sftm", "dot", "linear")  # fmt: skip
# Small values, so that most lines do something in little time.
SMALL = {"T": "3", "L": "3", "d": "3", "p": "2", "steps": "6", "batch": "4", "models": "2",
         "seeds": "1", "snapshots": "2", "log2_points": "8"}  # fmt: skip


def command_line(main: click.Group, paths: Sequence[Path], rng: Random) -> list[str]:
    """Words of one line: a command that is there, most of its options well, some badly.

    Args:
        main: the command.
        paths: good folders and files that may be named.
        rng: what it draws from.
    """
    known = [verb for verb in WEIGHTS for _ in range(WEIGHTS[verb])]
    if rng.randint(0, 39) == 0:
        return [a_word(rng) for _ in range(rng.randint(0, 3))]
    line = [rng.choice(known)]
    context = click.Context(main)
    command = main.get_command(context, line[0])
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context)
        names = command.list_commands(context)
        if not names or rng.randint(0, 19) == 0:
            return line
        line.append(rng.choice(names))
        command = command.get_command(context, line[-1])
    for parameter in command.params if command else ():
        line += _words_of(parameter, paths, rng)
    if rng.randint(0, 19) == 0:
        line.insert(rng.randint(0, len(line)), a_word(rng))
    return line


def _words_of(parameter: click.Parameter, paths: Sequence[Path], rng: Random) -> list[str]:
    if isinstance(parameter, click.Argument):
        number = rng.randint(1, 3) if parameter.nargs == -1 else 1
        return [_value(parameter, paths, rng) for _ in range(number)]
    if parameter.name == "help":
        return []
    wanted = parameter.required or parameter.name in SMALL
    if rng.randint(0, 9) >= (9 if wanted else 2):
        return []
    name: str = parameter.opts[-1]
    if getattr(parameter, "is_flag", False):
        return [name]
    return [name, _value(parameter, paths, rng)]


def _value(parameter: click.Parameter, paths: Sequence[Path], rng: Random) -> str:
    if rng.randint(0, 7) == 0:
        return str(a_word(rng))
    if parameter.name in SMALL and rng.randint(0, 3):
        return SMALL[parameter.name]
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return str(rng.choice([str(choice) for choice in kind.choices]))
    if isinstance(kind, click.Path):
        places = [str(path) for path in paths] + ["new", "new/deeper", "missing"]
        return rng.choice(places)
    if isinstance(kind, click.types.IntParamType):
        return rng.choice(NUMBERS)
    if isinstance(kind, click.types.FloatParamType):
        return rng.choice(REALS)
    return rng.choice(TEXTS)
