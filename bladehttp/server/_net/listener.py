"""Listener: how connections are accepted."""

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
"""Most connections accepted before those that are open have their turn."""

PAUSE_MS = 100
"""How long accepting rests when descriptors or memory have run out, or no connection is idle."""

ROOM = 16
"""Most idle connections closed at a time when descriptors have run out."""

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""accept() failed for want of something; trying again at once would spin."""

Accepted = Callable[[socket.socket, Any], None]

REST_AFTER_ALL = 4096
"""Most connections that are accepted at the end: as many as net.core.somaxconn usually allows."""


class Listener:
    """Accept connections while there is room for them.

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
            endpoint: What to accept from; it is closed with the listener.
            loop: The loop to live on.
            accepted: Takes the connection over.
            has_room: Says whether one more connection may be open.
            make_room: Called when it may not, or descriptors have run out; closes so many that
                can be spared and says whether there were any.
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
        """Whether nothing is accepted any more."""
        return self.socket.fileno() < 0

    def stop_new_connections(self) -> None:
        """Take the connections that are made, and let no more be made."""
        self._endpoint.stop_new_connections()
        self.accept_all()

    def grace(self, seconds: float) -> float:
        """Return how long it is to go on: not at all where others accept from the same socket."""
        return seconds if self._endpoint.is_own else 0

    def accept_all(self) -> None:
        """Accept all that are made, whether there is room or not: they would be reset."""
        for _ in range(REST_AFTER_ALL):
            if self.is_closed or not self._accept():
                return

    def resume(self) -> None:
        """Accept from now on."""
        if self._paused and not self.is_closed:
            self._rest.disarm(self)
            self._loop.watch(self.socket, 0, READ, self._ready)
            self._paused = False

    def pause(self) -> None:
        """Leave connections to the kernel's backlog until `resume`."""
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
        """Accept one connection; False if there is none or none can be had."""
        try:
            sock, address = self.socket.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in EXHAUSTED:
                return True  # ECONNABORTED and its like: that client has gone, others wait
            log.warning("cannot accept connections: %s", error)
            if not self._make_room(ROOM):
                self._pause_briefly()
            return False
        sock.setblocking(False)
        self._accepted(sock, address)
        return True
