"""Processes: started on a core of their own, measured by /proc, and ended."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = {CORES[0]}
LOAD_CORE = {CORES[-1]}
"""With a single core they share it, which the page then says."""

PATIENCE = 15
"""Seconds for a program to start listening, or to end."""


class Group:
    """A program and the processes it starts, pinned to one core.

    Attributes:
        pid: Of the program, and of the group.
        process: The program.
    """

    def __init__(self, command: Sequence[str], core: set[int], **options: object) -> None:
        """Start it. What it says on standard error is kept for `complaint`."""
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        everywhere = os.sched_getaffinity(0)
        os.sched_setaffinity(0, core)  # what is started inherits it
        try:
            self.process = subprocess.Popen(
                command,
                start_new_session=True,  # Ctrl-C comes to us, and we end it
                **{"stdout": subprocess.DEVNULL, "stderr": self._errors, **options},
            )
        finally:
            os.sched_setaffinity(0, everywhere)
        self.pid: int = self.process.pid

    def pids(self) -> tuple[int, ...]:
        """Return the processes of the group that live."""
        return tuple(pid for pid, fields in _processes() if int(fields[2]) == self.pid)

    def cpu(self) -> tuple[float, float]:
        """Return the processor time of all of them, and of those they have waited for.

        Returns:
            Seconds in the programs, seconds in the kernel.
        """
        ticks = [0, 0]
        for _, fields in _processes():
            if int(fields[2]) == self.pid:
                utime, stime, cutime, cstime = map(int, fields[11:15])
                ticks[0] += utime + cutime
                ticks[1] += stime + cstime
        return ticks[0] / TICKS, ticks[1] / TICKS

    def memory(self, name: str) -> int:
        """Return the bytes of a line of /proc/*/status of all of them, such as VmHWM."""
        return sum(_status(pid, name) for pid in self.pids())

    def wait_listening(self, port: int) -> None:
        """Wait until a port can be connected to.

        Raises:
            ChildProcessError: It ended, or took too long.
        """
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise ChildProcessError(f"it does not listen: {self.complaint()}")

    def complaint(self) -> str:
        """Return the last line of what it said on standard error."""
        self._errors.seek(0)
        return self._errors.read().strip().rpartition("\n")[2]

    def close(self) -> None:
        """End all of it: politely, then not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.pid, number)
                self.process.wait(3)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self.process.wait(PATIENCE)
        for pipe in (self.process.stdin, self.process.stdout, self._errors):
            if pipe is not None:
                pipe.close()


def _processes() -> Iterator[tuple[int, list[str]]]:
    """Yield each process and the fields of its stat that follow its name. proc(5)."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:
                continue  # gone
            yield int(entry.name), text.rpartition(")")[2].split()


def _status(pid: int, name: str) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line for line in text.splitlines() if line.startswith(name + ":")]
    return int(found[0].split()[1]) * 1024 if found else 0


def free_port() -> int:
    """Return a port that nothing listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
