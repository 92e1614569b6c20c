"""ServerContext: the state shared by all connections of one run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from bladehttp._wire.head import HeadParser
from bladehttp.server._connection.serialise import WholeWriter
from bladehttp.server._dispatch.dispatcher import Dispatcher
from bladehttp.server._dispatch.forwarded import TrustedProxies
from bladehttp.server._dispatch.workers import Workers
from bladehttp.server._net.loop import Deadlines, Loop
from bladehttp.server._net.transport import Transport


class Client(Protocol):
    """The methods of a connection that the context and the runtime call."""

    @property
    def transport(self) -> Transport: ...

    def on_deadline(self, clock: str) -> None:
        """Handle the expiry of one of this connection's clocks."""

    def close(self) -> None:
        """Close the connection now."""

    def close_when_done(self) -> None:
        """Close the connection as soon as no request is pending."""

    def is_recyclable(self) -> bool:
        """Whether the connection may be closed to make room for another."""
        raise NotImplementedError

    def abort(self) -> None:
        """Close the connection now, with 503 if a request is unanswered."""


@dataclass(slots=True)
class Stats:
    """Counters of one server.

    Attributes:
        connections: Connections accepted so far.
        active: Connections open now.
        requests: Complete requests received so far.
        refused: Requests answered with a 4xx or 5xx because of a client's error.
    """

    connections: int = 0
    active: int = 0
    requests: int = 0
    refused: int = 0


@dataclass(slots=True)
class ServerContext:
    """State shared by the connections of one run.

    Attributes:
        loop: The event loop.
        parser: Parses request heads; holds the limits.
        dispatcher: The callbacks and routes.
        stats: The counters.
        max_requests: Requests answered on one connection before it is closed, 0 for no limit.
        is_secure: Whether connections use TLS.
        proxies: Trusted proxies; None if there are none.
        proxy_protocol: Whether each connection begins with a PROXY header.
        decode_request_body: Whether the Content-Encoding of requests is decoded.
        workers: The thread pool for offloaded handlers.
        min_body_rate: Lowest rate of a request body, in bytes per second; 0 for any.
        slow: Seconds after which a handler that blocks the loop is logged.
        clocks: The clocks named in `states.PLANS`.
        connections: The open connections.
        files: Number of connections that are sending a file, each with an open descriptor.
        draining: Whether every response is the last on its connection.
        is_ending: Whether the time of draining is over.
        writer: Writes complete responses.
        on_removed: Called after a connection was removed.
    """

    loop: Loop
    parser: HeadParser
    dispatcher: Dispatcher
    stats: Stats
    max_requests: int
    is_secure: bool
    proxies: TrustedProxies | None
    proxy_protocol: bool
    decode_request_body: bool
    workers: Workers
    min_body_rate: int
    slow: float
    clocks: dict[str, Deadlines["Client"]] = field(default_factory=dict)
    connections: set["Client"] = field(default_factory=set)
    files: int = 0
    draining: bool = False
    is_ending: bool = False
    writer: WholeWriter = field(default_factory=WholeWriter)
    on_removed: Callable[[], None] = lambda: None

    def add_clock(self, name: str, milliseconds: int) -> None:
        """Add a clock under a name."""

        def expired(connection: "Client") -> None:
            connection.on_deadline(name)

        self.clocks[name] = self.loop.clock(milliseconds / 1000, expired)

    def shorten(self, name: str, seconds: float) -> None:
        """Limit a clock to `seconds` from now on; running deadlines start again."""
        clock = self.clocks[name]
        clock.seconds = min(clock.seconds, seconds) if clock.seconds else seconds
        for connection in list(clock.waiting):
            clock.arm(connection, self.loop.now)

    def add(self, connection: Client) -> None:
        """Register an accepted connection."""
        self.connections.add(connection)
        self.stats.active = len(self.connections)

    def remove(self, connection: Client) -> None:
        """Remove a closed connection."""
        self.connections.discard(connection)
        self.stats.active = len(self.connections)
        self.on_removed()
