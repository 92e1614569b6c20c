"""Connections: the kept connections of one multi, and whether one can be reused.

libcurl checks a kept connection only when it has been idle for a second (lib/conncache.c,
``lastchecked``). Within that second it writes to a connection although the kernel already holds
its end, or an unsolicited response. So it is checked here before a request is written: poll(2) on
its descriptor, which CURLOPT_SOCKOPTFUNCTION has reported when the transfer opened it.

A server that closes after each response without announcing it may take some time between the two.
A request that must not be sent twice must not fall into that gap: until a connection of its origin
has been seen open PROBATION seconds after its first response, such a request waits for that. If
the server turns out to close, the request goes over a new connection each time.

libcurl identifies the connection that it has chosen (CURLOPT_PREREQFUNCTION) by its addresses;
hence the dict. Unix sockets have no addresses that differ: all of them are checked.
"""

import re
import select
import socket
import sys
from errno import ENOTCONN
from math import ceil, inf
from operator import attrgetter
from time import monotonic
from typing import Any, Protocol

from bladehttp.client._curl.waiters import Events

Address = tuple[str, str, int, int]
"""Remote address, local address, remote port, local port, as CURLOPT_PREREQFUNCTION gets them."""

HUNG_UP = getattr(select, "POLLRDHUP", 0)  # Linux: the end has come, behind bytes too
CLOSED = HUNG_UP | select.POLLHUP | select.POLLERR | select.POLLNVAL

HTTP_1, HTTP_2, HTTP_3 = 2, 3, 30
"""CURLINFO_HTTP_VERSION."""

NAMES = {b"1": HTTP_1, b"2": HTTP_2, b"3": HTTP_3}
"""CURLINFO_HTTP_VERSION by the major version in a status line."""

MULTIPLEXED = (HTTP_2, HTTP_3)
"""Versions whose frames may come at any time."""

ORIGINS_KEPT = 1024

FEW = 64
"""Up to this number the connections are checked at each new one."""

PROBATION = 0.02
"""Seconds after a response within which a server may close without announcement; one that has not
closed by then counts as keeping connections."""

ONE_USE = 1.0
"""Seconds. A connection closed sooner was not closed because it was idle."""

LOOK_AGAIN = 0.005
"""Seconds between two looks at HTTP/2 connections while requests are running."""

FORGIVEN = 60.0
"""Seconds after which a server that closes is tested again."""


MOST_WAITING = 1024
"""Bytes that are looked at for an alert: more wait only where frames are being received."""

# RFC 8446 section 5.1: ContentType type; ProtocolVersion legacy_record_version; uint16 length
record_header = re.compile(rb"(?P<type>[\x14-\x18])\x03[\x01-\x04](?P<length>..)", re.DOTALL).match

ALERT = b"\x15"

ENCRYPTED_ALERTS = (2 + 1 + 16, 2 + 1 + 8)
"""Lengths of an alert in TLS 1.3: its two bytes, the type and the tag. A frame has 9 bytes."""

LAST_RECEIVED = 8 + 11 * 4
"""Offset of tcpi_last_data_recv, in milliseconds, in the struct of TCP_INFO (linux/tcp.h)."""


class ConnectionOwner(Protocol):
    """An object that opens connections; see `Handle`."""

    lines: list[bytes]
    opened: list[int]
    origin: object


