"""The program: which commands there are, and how each of them ends."""

import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol, cast

from bladehttp import __version__
from bladehttp._cli.exits import EXITS, WRONG_USAGE, exit_code
from bladehttp._cli.terminal import end_line, message_of, tell


class Command(NamedTuple):
    """A command: its name, its module in this package, and a line of help."""

    name: str
    module: str
    help: str


class Module(Protocol):
    """The functions of a command's module."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the arguments of the command."""

    def run(self, options: Namespace) -> int:
        """Run the command and return the exit code; exceptions become one by `exits.exit_code`."""
        raise NotImplementedError


COMMANDS = (
    #       name       module     help
    Command("get",     "request", "send a GET request"),
    Command("post",    "request", "send a POST request"),
    Command("put",     "request", "send a PUT request"),
    Command("patch",   "request", "send a PATCH request"),
    Command("delete",  "request", "send a DELETE request"),
    Command("head",    "request", "send a HEAD request and print the head of the answer"),
    Command("options", "request", "send an OPTIONS request and print the head of the answer, too"),
    Command("serve",   "serve",   "serve the files of a directory"),
    Command("echo",    "echo",    "answer every request with its description as JSON"),
    Command("demo",    "demo",    "start a server, send it real requests, print the results"),
    Command("info",    "info",    "print versions, features and trusted authorities"),
)  # fmt: skip


class Parser(ArgumentParser):
    """A parser whose complaints are one line, as all others of the program."""

    def __init__(self, **settings: Any) -> None:
        formatter = settings.pop("formatter_class", RawDescriptionHelpFormatter)
        # no abbreviations: a script must not break when an option is added
        super().__init__(formatter_class=formatter, allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        tell(f"{message} (see {self.prog} --help)")
        sys.exit(WRONG_USAGE)


def parser(words: Sequence[str]) -> Parser:
    """Return the parser for a command line; only the command that is in it has its arguments."""
    top = Parser(prog="bladehttp", description="HTTP from the command line.", epilog=_epilog())
    top.add_argument("--version", action="version", version=f"bladehttp {__version__}")
    subparsers = top.add_subparsers(
        dest="command", required=True, metavar="COMMAND", title="commands"
    )
    for command in COMMANDS:
        sub = subparsers.add_parser(
            command.name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog="Exit codes: bladehttp --help",
        )
        if list(words[:1]) == [command.name]:
            module = _module(command)
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    return top


def _module(command: Command) -> Module:
    return cast("Module", import_module(f"bladehttp._cli.{command.module}"))


def _epilog() -> str:
    rows = "\n".join(f"  {row.code:>3}  {row.meaning}" for row in EXITS)
    return f"exit codes:\n{rows}\n\nbladehttp COMMAND --help tells more about a command."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code.

    Whatever goes wrong is told in one line on standard error; see `exits.EXITS`.

    Args:
        arguments: The words after the program's name; None for those it was started with.

    Raises:
        SystemExit: The arguments are wrong, or ask for help.
    """
    words = sys.argv[1:] if arguments is None else arguments
    _prepare_streams()
    try:
        try:
            options = parser(words).parse_args(words)
            code: int = options.run(options)
        finally:
            sys.stdout.flush()  # here, where a reader that went away can still be met quietly
    except BrokenPipeError as error:
        _forget_output()
        return exit_code(error)
    except KeyboardInterrupt as error:
        end_line()
        return exit_code(error)
    except Exception as error:  # noqa: BLE001 - a command line shows no tracebacks
        tell(message_of(error))
        return exit_code(error)
    return code


def _prepare_streams() -> None:
    """Make it possible to write anything to standard output and error, closed ones included."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open to the end
            setattr(sys, name, nowhere)
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    """Discard the rest of standard output, which Python would try to flush at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
