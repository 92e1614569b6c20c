"""Service: what the connections of one server share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from bladehttp._wire.head import HeadParser
from bladehttp.server._dispatch.dispatcher import Dispatcher
from bladehttp.server._dispatch.forwarded import TrustedProxies
from bladehttp.server._dispatch.workers import Workers
from bladehttp.server._net.loop import Deadlines, Loop
from bladehttp.server._net.transport import Transport


class Client(Protocol):
    """What a service knows of its connections."""

    transport: Transport

    def on_deadline(self, clock: str) -> None:
        """A clock of this connection has run out."""

    def close(self) -> None:
        """End it now."""

    def close_when_done(self) -> None:
        """End it as soon as nothing is asked and nothing answered."""

    def is_recyclable(self) -> bool:
        """Whether it may be closed for another."""

    def abort(self) -> None:
        """End it now, with 503 if it has asked and got no answer."""


@dataclass(slots=True)
class Stats:
    """Counters of one server.

    Attributes:
        connections: Accepted so far.
        active: Connections that are open now.
        requests: Complete requests so far.
        refused: Requests answered with an error that is the client's.
    """

    connections: int = 0
    active: int = 0
    requests: int = 0
    refused: int = 0


@dataclass(slots=True)
class ServerContext:
    """What the connections of one server share.

    Attributes:
        loop: The loop they live on.
        parser: Parses heads, and holds the limits.
        dispatcher: The callbacks and routes.
        stats: The counters.
        max_requests: Requests answered on one connection before it is closed, 0 for no limit.
        is_secure: Whether they are reached by https.
        proxies: Whose word about the client of a request is taken; None for nobody's.
        proxy_protocol: Whether each connection begins with a PROXY header.
        decode_request_body: Whether Content-Encoding is undone.
        workers: What runs offloaded handlers.
        min_body_rate: Bytes per second that a body has to come with, 0 for any.
        slow: Seconds after which a handler is told of that others had to wait for.
        clocks: The clocks that `states.PLANS` names.
        connections: Those that are open.
        files: How many of them send a file, which is open, too.
        draining: Whether every answer is the last on its connection.
        on_removed: Called after a connection has gone.
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
    on_removed: Callable[[], None] = lambda: None

    def add_clock(self, name: str, milliseconds: int) -> None:
        """Add one of the clocks by its name."""

        def expired(connection: "Client") -> None:
            connection.on_deadline(name)

        self.clocks[name] = self.loop.clock(milliseconds / 1000, expired)

    def shorten(self, name: str, seconds: float) -> None:
        """Let a clock run no longer than this from now on."""
        clock = self.clocks[name]
        clock.seconds = min(clock.seconds, seconds) if clock.seconds else seconds
        for connection in list(clock.waiting):
            clock.arm(connection, self.loop.now)

    def add(self, connection: Client) -> None:
        """Take note of a connection that has been accepted."""
        self.connections.add(connection)
        self.stats.active = len(self.connections)

    def remove(self, connection: Client) -> None:
        """Forget a connection that has been closed."""
        self.connections.discard(connection)
        self.stats.active = len(self.connections)
        self.on_removed()
