"""Load: wrk on a core of its own, told what to send by load.lua."""

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.model import AbsentError, Sample
from benchmarks.processes import LOAD_CORE, Group

if TYPE_CHECKING:
    from benchmarks.setting import Setting

SCRIPT = Path(__file__).parent / "load.lua"

PATIENCE = 30
"""Seconds that a round may take longer than it is to."""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk is to do.

    Attributes:
        connections: How many.
        arguments: Of load.lua: what it sends.
    """

    connections: int
    arguments: tuple[str, ...] = ("plain",)

    def filled(self, setting: "Setting") -> "Load":
        """Return it with the names of the setting's files in the places of HEADS and the like."""
        places = {"HEADS": "heads", "PROXIED": "proxied", "COOKIES": "cookies"}
        return replace(
            self,
            arguments=tuple(
                getattr(setting, places[one]) if one in places else one for one in self.arguments
            ),
        )


def run(load: Load, url: str, seconds: float) -> tuple[Sample, int]:
    """Put load on a server and return the figures, and how many requests there were.

    Raises:
        AbsentError: There is no wrk.
        RuntimeError: It failed, or got other answers than 2xx.
    """
    if shutil.which("wrk") is None:
        raise AbsentError("wrk is not here; Debian, Ubuntu: apt-get install wrk")
    command = [
        "wrk", "-t1", f"-c{load.connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s",
        "-s", str(SCRIPT), url, "--", *load.arguments,
    ]  # fmt: skip
    group = Group(command, LOAD_CORE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        printed, _ = group.process.communicate(timeout=seconds + PATIENCE)
    finally:
        group.close()
    return parse(printed)


def parse(printed: str) -> tuple[Sample, int]:
    """Return the figures of what load.lua printed, and how many requests there were.

    Raises:
        RuntimeError: There are none, or they are not of answers with 2xx.
    """
    lines = [line.split() for line in printed.splitlines() if line.startswith("FIGURES ")]
    if not lines:
        raise RuntimeError(f"wrk says: {printed.strip()[-300:]}")
    requests, microseconds, statuses, broken, p50, p99 = map(float, lines[-1][1:])
    if statuses or not requests:
        raise RuntimeError(f"{statuses:.0f} of {requests:.0f} answers were not 2xx")
    rate = requests / microseconds * 1e6
    return {"rate": rate, "p50": p50, "p99": p99, "broken": broken}, int(requests)
