"""The command stub: a server that answers as a file of expectations says, for any program."""

import logging
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bladehttp._cli import listening
from bladehttp._cli.exits import FAILED
from bladehttp._cli.terminal import printable, write_error
from bladehttp.server._config import DEFAULTS
from bladehttp.server.testing._server import NO_CLOCKS, log
from bladehttp.testing import BladeServer, Expectation

PORT = 3000

CLOCKS: dict[str, Any] = {name: DEFAULTS[name] for name in NO_CLOCKS}
"""The timeouts and rates of other servers: no debugger is known to hold these clients."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments for the file and the address."""
    parser.add_argument(
        "file", metavar="FILE", type=Path, help="a recording, or a file of that format"
    )
    parser.add_argument(
        "--repeat",
        action="store_true",
        help="repeat the last response to a request that comes more often than expected",
    )
    parser.add_argument(
        "--record",
        metavar="URL",
        help="forward every request to this server, and record it with the response in FILE",
    )
    listening.add_arguments(parser, PORT)


def run(options: Namespace) -> int:
    """Serve until Ctrl-C, and tell then which requests were not as expected.

    Returns:
        0 if all were, else 1.

    Raises:
        CommandFailed: It cannot listen there.
        OSError: The file cannot be read, or written.
        ValueError: The file is none of expectations, or the URL to record is none.
    """
    server = listening.make_server(options, partial(BladeServer, record=False, **CLOCKS))
    expected: tuple[Expectation, ...] = ()
    if options.record is None:
        expected = server.replay(options.file, repeat=options.repeat)
        what = f"Answering as {options.file} says"
    else:
        server.record(to=options.file, upstream=options.record)
        what = f"Recording {options.record} in {options.file}"
    try:
        with unexpected_requests_are_shown():
            code = listening.listen(server, options, what)
    except AssertionError as error:
        write_error(printable(f"{error}\n"))
        return FAILED
    if options.record is None:
        calls = sum(each.calls for each in expected)
        sys.stdout.write(f"all {len(expected)} expectations met by {calls} requests\n")
    return code


@contextmanager
def unexpected_requests_are_shown() -> Iterator[None]:
    """Write the comparison of each request that is not expected to standard error."""
    handler = ToStandardError()
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class ToStandardError(logging.Handler):
    """Writes messages as they are, without control characters."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message."""
        write_error(printable(f"{record.getMessage()}\n"))
