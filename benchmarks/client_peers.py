"""The clients: where each lives, how it is started, and how it is told to work."""

import json
import os
import select
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.model import AbsentError, Entrant, Sample
from benchmarks.processes import LOAD_CORE, Group
from benchmarks.setting import Setting

APART = {"niquests": Path(sys.prefix) / "apart" / "bin" / "python"}
"""Peers with an environment of their own -> its interpreter."""

PATIENCE = 60
"""Seconds that a round may take, or a start."""

MISLEADING = ("proxy", "ca_bundle", "ssl_cert_file", "ssl_cert_dir")

ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.lower().endswith(MISLEADING)
}
"""Without what would send requests elsewhere or trust others: some clients let it win."""

CLOCKS = """
from time import perf_counter, process_time
t, c = perf_counter(), process_time()
"""

VERSIONS = """
import importlib.metadata, sys
for name in sys.argv[1:]:
    try:
        print(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        pass
"""


def interpreter(label: str) -> str:
    """Return the Python of the environment where a client is."""
    path = APART.get(label)
    return str(path) if path and path.exists() else sys.executable


def versions(labels: list[str]) -> dict[str, str]:
    """Return the versions of the clients that are here."""
    found: dict[str, str] = {}
    for label in labels:
        command = [interpreter(label), "-c", VERSIONS, label]
        printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        found |= dict(map(str.split, printed.splitlines()))
    return found


def address(setting: Setting, url: str) -> str:
    """Return the URL that a row means by ``plain:path``, ``tls:``, ``http2:`` or ``sink:``."""
    where, _, path = url.partition(":")
    base = setting.sink if where == "sink" else getattr(setting.web, where)
    return str(base) + path


class Working:
    """A client in a process of its own, told when to work."""

    def __init__(
        self, label: str, module: str, function: str, job: dict[str, Any], setting: Setting
    ) -> None:
        """Start it and have it connect."""
        job = {
            **job,
            "url": address(setting, job["url"]),
            "authority": setting.authority,
            "target": str(setting.directory / f"{label}.out"),
        }
        if "megabytes" in job:
            job["file"] = setting.file(job["megabytes"])
        self._group = Group(
            [interpreter(label), "-m", "benchmarks.clients", module, function, json.dumps(job)],
            LOAD_CORE,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    @property
    def pids(self) -> tuple[int, ...]:
        """Its process."""
        return (self._group.pid,)

    def round(self, seconds: float) -> Sample:
        """Have it work."""
        print(seconds, file=self._group.process.stdin, flush=True)
        figures = json.loads(self._answer())
        return {
            "rate": figures["count"] / figures["seconds"],
            "cpu": figures["cpu"] / figures["count"] * 1e6,
            "growth": figures["growth"] / 1e6,
        }

    def _answer(self) -> str:
        process = self._group.process
        if not select.select([process.stdout], [], [], PATIENCE)[0]:
            raise TimeoutError(f"no answer for {PATIENCE} s")
        line = str(process.stdout.readline())
        if not line:
            text = self._group.complaint()
            raise AbsentError(text) if "ModuleNotFoundError" in text else RuntimeError(text)
        return line

    def close(self) -> None:
        """End it."""
        self._group.close()


class Imported:
    """A module that is imported anew in each round."""

    def __init__(self, label: str, _: Setting) -> None:
        """Import it once, so that its byte code is there."""
        code = f"import {label}; print(perf_counter() - t, process_time() - c)"
        self._command = [interpreter(label), "-c", CLOCKS + code]
        self._environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        self.round(0)

    @property
    def pids(self) -> tuple[int, ...]:
        """None that lasts."""
        return ()

    def round(self, _: float) -> Sample:
        """Import it three times and take the least."""
        times = [
            tuple(map(float, subprocess.run(
                self._command, capture_output=True, text=True, check=True, timeout=PATIENCE,
                env=self._environment,
            ).stdout.split()))
            for _ in range(3)
        ]  # fmt: skip
        return {"ms": min(t for t, _ in times) * 1e3, "cpu": min(c for _, c in times) * 1e6}

    def close(self) -> None:
        """Nothing goes on between rounds."""


def working(label: str, module: str, function: str, **job: Any) -> Entrant:
    """Return a client as an entrant for a job."""
    return Entrant(label, partial(Working, label, module, function, job))


def imported(label: str) -> Entrant:
    """Return the import of a client as an entrant."""
    return Entrant(label, partial(Imported, label))
