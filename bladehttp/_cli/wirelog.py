"""-v: what the client logs, on standard error."""

import logging
import sys

from bladehttp._cli.terminal import printable


class Lines(logging.Formatter):
    """The messages alone, without what could move a terminal's cursor."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        return printable(record.getMessage())


def log_wire() -> None:
    """Show what goes over the wire, heads in full and of bodies the length, no secrets."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    wire = logging.getLogger("bladehttp.client")
    wire.addHandler(handler)
    wire.setLevel(logging.DEBUG)
