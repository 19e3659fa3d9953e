"""What is demanded of every call of the command, whatever it was given."""

import re
from collections.abc import Collection
from pathlib import Path

from mechprobe.analyses.bench.fuzz.cases import Case
from mechprobe.analyses.bench.fuzz.children import BYTES, Ran

CODES = (0, 2, 130)
CHARACTERS = 2000
WARNING = re.compile(r"^\S*:\d+: \w*Warning: .*|^\w*Warning: .*", re.MULTILINE)
OURS = "mechprobe|models|probes|reports|analyses"
PLACE = re.compile(rf'File "[^"]*?((?:{OURS}|site-packages)/[^"]*)", line (\d+)')
# Of a bar of tqdm's, of stages of unlike length, of iterations: long work that can be stopped.
BAR = re.compile(r"\d+%\||stage \d+ of \d+:|\d+it \[")
# A study that compares with demands ends with 1 where one is missed.
DEMANDING = "foreign-models"


def files_below(place: Path) -> dict[str, tuple[int, int]]:
    """Files of a case by name: size and time of the last change; locks and links left out."""
    found = {}
    for path in place.rglob("*"):
        if path.is_file() and not path.is_symlink() and not path.name.endswith("lock"):
            state = path.stat()
            found[str(path.relative_to(place))] = (state.st_size, state.st_mtime_ns)
    return found


def faults_of(case: Case, ran: Ran, before: Collection[str], timed: bool = True) -> list[str]:
    """Which demands were not met, each in a few words that name the kind of fault.

    Args:
        case: what was run.
        ran: what it did.
        before: files that were there.
        timed: whether a hang is judged; on a busy machine it says nothing.
    """
    faults = []
    text = ran.err + ran.out
    if "Traceback (most recent call last)" in text:
        faults.append(f"traceback: {_raised(text)}")
    elif ran.code not in CODES and not (ran.code == 1 and DEMANDING in case.words):
        faults.append(f"exit code {ran.code}: {ran.err[-100:]!r}")
    if warned := WARNING.search(ran.err):
        faults.append(f"warning: {warned.group()[:160]}")
    if timed and ran.stopped and not BAR.search(ran.err):
        faults.append("hang: no progress shown")
    if ran.stopped and ran.code not in CODES:
        faults.append("hang: cannot be stopped")
    if ran.growth > BYTES:
        faults.append(f"memory: more than {BYTES >> 30} GiB")
    if ran.code == 2:
        faults += _of_refusal(ran)
        lost = sorted(set(before) - set(files_below(case.place)))
        if lost:
            faults.append(f"lost: {Path(lost[0]).name} in a refusal")
    if (case.place / "crater").exists() or (case.place.parent / "crater").exists():
        faults.append("code was run")
    return faults


def _of_refusal(ran: Ran) -> list[str]:
    """One printable line of bounded length, beside lines of progress."""
    lines = [line for line in re.split(r"[\r\n]", ran.err) if line and not BAR.search(line)]
    if not lines and not ran.out.startswith("Usage: "):
        return ["refusal: no line on standard error"]
    found = []
    if any(not line.isprintable() for line in lines):
        found.append("refusal: characters that cannot be printed")
    if any(len(line) > CHARACTERS for line in lines):
        found.append(f"refusal: more than {CHARACTERS} characters")
    return found


def _raised(text: str) -> str:
    """The exception and the last place of ours, which together name a fault."""
    last = text.rsplit("Traceback (most recent call last)", 1)[1]
    places = [p for p in PLACE.findall(last) if "site-packages" not in p[0]] or PLACE.findall(last)
    where = f"{places[-1][0]}:{places[-1][1]}" if places else "?"
    raised = [line for line in last.strip().splitlines() if line and not line.startswith(" ")]
    return f"{where}: {re.sub('[0-9]+', 'N', raised[-1])[:120] if raised else '?'}"
