"""One run of a server: from the bound socket until every connection is closed.

`Runtime` owns the loop, the listener and the connections. `Draining` ends a run without losing
requests. A client that sends a request at the moment the server stops would see a reset or a FIN
instead of its response, so a run ends in steps:

1. The kernel stops completing new connections (`Listener.stop_new_connections`). Established ones
   are accepted and answered, then the listener is closed.
2. Each response is the last on its connection. An idle connection stays open for a moment: a
   request may be on its way.
3. After the timeout, requests without a response get 503, and responses in progress are reset.
4. Clients have a moment to read the 503.
"""

import logging
import socket
import ssl
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from bladehttp.server._connection.context import ServerContext
from bladehttp.server._net.endpoint import notify
from bladehttp.server._net.listener import Listener
from bladehttp.server._net.loop import Timer

if sys.platform != "win32":
    import resource

from bladehttp._data.self_request import serving
from bladehttp._message.request import NO_CLIENT, ClientInfo
from bladehttp._wire.head import HeadParser
from bladehttp._wire.limits import Limits
from bladehttp.server._connection.connection import Connection
from bladehttp.server._dispatch.dispatcher import Dispatcher
from bladehttp.server._net.endpoint import Endpoint
from bladehttp.server._net.listener import ROOM
from bladehttp.server._net.loop import Loop
from bladehttp.server._net.send_queue import SAMPLES
from bladehttp.server._net.transport import PlainTransport, TlsTransport

LINGER_MS = 2000
"""Silence after which lingering ends: received bytes are discarded after an early response."""

BODY_RATE_MS = 1000
"""Interval of the checks of a body's rate."""

UNWATCHED_MS = 30_000
"""Interval of the checks of a client whose response is awaited and whose socket is not watched: it
has sent its last byte, or bytes of a next request."""

LINGER_ALL_MS = 30_000
"""Longest time of lingering, as nginx's lingering_time."""


SPARE = 128
"""Descriptors kept free of connections, for files: twice the number accepted in a turn; half of a
small limit."""

log = logging.getLogger("bladehttp.server")


def most_descriptors() -> int:
    """Return the process's limit of open descriptors; a very large number for no limit."""
    if sys.platform == "win32":
        return sys.maxsize
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


