"""Listener: how connections are accepted."""

import errno
import logging
import socket
from collections.abc import Callable
from time import monotonic
from typing import Any

from bladehttp.server.endpoint import Endpoint
from bladehttp.server.loop import READ, Loop
from bladehttp.server.send_queue import prepare

log = logging.getLogger("bladehttp.server")

ACCEPTS_PER_TURN = 64
"""Most connections accepted before those that are open have their turn."""

PAUSE_MS = 100
"""How long accepting rests when descriptors or memory have run out."""

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""accept() failed for want of something; trying again at once would spin."""

Accepted = Callable[[socket.socket, Any], None]


class Listener:
    """Accepts connections while there is room for them.

    Attributes:
        socket: The listening socket.
    """

    __slots__ = (
        "_accepted",
        "_endpoint",
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
        make_room: Callable[[], bool],
    ) -> None:
        """Hand each accepted socket and its address to ``accepted``.

        Args:
            endpoint: What to accept from; it is closed with the listener.
            loop: The loop to live on.
            accepted: Takes the connection over.
            make_room: Called when descriptors have run out; closes what can be spared and
                says whether there was something.
        """
        self.socket = endpoint.socket
        self._endpoint = endpoint
        prepare(self.socket)
        self._loop = loop
        self._accepted = accepted
        self._make_room = make_room
        self._paused = True
        self._rest = loop.clock(PAUSE_MS / 1000, Listener.resume)

    def resume(self) -> None:
        """Accept from now on."""
        if self._paused and self.socket.fileno() >= 0:
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
        for _ in range(ACCEPTS_PER_TURN):
            if self._paused or not self._accept():
                return

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
            if not self._make_room():
                self.pause()
                self._rest.arm(self, monotonic())
            return False
        sock.setblocking(False)
        self._accepted(sock, address)
        return True