class Connection:
    """A kept connection.

    Attributes:
        descriptor: The descriptor of its socket; libcurl closes it.
        address: Its addresses.
        origin: The origin of its first request.
        version: CURLINFO_HTTP_VERSION.
        is_ending: Whether the server has been seen to end it.
        since: End of its first response, in terms of `time.monotonic`.
        poll: Called with milliseconds: waits as long for an event, and returns the events.
    """

    __slots__ = ("address", "descriptor", "is_ending", "origin", "poll", "since", "version")

    def __init__(self, descriptor: int, address: Address, origin: object, version: int) -> None:
        self.descriptor = descriptor
        self.address = address
        self.origin = origin
        self.version = version
        self.is_ending = False
        self.since = monotonic()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN | HUNG_UP)
        self.poll = poll.poll

    def is_gone(self) -> bool:
        """Whether libcurl has closed it: its descriptor is closed or belongs to another socket."""
        try:
            return address_of(self.descriptor) != self.address
        except OSError as error:
            return error.errno != ENOTCONN  # the server has reset it

    def wait(self) -> None:
        """Wait until its probation is over or an event arrives."""
        remaining = self.since + PROBATION - monotonic()
        self.poll(max(0, ceil(remaining * 1000)))

    def is_closed(self) -> bool:
        """Whether the server has closed it."""
        return self._has_ended(self.poll(0))

    def _has_ended(self, events: Events) -> bool:
        if not events:
            return False
        return bool(events[0][1] & CLOSED) or (not HUNG_UP and _is_at_end(self.descriptor))

    def is_usable(self) -> bool:
        """Whether a request may be written; see `allows`."""
        return self.allows(self.poll(0))

    def allows(self, events: Events) -> bool:
        """Whether a request may be written: it is open, and over HTTP/1 no bytes wait to be read.

        Over TLS the waiting bytes may be a session ticket. That cannot be told from here, and a new
        connection costs less than receiving the response to another request. Over HTTP/2 they are
        mostly frames; `is_ended` tells whether an alert is among them.

        Args:
            events: The events that its ``poll`` has returned.
        """
        return not events or (self.version in MULTIPLEXED and not self._has_ended(events))

    def is_ended(self) -> bool:
        """Whether the server has closed it, or has sent an alert of TLS, which is its end."""
        events = self.poll(0)
        if not events:
            return False
        return self._has_ended(events) or has_alert(waiting_bytes(self.descriptor))


