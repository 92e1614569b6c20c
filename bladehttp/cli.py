"""The command line: ``python -m bladehttp``."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bladehttp import __version__, info


class Command(NamedTuple):
    """A subcommand: its name, what it does in a line, its arguments, and how it is done."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], object]
    run: Callable[[argparse.Namespace], int]


def no_arguments(_: argparse.ArgumentParser) -> None:
    """Add nothing."""


def print_info(_: argparse.Namespace) -> int:
    """Print `bladehttp.info`, a line for each entry."""
    for name, value in info().items():
        text = " ".join(map(str, value)) if isinstance(value, list) else value
        sys.stdout.write(f"{name + ':':<26}{text}\n")
    return 0


COMMANDS = (
    Command("info", "print versions, features and whom is trusted", no_arguments, print_info),
)


def parser() -> argparse.ArgumentParser:
    """Return the parser that the table makes."""
    top = argparse.ArgumentParser(prog="bladehttp", description="HTTP from the command line.")
    top.add_argument("--version", action="version", version=f"bladehttp {__version__}")
    subparsers = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        sub = subparsers.add_parser(command.name, help=command.help, description=command.help)
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status.

    Args:
        arguments: The words after the program's name; None for those it was started with.
    """
    options = parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)
