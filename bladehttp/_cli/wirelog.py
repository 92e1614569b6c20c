"""-v: the client's log on standard error."""

import logging
import sys

from bladehttp._cli.terminal import printable


class Lines(logging.Formatter):
    """The messages alone, without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        return printable(record.getMessage())


def log_wire() -> None:
    """Show the bytes on the wire: heads in full, the length of bodies, no secrets."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    wire = logging.getLogger("bladehttp.client")
    wire.addHandler(handler)
    wire.setLevel(logging.DEBUG)
