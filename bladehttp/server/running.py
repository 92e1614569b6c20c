"""Running: one run of a server, from the bound socket until everything is closed."""

import socket
import ssl
import threading
from collections.abc import Mapping

from bladehttp.request import ClientInfo
from bladehttp.server.connection import Connection
from bladehttp.server.dispatch import Dispatcher
from bladehttp.server.listener import Listener
from bladehttp.server.loop import Loop
from bladehttp.server.service import Service, Stats
from bladehttp.server.transport import PlainTransport, TlsTransport
from bladehttp.wire.head import HeadParser
from bladehttp.wire.limits import Limits

LINGER_MS = 2000
"""How long what a client still sends is discarded after an answer it had not waited for."""

ROOM = 16
"""Most idle connections closed at a time when descriptors have run out."""


class Running:
    """The loop, the listener and the connections of one run.

    Attributes:
        loop: The loop.
        listener: What accepts connections.
        service: What the connections share.
        context: The SSLContext of new connections, None for plain ones. May be replaced.
        stopped: To be set by who called `run` when that has returned.
    """

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext | None,
        dispatcher: Dispatcher,
        limits: Limits,
        clocks: Mapping[str, int],
        *,
        stats: Stats,
        max_connections: int,
        max_requests: int,
    ) -> None:
        """Start to accept on a bound socket as soon as `run` is called.

        Args:
            sock: Listening and not blocking.
            context: For TLS.
            dispatcher: The callbacks and routes.
            limits: Of requests.
            clocks: Name in `states.PLANS` to milliseconds.
            stats: The counters.
            max_connections: Most that are open at a time; 0 for no limit.
            max_requests: Most that are answered on one connection; 0 for no limit.
        """
        self.loop = Loop()
        self.context = context
        self.stopped = threading.Event()
        self.service = Service(
            loop=self.loop,
            parser=HeadParser(limits),
            dispatcher=dispatcher,
            stats=stats,
            max_requests=max_requests,
            is_secure=context is not None,
            on_removed=self._removed,
        )
        for name, milliseconds in {**clocks, "linger": LINGER_MS}.items():
            self.service.add_clock(name, milliseconds)
        self._max_connections = max_connections
        self.listener = Listener(sock, self.loop, self._accepted, self._make_room)
        self.listener.resume()

    def run(self) -> None:
        """Serve until `stop`, then close everything; also when something ends the loop."""
        try:
            self.loop.run()
        finally:
            self._close()

    def stop(self) -> None:
        """End `run`, and wait for that unless this is its own thread."""
        self.loop.stop()
        if not self.loop.is_own_thread():
            self.stopped.wait()

    def _accepted(self, sock: socket.socket, address: tuple[str, int]) -> None:
        service = self.service
        service.stats.connections += 1
        client = ClientInfo(address[0], address[1], sock.family == socket.AF_INET6)
        transport = TlsTransport(sock, self.context) if self.context else PlainTransport(sock)
        Connection(service, transport, client).open()
        if len(service.connections) == self._max_connections:
            self.listener.pause()

    def _removed(self) -> None:
        if len(self.service.connections) < self._max_connections:
            self.listener.resume()

    def _make_room(self) -> bool:
        """Close the connections that have been idle longest."""
        idle = self.service.clocks["keep_alive"]
        for made in range(ROOM):
            connection = idle.oldest()
            if connection is None:
                return made > 0
            connection.close()
        return True

    def _close(self) -> None:
        self._max_connections = 0
        self.listener.close()
        for connection in list(self.service.connections):
            connection.close()
        self.loop.close()
