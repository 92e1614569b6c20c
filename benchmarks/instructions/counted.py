"""Counted: a program under valgrind, told what to do, and what it took."""

import os
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from benchmarks.instructions.obey import FUNCTION, MARK

PATIENCE = 120
"""Seconds that a program may take for any one thing."""


class Counted:
    """A program of this package under valgrind.

    Attributes:
        greeting: What it said when it was ready.
        figures: Name of a stretch to instructions for each time, the least of those of one name;
            complete after the context.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        """Start a module with arguments."""
        self.figures: dict[str, float] = {}
        self._stretches: list[tuple[str, int] | None] = []
        self._directory = tempfile.TemporaryDirectory(prefix="bladehttp-counted-")
        # Byte code is there before, as it is for whoever has run a program once.
        environment = os.environ | {
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONHASHSEED": "0",
            "PYTHONPYCACHEPREFIX": f"{self._directory.name}/compiled",
        }
        compile_all = [sys.executable, "-c", "import bladehttp; bladehttp.HttpClient().close()"]
        subprocess.run(compile_all, check=True, env=environment)
        command = [
            "valgrind", "--tool=callgrind", "--quiet", f"--dump-before={FUNCTION}",
            f"--callgrind-out-file={self._directory.name}/out",
            sys.executable, "-m", f"benchmarks.instructions.{module}", *arguments,
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self.greeting = self._answer()

    def do(self, command: str) -> None:
        """Have a command done, and wait until it is.

        Raises:
            ChildProcessError: The program ended instead.
            TimeoutError: It took too long.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(command.encode() + b"\n")
        self._process.stdin.flush()
        self._answer()

    @contextmanager
    def stretch(self, name: str, times: int) -> Iterator[None]:
        """Count what it does in this context, which is something done so many times."""
        self.do(MARK)
        self._stretches.append(None)  # what was before
        yield
        self.do(MARK)
        self._stretches.append((name, times))

    def _answer(self) -> str:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
            raise TimeoutError(f"the counted program has not answered for {PATIENCE} s")
        line = self._process.stdout.readline().decode().strip()
        if not line:
            raise ChildProcessError("the counted program has ended; see above for why")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is not None:
                self._process.kill()
            self._process.communicate(timeout=PATIENCE)
            if error[0] is None:
                self._collect()
        finally:
            self._process.kill()  # does nothing to one that has ended
            self._process.wait()
            self._directory.cleanup()

    def _collect(self) -> None:
        for number, stretch in enumerate(self._stretches, 1):
            if stretch is not None:
                name, times = stretch
                text = (Path(self._directory.name) / f"out.{number}").read_text()
                figure = total(text) / times
                self.figures[name] = min(figure, self.figures.get(name, figure))


def total(text: str) -> int:
    """Return the instructions in one file that callgrind has written.

    Raises:
        ValueError: It says no total.
    """
    found = re.search(r"^totals: (\d+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError("callgrind has written no total")
    return int(found[1])
