"""The program: run the command that the first word names, and turn its end into an exit code."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from bladehttp import __version__
from bladehttp._cli.commands import COMMANDS, METHODS, Command
from bladehttp._cli.exits import WRONG_USAGE, exit_code
from bladehttp._cli.help import print_help
from bladehttp._cli.options import WrongUsage
from bladehttp._cli.terminal import end_line, message_of, tell
from bladehttp._data.near_words import near_words

ENDS = (signal.SIGHUP, signal.SIGTERM)

NAMES = (*METHODS, *(command.name for command in COMMANDS))


def run(words: Sequence[str]) -> int:
    """Run the command that the first word names, or else send a request; return the exit code.

    Only the modules of that command are imported.
    """
    first = words[0] if words else "--help"
    if first in ("-h", "--help"):
        print_help("all" if words[1:2] == ["all"] else True)
        return 0 if words else WRONG_USAGE
    if first in ("-V", "--version"):
        sys.stdout.write(f"bladehttp {__version__}\n")
        return 0
    command = next((command for command in COMMANDS if command.name == first), None)
    if command is not None:
        return run_command(command, words[1:])
    check_first(first)
    request = import_module("bladehttp._cli.request")
    is_method = first in METHODS
    code: int = request.run(words[1:] if is_method else words, first.upper() if is_method else None)
    return code


def run_command(command: Command, words: Sequence[str]) -> int:
    """Run a command of COMMANDS; see `Command`."""
    module = import_module(f"bladehttp._cli.{command.module}")
    parser = import_module("bladehttp._cli.parser").Parser(
        prog=f"bladehttp {command.name}",
        description=f"{command.help[0].upper()}{command.help[1:]}.",
        epilog="Exit codes: bladehttp --help all",
    )
    module.add_arguments(parser)
    code: int = module.run(parser.parse_args(words))
    return code


def check_first(word: str) -> None:
    """Check that the first word is not a misspelt command.

    Raises:
        WrongUsage: It is like one, and no host would be written like that.
    """
    if word.isalpha() and word.islower() and word not in ("localhost", *METHODS):
        near = near_words(word, NAMES)
        if near:
            raise WrongUsage(f"there is no command {word}: is it {near[0]}? A host is {word}/")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code.

    Whatever goes wrong is told in one line on standard error; see `exits.EXITS`.

    Args:
        arguments: The words after the program's name; None for those it was started with.

    Raises:
        SystemExit: The arguments of a command such as serve are wrong, or ask for help.
    """
    words = sys.argv[1:] if arguments is None else arguments
    _prepare_streams()
    try:
        with _tidy_end():
            return run_to_the_end(words)
    except BrokenPipeError as error:
        return exit_code(error)
    except KeyboardInterrupt as error:
        end_line()
        return exit_code(error)
    except WrongUsage as error:
        tell(f"{error} (see {usage_of(words)} --help)")
        return WRONG_USAGE
    except Exception as error:  # noqa: BLE001 - a command line shows no tracebacks
        tell(message_of(error))
        return exit_code(error)


def run_to_the_end(words: Sequence[str]) -> int:
    """Run a command, write the rest of standard output, and return the exit code.

    Raises:
        BaseException: As of `run`, or an OSError of the output if all else went well.
    """
    try:
        code = run(words)
    except BaseException:
        with suppress(OSError):
            _flush()
        raise
    try:
        _flush()
    except OSError:
        if not code:
            raise  # else the failure is told already
    return code


@contextmanager
def _tidy_end() -> Iterator[None]:
    """Have the signals of ENDS raise SystemExit, so that no incomplete file is left behind."""
    try:
        before = {each: signal.signal(each, _end) for each in ENDS if is_default(each)}
    except ValueError:  # not the main thread
        before = {}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def is_default(number: int) -> bool:
    """Whether a signal ends the process; ``nohup`` has SIGHUP ignored."""
    return signal.getsignal(number) is signal.SIG_DFL


def _end(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def usage_of(words: Sequence[str]) -> str:
    """Return the command whose help describes what is wrong with the words."""
    return f"bladehttp {words[0]}" if words and words[0] in NAMES else "bladehttp"


def _prepare_streams() -> None:
    """Make it possible to write anything to standard output and error, closed ones included."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open to the end
            setattr(sys, name, nowhere)
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Write the rest of standard output.

    Raises:
        OSError: It cannot be written: its reader has left, or the disk is full.
    """
    try:
        sys.stdout.flush()
    except OSError:
        _forget_output()
        raise


def _forget_output() -> None:
    """Discard the rest of standard output, which Python would try to flush at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