class Runtime:
    """The loop, the listener and the connections of one run.

    Attributes:
        loop: The event loop.
        listener: Accepts connections.
        context: Shared by the connections.
        ssl_context: The SSLContext of new connections, None for plain ones. May be replaced.
        stopped: Set by the caller of `run` after it has returned.
        stepping: None for a run of its own. Otherwise a host calls `step`, and this lock is held
            meanwhile.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        ssl_context: ssl.SSLContext | None,
        dispatcher: Dispatcher,
        limits: Limits,
        clocks: Mapping[str, int],
        *,
        owner: int | None,
        max_connections: int,
        **shared: Any,
    ) -> None:
        """Start accepting when `run` is called.

        Args:
            endpoint: The listening socket; closed at the end.
            ssl_context: For TLS; None for plain HTTP.
            dispatcher: The callbacks and routes.
            limits: The limits of requests.
            clocks: Name in `states.PLANS` to milliseconds.
            owner: The thread that will call `run`; None: the one that does.
            max_connections: Most open connections; 0 for no limit.
            **shared: The other attributes of the `ServerContext`.
        """
        self.loop = Loop(owner)
        self._address = endpoint.address
        self.ssl_context = ssl_context
        self.stopped = threading.Event()
        self.stepping: threading.Lock | None = None
        self.context = ServerContext(
            loop=self.loop,
            parser=HeadParser(limits, dispatcher.limits_of),
            dispatcher=dispatcher,
            is_secure=ssl_context is not None,
            on_removed=self._removed,
            **shared,
        )
        fixed = {
            "silence": LINGER_MS,
            "linger": LINGER_ALL_MS,
            "unwatched": UNWATCHED_MS,
            "body_rate": BODY_RATE_MS if self.context.min_body_rate else 0,
        }
        for name, milliseconds in {**clocks, **fixed}.items():
            self.context.add_clock(name, milliseconds)
        self.context.clocks["write"].seconds /= SAMPLES
        self._max_connections = max_connections
        self._descriptors = most_descriptors()
        self._others = endpoint.socket.fileno()  # were there before the first connection
        self._is_short = False
        self._has_warned = False
        self.listener = Listener(
            endpoint, self.loop, self._accepted, self._has_room, self._make_room
        )
        self._draining = Draining(self.context, self.listener)
        self.listener.resume()

    def run(self) -> None:
        """Serve until the loop is stopped; afterwards, or after an exception, call `close`."""
        with serving(self._address, self._free_descriptors):
            self.loop.run()

    def step(self, seconds: float | None) -> bool:
        """Wait once, at most that long, and process the events; False when stopped."""
        with serving(self._address, self._free_descriptors):
            self.loop.step(seconds)
        return not self.loop.stopped

    def wait(self) -> None:
        """Wait until everything is closed, unless this is the loop's own thread."""
        if not (self.loop.is_own_thread() or self.context.dispatcher.coroutines.is_own_thread()):
            self.stopped.wait()

    def drain(self, seconds: float) -> None:
        """Accept no more, finish the pending requests, then end `run`.

        Args:
            seconds: After which remaining connections are aborted; 0: at once.
        """
        self._draining.start(seconds)

    def close_in_child(self) -> None:
        """Close the descriptors in a forked child; the parent's registrations stay."""
        self.listener.socket.close()
        for connection in self.context.connections:
            connection.transport.socket.close()
        self.loop.close()
        self.stopped.set()

    def _accepted(self, sock: socket.socket, address: Any) -> None:
        context = self.context
        context.stats.connections += 1
        client = NO_CLIENT  # who is at the other end of a unix socket has no address
        if isinstance(address, tuple):  # of four for IPv6: flow and scope, too
            client = ClientInfo(address[0], address[1], len(address) == 4)
        transport = (
            TlsTransport(sock, self.ssl_context) if self.ssl_context else PlainTransport(sock)
        )
        Connection(context, transport, client).open()
        # Descriptors are given out from the lowest: those below this one are all in use.
        used = max(sock.fileno(), self._others + len(context.connections) + context.files)
        if used >= self._descriptors - min(SPARE, self._descriptors // 2):
            self._is_short = True
            self._warn_of_shortage()

    def _removed(self) -> None:
        self._is_short = False
        if self.context.draining:
            self._draining.check()
        elif self._has_room():
            self.listener.resume()

    def _has_room(self) -> bool:
        """Return whether one more connection may be open."""
        return not (self._is_short or 0 < self._max_connections <= len(self.context.connections))

    def _free_descriptors(self) -> bool:
        """Close idle connections to free descriptors."""
        self._warn_of_shortage()
        return self._make_room(ROOM)

    def _warn_of_shortage(self) -> None:
        """Log once that the limit of descriptors is too low for max_connections."""
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "descriptors run short with %d connections open: max_connections is %d, the limit "
                "of open files (ulimit -n) %d",
                len(self.context.connections),
                self._max_connections,
                self._descriptors,
            )

    def _make_room(self, wanted: int) -> bool:
        """Close the connections that were idle longest; return whether there were any."""
        made, clocks = 0, self.context.clocks
        for connection in [*clocks["keep_alive"].waiting, *clocks["linger"].waiting]:
            if made == wanted:
                break
            if connection.is_recyclable():
                connection.close()
                made += 1
        return made > 0

    def close(self) -> None:
        """Close everything. Closing twice is harmless."""
        self.context.draining = True
        with ExitStack() as closing:  # all of it, whatever a callback raises
            closing.callback(self.loop.close)
            closing.callback(self.context.workers.close)
            closing.callback(self.context.dispatcher.coroutines.close)
            for connection in self.context.connections:
                closing.callback(connection.close)
            closing.callback(self.listener.close)


MOMENT = 1.0
"""Seconds an idle connection stays open for a request on its way; at most half the timeout."""

SHORTENED = ("keep_alive", "handshake", "silence")
"""The clocks of clients without a pending request."""

TCP_HANDSHAKE = 0.25
"""Seconds until the listener is closed, so that TCP handshakes in progress complete."""

LAST_WORDS = 0.5
"""Seconds for clients to read the final 503."""


class Draining:
    """The end of one run."""

    __slots__ = ("_context", "_listener", "_loop", "_timers")

    def __init__(self, context: ServerContext, listener: Listener) -> None:
        """Drain when `start` is called."""
        self._context = context
        self._loop = context.loop
        self._listener = listener
        self._timers: list[Timer] = []

    def start(self, seconds: float) -> None:
        """Start draining, or restart it with another timeout.

        Args:
            seconds: After which remaining connections are aborted. 0: at once.
        """
        for timer in self._timers:
            timer.cancel()
        context, later = self._context, self._loop.call_later
        context.draining = True
        notify("STOPPING=1")
        if not seconds:
            self._loop.stop()
            return
        for name in SHORTENED:
            context.shorten(name, min(MOMENT, seconds / 2))
        self._listener.stop_new_connections()
        for connection in list(context.connections):
            connection.close_when_done()
        self._timers = [
            later(self._listener.grace(min(TCP_HANDSHAKE, seconds / 2)), self._close_listener),
            later(seconds, self._abort_all),
            later(seconds + LAST_WORDS, self._loop.stop),
        ]

    def check(self) -> None:
        """End the run if no connection is left."""
        if not self._context.connections and self._listener.is_closed:
            self._loop.stop()

    def _close_listener(self) -> None:
        self._listener.accept_all()
        self._listener.close()
        self.check()

    def _abort_all(self) -> None:
        self._context.is_ending = True
        for connection in list(self._context.connections):
            connection.abort()
        self.check()
