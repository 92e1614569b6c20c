"""Server-sent events: the stream of bytes to events (HTML standard, section 9.2.6)."""

import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bladehttp._data.byte_streams import UnreadBuffer
from bladehttp.exceptions import BodyTooLarge

LONGEST_EVENT = 1024 * 1024
"""Bytes of the longest event that is read unless the caller says otherwise: 1 MiB."""

MOST_DIGITS = 15
"""Digits of the longest ``retry`` that is read; a longer one counts as so many nines."""

BOM = b"\xef\xbb\xbf"
NUL = "\0"

line_end = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event.

    Attributes:
        data: Its text, several lines joined by LF.
        event: Its type; "message" unless the server names one.
        id: The last event ID of the stream, "" if there was none: the server gets it as
            Last-Event-ID when the client connects again.
        retry: The milliseconds to wait before connecting again, if they were given with this event;
            else None.
    """

    data: str
    event: str = "message"
    id: str = ""
    retry: int | None = None

    def json(self) -> Any:
        """Return the data decoded from JSON.

        Raises:
            ValueError: It is not JSON.
        """
        return json.loads(self.data)


class EventParser:
    """Reads events from chunks, however the stream is split.

    Attributes:
        has_events: Whether it has yielded an event.
        last_id: The last event ID, "" for none.
        retry: The last time to wait that the server has given, in milliseconds; None for none.
    """

    __slots__ = ("_block_retry", "_data", "_event", "_has_begun", "_id", "_most", "_rest",
                 "_size", "_skips_lf", "has_events", "last_id", "retry")  # fmt: skip

    def __init__(self, most: int = LONGEST_EVENT, last_id: str = "") -> None:
        """Create a parser.

        Args:
            most: Bytes of the longest event.
            last_id: The last event ID of an earlier stream.
        """
        self._most = most
        self._rest: list[bytes] = []  # the beginning of a line
        self._size = 0  # bytes of the event, and of that line
        self._skips_lf = self._has_begun = self.has_events = False
        self._id = self.last_id = last_id
        self.retry: int | None = None
        self._clear()

    def _clear(self) -> None:
        self._data: list[str] = []
        self._event = ""
        self._block_retry: int | None = None

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that a chunk completes.

        Raises:
            BodyTooLarge: An event is longer than allowed.
        """
        if self._skips_lf and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._skips_lf = False
        if not chunk:
            return
        self._skips_lf = chunk.endswith(b"\r")
        *lines, rest = line_end.split(chunk)
        for line in lines:
            self._count(line)
            event = self._take_line(b"".join([*self._rest, line]))
            self._rest.clear()
            if event is not None:
                yield event
        self._count(rest)
        self._rest.append(rest)

    def _count(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._most:
            raise BodyTooLarge(f"event is longer than {self._most} bytes")

    def _take_line(self, line: bytes) -> Event | None:
        if not self._has_begun:
            self._has_begun = True
            line = line.removeprefix(BOM)
        if not line:
            return self._dispatch()
        if line.startswith(b":"):
            self._size -= len(line)
            return None
        name, _, value = line.decode("utf-8", "replace").partition(":")
        self._take_field(name, value.removeprefix(" "))
        return None

    def _take_field(self, name: str, value: str) -> None:
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and NUL not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            digits = value.lstrip("0") or "0"
            self.retry = self._block_retry = int(digits if len(digits) <= MOST_DIGITS
                                                 else "9" * MOST_DIGITS)  # fmt: skip

    def _dispatch(self) -> Event | None:
        self.last_id, self._size = self._id, 0
        data, event, retry = self._data, self._event, self._block_retry
        self._clear()
        if not data:
            return None
        self.has_events = True
        return Event("\n".join(data), event or "message", self.last_id, retry)


class EventReader:
    """Takes events from a body that is being received."""

    __slots__ = ("_events", "_parser", "_unread")

    def __init__(self, unread: UnreadBuffer, most: int) -> None:
        self._unread = unread
        self._parser = EventParser(most)
        self._events: deque[Event] = deque()

    def take(self) -> Event | None:
        """Return the next event, None if it is incomplete or the body is over."""
        while not self._events:
            block = self._unread.take(None)
            if block is None:
                return None
            self._events.extend(self._parser.feed(block))
        return self._events.popleft()
