"""Listener: the bound socket, and how connections are accepted from it."""

import errno
import logging
import socket
from collections.abc import Callable
from time import monotonic

from bladehttp.server.loop import READ, Loop

log = logging.getLogger("bladehttp.server")

ACCEPTS_PER_TURN = 64
"""Most connections accepted before those that are open have their turn."""

PAUSE_MS = 100
"""How long accepting rests when descriptors or memory have run out."""

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""accept() failed for want of something; trying again at once would spin."""

Accepted = Callable[[socket.socket, tuple[str, int]], None]


def bind(host: str, port: int, reuse_address: bool, backlog: int) -> socket.socket:
    """Return a listening socket.

    Args:
        host: An address or a name; of a name the first address is taken.
        port: 0 takes a free one.
        reuse_address: Whether a port may be taken whose last connections are still in TIME_WAIT.
        backlog: How many connections the kernel keeps until they are accepted.

    Raises:
        OSError: The host has no address, or the port cannot be taken.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        if reuse_address:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind(address)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


class Listener:
    """Accepts connections while there is room for them.

    Attributes:
        socket: The listening socket.
    """

    __slots__ = ("_accepted", "_loop", "_make_room", "_paused", "_rest", "socket")

    def __init__(
        self,
        sock: socket.socket,
        loop: Loop,
        accepted: Accepted,
        make_room: Callable[[], bool],
    ) -> None:
        """Hand each accepted socket and its address to ``accepted``.

        Args:
            sock: From `bind`.
            loop: The loop to live on.
            accepted: Takes the connection over.
            make_room: Called when descriptors have run out; closes what can be spared and
                says whether there was something.
        """
        self.socket = sock
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
        self.socket.close()

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
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:  # gone already
            sock.close()
        else:
            self._accepted(sock, address)
        return True
