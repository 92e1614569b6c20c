"""Profile: where ours spends its time in a row, seen by py-spy from outside."""

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.model import Contestant

RATE = 400
"""Samples a second."""

MOST = 14
"""Lines."""


def profile(contestant: Contestant, seconds: float) -> list[str]:
    """Return where a contestant's own time went in some rounds, the most first, one a line."""
    spy = shutil.which("py-spy") or str(Path(sys.prefix) / "bin" / "py-spy")
    if not contestant.pids or not Path(spy).exists():
        return []
    with tempfile.NamedTemporaryFile() as file:
        command = [
            spy, "record", "--pid", str(contestant.pids[0]), "--rate", str(RATE), "--nonblocking",
            "--format", "raw", "--output", file.name, "--duration", str(int(3 * seconds) + 1),
        ]  # fmt: skip
        spying = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            contestant.round(3 * seconds + 1)
            spying.wait(30)
        finally:
            spying.kill()
            spying.wait()
        return summary(Path(file.name).read_text(errors="replace"))


def summary(raw: str) -> list[str]:
    """Return the share of each function itself, of stacks as py-spy writes them.

    Args:
        raw: A line for each stack: frames joined by semicolons, outermost first, and a count.
    """
    own: Counter[str] = Counter()
    for line in raw.split("\n"):
        stack, _, count = line.rpartition(" ")
        if not (count.isascii() and count.isdigit()):
            continue  # the program is not stopped, so that now and then a stack is torn
        frame = stack.rpartition(";")[2]
        name, _, place = frame.partition(" (")
        own[f"{name} ({place.rpartition(':')[0].removeprefix('benchmarks/')})"] += int(count)
    total = sum(own.values())
    return [f"{count / total:6.1%}  {name}" for name, count in own.most_common(MOST)]
