"""Every page is true: its Python runs, prints what it says, and its commands do, too.

A page is read from top to bottom, in an empty directory.

- A ``python`` block is run, all of a page in one namespace. ``print(...)  # text`` has to print
  that text; "..." in it stands for anything.
- A ``python`` block with a title is a file of that name, which is there from the start.
- Of a ``console`` block each ``$ command`` is run: a program that listens from the page's start to
  its end, any other until it ends. The lines below a command have to be what it prints.
- Ports are replaced by free ones.
"""

import contextlib
import io
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import PATIENCE, free_port, is_open, wait_until

import bladehttp as http

ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    "deploying.md": "tests/server/test_deployment.py",
    "testing/index.md": "tests/testing/test_docs.py",
    "testing/recordings.md": "tests/testing/test_docs.py",
    "coming-from/pytest-httpserver.md": "tests/testing/test_docs.py",
}
FIXED_PORTS = re.compile(r"\b(3000|3443|8000|8080)\b")
SERVES = re.compile(r"\.listen\(|\bbladehttp (serve|echo)\b")
FIXTURE = "pytest_bladehttp"
NOT_RUN = ("pip ", "make ", "gunicorn ", "apt-get ", "python -m venv", "python -m pip", "pytest")
block = re.compile(
    r"^```(python|console)(?: title=\"([^\"\n]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
    if not str(page).endswith(tuple(ELSEWHERE)) and block.search(page.read_text())
]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_is_true(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ports: dict[str, str] = {}
    text = FIXED_PORTS.sub(
        lambda match: ports.setdefault(match[0], str(free_port())), page.read_text()
    )
    blocks = [(match, 1 + text[: match.start(3)].count("\n")) for match in block.finditer(text)]
    for match, _ in blocks:
        if match[2]:
            Path(match[2]).write_text(match[3])
    script = Script(name_of(page))
    with contextlib.closing(script), running() as commands, logging_as_before():
        consoles = [match[3] for match, _ in blocks if match[1] == "console"]
        commands.run("".join(consoles), serving=True)
        for match, line in blocks:
            if match[1] == "console":
                commands.run(match[3], serving=False)
            elif not match[2]:
                script.run(match[3], line)
    script.check()


@contextlib.contextmanager
def logging_as_before() -> Iterator[None]:
    """Take back the levels and handlers of loggers that a page sets: other tests run after it."""
    names = ["", "bladehttp.client", "bladehttp.client.wire", "bladehttp.server"]
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers = handlers


class Script:
    """The Python of a page."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.printed: dict[int, list[str]] = {}
        self.expected: dict[int, str] = {}
        self.names: dict[str, Any] = {"__name__": "page", "print": self.print}

    def print(self, *values: Any, **options: Any) -> None:
        file = io.StringIO()
        print(*values, **options, file=file)
        self.printed.setdefault(sys._getframe(1).f_lineno, []).append(file.getvalue().rstrip("\n"))

    def run(self, code: str, line: int) -> None:
        """Run a block that begins at a line, so that what is raised names that line."""
        source = "\n" * (line - 1) + code
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT and token.line.lstrip().startswith("print("):
                self.expected[token.start[0]] = token.string.removeprefix("#").strip()
        exec(compile(source, str(ROOT / self.name), "exec"), self.names)

    def check(self) -> None:
        """Each print has printed what the page says."""
        for line, expected in self.expected.items():
            printed = ", ".join(self.printed.get(line, ["(nothing)"]))
            pattern = re.escape(expected).replace(r"\.\.\.", ".*")
            assert re.fullmatch(pattern, printed, re.DOTALL), (
                f"{self.name}:{line} says {expected!r} and prints {printed!r}"
            )

    def close(self) -> None:
        for value in self.names.values():
            if isinstance(value, http.HttpServer | http.HttpClient):
                value.close()


class Commands:
    """The commands of a page."""

    def __init__(self) -> None:
        programs = [str(Path(sys.executable).parent), os.environ["PATH"]]
        self.environment = {**os.environ, "PATH": os.pathsep.join(programs), "NO_COLOR": "1"}
        self.environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": FIXTURE}
        self.left: list[subprocess.Popen[str]] = []

    def run(self, text: str, *, serving: bool) -> None:
        for entry in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, output = entry.partition("\n")
            command = command.partition("  # ")[0].rstrip()
            if not command.startswith(NOT_RUN) and self.serves(command) is serving:
                printed = self.serve(command) if serving else self.finish(command)
                pattern = re.escape(output.strip()).replace(r"\.\.\.", ".*")
                assert not output.strip() or re.fullmatch(pattern, printed.strip(), re.DOTALL), (
                    f"$ {command} is to print\n{output}\nand prints\n{printed}"
                )

    def serves(self, command: str) -> bool:
        file = Path(shlex.split(command)[-1])
        return bool(SERVES.search(file.read_text() if file.suffix == ".py" else command))

    def finish(self, command: str) -> str:
        process = subprocess.run(
            ["bash", "-c", command],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=6 * PATIENCE,  # a start of pytest beside other tests
            check=False,
        )
        return process.stdout

    def serve(self, command: str) -> str:
        """Start a program and return the first line it prints: where it listens."""
        process = subprocess.Popen(
            shlex.split(command), env=self.environment, stdout=subprocess.PIPE, text=True
        )
        self.left.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        port = re.search(r"\d{4,5}\b", line)
        assert port, f"$ {command} prints {line!r}"
        wait_until(lambda: is_open(int(port[0])), f"{command} does not listen")
        return line


@contextlib.contextmanager
def running() -> Iterator[Commands]:
    commands = Commands()
    try:
        yield commands
    finally:
        for process in commands.left:
            process.send_signal(signal.SIGTERM)
            with process:
                try:
                    process.wait(PATIENCE)
                finally:
                    process.kill()
