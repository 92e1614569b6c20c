"""Terminal: messages on standard error, and text made safe for a terminal.

No text of a peer reaches a terminal with control characters in it: they could move its cursor,
retitle it, or write to the clipboard.
"""

import sys
from contextlib import suppress
from typing import IO, Any, TextIO

from bladehttp._cli.exits import CommandFailed
from bladehttp.exceptions import HttpException

CONTROLS: dict[int, int | str] = {
    # C0 and DEL as their pictures in Unicode (U+2400), C1 as escapes
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: 0x2421,
    **{code: f"\\x{code:02x}" for code in range(0x80, 0xA0)},
}


MESSAGES_SUFFICE = (CommandFailed, HttpException, OSError, ValueError)
"""Exceptions whose message is enough; for others the class is named, too."""


def printable(text: str) -> str:
    """Return a text without control characters but for line ends and tabs."""
    return text.translate(CONTROLS)


def one_line(text: str) -> str:
    """Return a text as one line without control characters."""
    return printable(" ".join(text.split()))


def is_terminal(stream: IO[Any]) -> bool:
    """Whether a stream is a terminal."""
    return stream.isatty()


def tell(text: str) -> None:
    """Write a line to standard error, under the program's name."""
    write_error(f"bladehttp: {one_line(text)}\n")


def write_error(text: str) -> None:
    """Write to standard error, if there is one."""
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def write_text(text: str, stream: TextIO) -> None:
    """Write a text of others: for a terminal without control characters, else as it is."""
    if is_terminal(stream):
        stream.write(printable(text))
    else:
        stream.flush()
        stream.buffer.write(text.encode("utf-8", "surrogateescape"))
        stream.buffer.flush()


def end_line() -> None:
    """After Ctrl-C, which a terminal shows at its cursor, start a new line."""
    if is_terminal(sys.stderr):
        write_error("\n")


def message_of(error: Exception) -> str:
    """Return the message of an exception, as far as it fits in a line."""
    if isinstance(error, OSError) and not isinstance(error, HttpException) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MESSAGES_SUFFICE) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}"