class Connections:
    """The kept connections of one multi.

    Attributes:
        ready: ``poll`` over all of them: returns those with events.
        versions: CURLINFO_HTTP_VERSION by origin.
    """

    __slots__ = (
        "_at", "_by_descriptor", "_closed", "_keeps", "_look_at", "_opened", "_poll", "_tidy_at",
        "_unix", "ready", "versions",
    )  # fmt: skip

    def __init__(self) -> None:
        self._at: dict[Address, Connection] = {}
        self._unix: dict[int, Connection] = {}
        self._by_descriptor: dict[int, Connection] = {}
        self._opened: dict[int, ConnectionOwner] = {}
        self._tidy_at = 0
        self._look_at = 0.0
        self._poll = select.poll()
        self.ready = self._poll.poll
        self.versions: dict[object, int] = {}
        self._keeps: set[object] = set()
        self._closed: dict[object, float] = {}

    def note_opened(self, descriptor: int, opener: ConnectionOwner) -> None:
        """Record a descriptor that a transfer opens."""
        self.forget(descriptor)
        self._opened[descriptor] = opener

    def record(self, opener: ConnectionOwner, local_port: int, version: int) -> None:
        """Record the connection that a transfer has opened.

        Args:
            opener: The handle of the transfer.
            local_port: CURLINFO_LOCAL_PORT. It tells the connection from others that were tried at
                the same time, and from a socket that has reused the descriptor of a closed one.
            version: CURLINFO_HTTP_VERSION, 0 if there was no response.
        """
        origin = opener.origin
        if version:
            if len(self.versions) >= ORIGINS_KEPT:
                self.versions.clear()
            self.versions[origin] = version
        self._tidy()
        for descriptor in opener.opened:
            self._opened.pop(descriptor, None)
            self.forget(descriptor)
            address = _address_if_any(descriptor)
            if address is None or address[3] != max(local_port, 0):
                continue
            connection = Connection(descriptor, address, origin, version)
            self._by_descriptor[descriptor] = connection
            if address[3]:
                self._at[address] = connection
            else:
                self._unix[descriptor] = connection
            self._poll.register(descriptor, select.POLLIN | HUNG_UP)

    def _tidy(self) -> None:
        """Forget closed connections, often enough that they never pile up."""
        count = len(self._by_descriptor)
        if FEW < count < self._tidy_at:
            return
        for descriptor, events in self.ready(0):
            if events & select.POLLNVAL:
                self.forget(descriptor)
        self._tidy_at = 2 * count

    def forget(self, descriptor: int) -> None:
        """Forget a closed connection, whose descriptor now belongs to another socket."""
        connection = self._by_descriptor.pop(descriptor, None)
        if connection is None:
            return
        self._unix.pop(descriptor, None)
        if self._at.get(connection.address) is connection:
            del self._at[connection.address]
        self._poll.unregister(descriptor)

    def is_usable(self, address: Address, is_repeatable: bool) -> bool:
        """Whether a request may be written to a kept connection.

        Args:
            address: The addresses of the connection.
            is_repeatable: Whether the request may be sent twice. If not, a connection on
                probation is refused.
        """
        connection = self._at.get(address) or self._found(address)
        if connection is None:
            return address[3] > 0 or self._are_usable()
        events = connection.poll(0)
        if connection.is_ending or (events and not connection.allows(events)):
            return False
        if is_repeatable or connection.origin in self._keeps:
            return True
        return connection.version in MULTIPLEXED or monotonic() - connection.since >= PROBATION

    def note_ends(self, origin: object, *, is_busy: bool) -> None:
        """Note the HTTP/2 connections that the server is ending.

        Called before libcurl chooses one: it reads an alert of one that was idle for a second, and
        uses the connection all the same.

        Args:
            origin: The origin whose connections are looked at.
            is_busy: Whether requests are running. Then libcurl reads what comes, so that only an
                idle connection can have an alert: all are looked at, once in `LOOK_AGAIN` seconds.
        """
        if self.versions.get(origin) != HTTP_2:
            return
        if is_busy:
            now = monotonic()
            if now < self._look_at:
                return
            self._look_at = now + LOOK_AGAIN
        for each in self._by_descriptor.values():
            is_meant = each.version == HTTP_2 and (is_busy or each.origin == origin)
            if is_meant and each.is_ended():
                each.is_ending = True

    def _are_usable(self) -> bool:
        """Whether all connections over Unix sockets are usable: the chosen one cannot be told."""
        self.forget_closed()
        return all(each.is_usable() for each in self._unix.values())

    def _found(self, address: Address) -> Connection | None:
        """Return a connection whose transfer has just ended and has not been recorded yet.

        If there is no response yet, several transfers share the connection over HTTP/2.
        """
        for descriptor, opener in self._opened.items():
            if _address_if_any(descriptor) == address:
                version = version_of(opener.lines)
                if version:
                    self.record(opener, address[3], version)
                    opener.opened.clear()
                    return self._at.get(address)
                break
        return None

    def on_probation(self, origin: object) -> Connection | None:
        """Return a connection of an origin that is on probation.

        None if the behaviour of the server is known, if there is no connection, or if its version
        of HTTP announces the end of a connection.
        """
        if not self._by_descriptor or origin in self._keeps or self.closes_after_response(origin):
            return None
        self.forget_closed()
        kept = [
            each
            for each in self._by_descriptor.values()
            if each.origin == origin and each.version not in MULTIPLEXED
        ]
        if any(each.is_closed() and not self._is_old(each) for each in kept):
            self._note_closer(origin)
            return None
        kept = [each for each in kept if each.is_usable()]
        if not kept:
            return None
        oldest = min(kept, key=attrgetter("since"))
        if monotonic() - oldest.since < PROBATION:
            return oldest
        self._note_keeper(origin)
        return None

    @staticmethod
    def _is_old(connection: Connection) -> bool:
        """Whether the server may have closed a connection because it was idle."""
        return monotonic() - connection.since >= ONE_USE

    def _note_keeper(self, origin: object) -> None:
        if len(self._keeps) >= ORIGINS_KEPT:
            self._keeps.clear()
        self._keeps.add(origin)

    def _note_closer(self, origin: object) -> None:
        if len(self._closed) >= ORIGINS_KEPT:
            self._closed.clear()
        self._closed[origin] = monotonic()

    def restart_probation(self, origin: object) -> None:
        """Put a server on probation again after it has closed a connection with a request on it."""
        self._keeps.discard(origin)

    def keeps(self, origin: object) -> bool:
        """Whether a server is known to keep connections after a response."""
        return origin in self._keeps and not self._closed

    def closes_after_response(self, origin: object) -> bool:
        """Whether a server is known to close the connection after each response."""
        return bool(self._closed) and monotonic() - self._closed.get(origin, -inf) < FORGIVEN

    def forget_closed(self) -> None:
        """Forget the connections that libcurl has closed; it does not report that."""
        for descriptor, _ in self.ready(0):
            if self._by_descriptor[descriptor].is_gone():
                self.forget(descriptor)


