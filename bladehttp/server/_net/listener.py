"""Listener: accepts connections."""

import errno
import logging
import socket
from collections.abc import Callable
from time import monotonic
from typing import Any

from bladehttp.server._net.endpoint import Endpoint
from bladehttp.server._net.loop import READ, Loop
from bladehttp.server._net.send_queue import prepare

log = logging.getLogger("bladehttp.server")

ACCEPTS_PER_TURN = 64
"""Most connections accepted before open connections have their turn."""

PAUSE_MS = 100
"""Milliseconds without accepting when descriptors or memory have run out, or no connection is
idle."""

ROOM = 16
"""Most idle connections closed at a time when descriptors have run out."""

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Errors of accept() for want of resources; retrying at once would spin."""

Accepted = Callable[[socket.socket, Any], None]

REST_AFTER_ALL = 4096
"""Most connections accepted at the end: the usual net.core.somaxconn."""


class Listener:
    """Accept connections while there is room.

    Attributes:
        socket: The listening socket.
    """

    __slots__ = (
        "_accepted",
        "_endpoint",
        "_has_room",
        "_loop",
        "_make_room",
        "_paused",
        "_rest",
        "socket",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        loop: Loop,
        accepted: Accepted,
        has_room: Callable[[], bool],
        make_room: Callable[[int], bool],
    ) -> None:
        """Hand each accepted socket and its address to ``accepted``.

        Args:
            endpoint: The listening socket; closed with the listener.
            loop: The event loop.
            accepted: Takes the connection over.
            has_room: Returns whether one more connection may be open.
            make_room: Called when there is no room, or descriptors have run out. Closes up to that
                many idle connections and returns whether there were any.
        """
        self.socket = endpoint.socket
        self._endpoint = endpoint
        prepare(self.socket)
        self._loop = loop
        self._accepted = accepted
        self._has_room = has_room
        self._make_room = make_room
        self._paused = True
        self._rest = loop.clock(PAUSE_MS / 1000, Listener.resume)

    @property
    def is_closed(self) -> bool:
        """Whether the listener is closed."""
        return self.socket.fileno() < 0

    def stop_new_connections(self) -> None:
        """Accept the established connections and let the kernel complete no more."""
        self._endpoint.stop_new_connections()
        self.accept_all()

    def grace(self, seconds: float) -> float:
        """Return the seconds to keep listening: 0 if other processes accept from it, too."""
        return seconds if self._endpoint.is_own else 0

    def accept_all(self) -> None:
        """Accept all established connections, even without room: closing would reset them."""
        for _ in range(REST_AFTER_ALL):
            if self.is_closed or not self._accept():
                return

    def resume(self) -> None:
        """Start accepting."""
        if self._paused and not self.is_closed:
            self._rest.disarm(self)
            self._loop.watch(self.socket, 0, READ, self._ready)
            self._paused = False

    def pause(self) -> None:
        """Stop accepting until `resume`; the kernel queues connections."""
        if not self._paused:
            self._loop.watch(self.socket, READ, 0, self._ready)
            self._paused = True

    def close(self) -> None:
        """Stop listening."""
        self.pause()
        self._rest.disarm(self)
        self._endpoint.close()

    def _ready(self, events: int) -> None:
        del events
        if not self._has_room() and not self._make_room(1):
            self._pause_briefly()
            return
        for _ in range(ACCEPTS_PER_TURN):
            if self._paused or not self._accept() or not self._has_room():
                return

    def _pause_briefly(self) -> None:
        self.pause()
        self._rest.arm(self, monotonic())

    def _accept(self) -> bool:
        """Accept one connection; False if there is none, or none can be accepted now."""
        try:
            sock, address = self.socket.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            return self._has_failed(error)
        sock.setblocking(False)
        self._accepted(sock, address)
        return True

    def _has_failed(self, error: OSError) -> bool:
        """Return whether to go on accepting at once after an error of accept()."""
        if error.errno in EXHAUSTED:
            log.warning("cannot accept connections: %s", error)
            if not self._make_room(ROOM):
                self._pause_briefly()
            return False
        if self._listens():
            return True  # ECONNABORTED and the like: this client left, others wait
        log.error("no connection is accepted any more: the listening socket was shut down")
        self.close()
        return False

    def _listens(self) -> bool:
        """Return whether the socket listens: another process can have shut it down."""
        try:
            return bool(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        except OSError:
            return False
