"""The timing chart: how long each phase of a request took, below one another."""

from collections.abc import Iterable, Iterator
from time import monotonic
from typing import NamedTuple

from bladehttp._cli.terminal import write_error
from bladehttp._message.response import HttpResponse

CELLS = 40
"""Length of the chart."""


class Phase(NamedTuple):
    """A phase: its name, its begin and its end, in milliseconds."""

    name: str
    begin: float
    end: float


class Stopwatch:
    """Measures the times a response does not have: those before its last hop, and of its body."""

    def __init__(self) -> None:
        """Start."""
        self._begun = self._head = monotonic()
        self._body = 0.0

    def head_came(self, request: object, response: object) -> None:
        """Take note of the head; an ``on_response`` hook."""
        del request, response
        self._head = monotonic()

    def body_came(self) -> None:
        """Take note of the end of a body that was only received since its head came."""
        self._body = monotonic() - self._head

    def waiting(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the chunks of a body; only the time they are waited for counts."""
        coming = iter(chunks)
        while True:
            begun = monotonic()
            chunk = next(coming, None)
            self._body += monotonic() - begun
            if chunk is None:
                return
            yield chunk

    def show(self, response: HttpResponse) -> None:
        """Write the chart to standard error."""
        head = (self._head - self._begun) * 1000
        first = "redirects" if response.redirects else "setting up"
        rows = phases(first, response.timings, head, self._body * 1000)
        write_error("\n".join([*chart(rows), ""]))


def phases(first: str, timings: dict[str, float], head: float, body: float) -> list[Phase]:
    """Return the phases that took any time.

    Args:
        first: The name of the phase before the last hop.
        timings: Of the last hop, as `HttpResponse.timings` has them.
        head: When the head was received, in milliseconds from the very start.
        body: How long the body took after it.
    """
    marks = [
        ("name lookup", timings["namelookup"]),
        ("connect", timings["connect"]),
        ("TLS handshake", timings["tls"]),
        ("waiting", timings["first_byte"]),
    ]
    start = max(0.0, head - timings["total"])
    found = [Phase(first, 0.0, start)]
    reached = 0.0
    for name, when in marks:
        if when > reached:
            found.append(Phase(name, start + reached, start + when))
            reached = when
    found.append(Phase("body", start + reached, head + body))
    return found


def chart(rows: list[Phase]) -> list[str]:
    """Return the lines of a chart: each phase beneath the one before, and their sum."""
    whole = rows[-1].end
    lines = [_line(row.name, row.end - row.begin, _bar(row, whole)) for row in rows]
    return [*lines, _line("total", whole, "")]


def _line(name: str, milliseconds: float, bar: str) -> str:
    return f"{name:<13} {milliseconds:>9.1f} ms  {bar}".rstrip()


def _bar(row: Phase, whole: float) -> str:
    if whole <= 0:
        return ""
    begin = round(row.begin / whole * CELLS)
    cells = round(row.end / whole * CELLS) - begin
    return " " * begin + ("█" * cells if cells else "▏")