def has_alert(records: bytes) -> bool:
    """Whether there is an alert among TLS records, as close_notify is one (RFC 8446 section 6.1).

    asyncio's servers send it and wait for ours with the TCP connection open; libcurl reads it only
    after it has written a request. An encrypted alert of TLS 1.3 is told by its length, which is
    less than that of any frame.
    """
    at = 0
    while match := record_header(records, at):
        length = int.from_bytes(match["length"])
        if match["type"] == ALERT or length in ENCRYPTED_ALERTS:
            return True
        at += len(match[0]) + length
    return False


def waiting_bytes(descriptor: int) -> bytes:
    """Return the bytes that wait to be read from a socket, without reading them.

    None wait if libcurl has closed it: then the descriptor may be that of a file by now.
    """
    try:
        peer = socket.socket(fileno=descriptor)
    except OSError:
        return b""
    try:
        return peer.recv(MOST_WAITING, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return b""
    finally:
        peer.detach()


def silence_s(descriptor: int) -> float:
    """Return the seconds since bytes were last received on a TCP connection.

    Infinite where that is not known: on systems other than Linux, and for Unix sockets.
    """
    if descriptor < 0 or not sys.platform.startswith("linux"):
        return inf
    peer = socket.socket(fileno=descriptor)
    try:
        told = peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_RECEIVED + 4)
    except OSError:
        return inf
    finally:
        peer.detach()
    if len(told) < LAST_RECEIVED + 4:
        return inf
    return int.from_bytes(told[LAST_RECEIVED:], sys.byteorder) / 1000


def address_of(descriptor: int) -> Address:
    """Return the addresses of a connected socket.

    Raises:
        OSError: The descriptor is not a socket, or the socket is not connected (ENOTCONN).
    """
    peer: Any = socket.socket(fileno=descriptor)
    try:
        remote, local = peer.getpeername(), peer.getsockname()
    finally:
        peer.detach()
    if isinstance(remote, tuple):
        return _plain(remote[0]), _plain(local[0]), remote[1], local[1]
    return "", "", 0, 0


def _address_if_any(descriptor: int) -> Address | None:
    try:
        return address_of(descriptor)
    except OSError:
        return None


def version_of(lines: list[bytes]) -> int:
    """Return CURLINFO_HTTP_VERSION of the last head, 0 if there is none."""
    status_lines = (line for line in reversed(lines) if line.startswith(b"HTTP/"))
    return NAMES.get(next(status_lines, b"")[5:6], 0)


def _plain(address: str) -> str:
    return address.partition("%")[0]  # libcurl names no scope


def _is_at_end(descriptor: int) -> bool:
    """Whether a connection has ended, on systems where poll(2) does not report it."""
    peer = socket.socket(fileno=descriptor)
    try:
        return peer.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except OSError:
        return True
    finally:
        peer.detach()
