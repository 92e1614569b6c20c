"""Files named on the command line: read, and written whole or not at all."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bladehttp._cli.exits import FileNotRead, FileNotWritten
from bladehttp._cli.terminal import message_of
from bladehttp.exceptions import HttpException

STDIN = "-"


@contextmanager
def reading() -> Iterator[None]:
    """Report an OSError as a file that cannot be read.

    Raises:
        FileNotRead: There was one.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, HttpException):
            raise
        raise FileNotRead(message_of(error)) from error


@contextmanager
def writing() -> Iterator[None]:
    """Report an OSError as a file that cannot be written; a reader that has left stays one.

    Raises:
        FileNotWritten: There was one.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, HttpException | BrokenPipeError):
            raise
        raise FileNotWritten(message_of(error)) from error


def read_bytes(path: str) -> bytes:
    """Return the content of a file, or of standard input for "-".

    Raises:
        FileNotRead: It cannot be read.
    """
    with reading():
        return stdin().read() if path == STDIN else Path(path).read_bytes()


def stdin() -> BinaryIO:
    """Return standard input.

    Raises:
        FileNotRead: It is closed.
    """
    if sys.stdin is None:
        raise FileNotRead("standard input is closed")
    return sys.stdin.buffer


def read_text(path: str) -> str:
    """Return the content of a text file in UTF-8, or of standard input for "-".

    Raises:
        FileNotRead: It cannot be read, or is not UTF-8.
    """
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise FileNotRead(f"{path}: not a text file in UTF-8") from error


def write_whole(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file whole or not at all.

    Args:
        path: The file; an existing one is replaced.
        data: Its content.
        private: Whether only its owner may read it.

    Raises:
        OSError: It cannot be written.
    """
    with (
        tempfile.NamedTemporaryFile(  # its mode is 0600
            prefix=f".{path.name[:200]}.", dir=path.parent, delete=False
        ) as file
    ):
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if not private:
                os.fchmod(file.fileno(), 0o666 & ~_umask())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _umask() -> int:
    """Return the mask of the process, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
