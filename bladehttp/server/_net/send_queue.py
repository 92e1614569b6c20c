"""How much of a response the client has received, as far as the kernel knows.

`send` returns when the kernel has the bytes. The kernel holds up to megabytes of them, and reports
a socket writable only when a third of its buffer is free: a client that reads 100 KB/s then looks
silent for seconds. So the kernel is asked:

- SIOCOUTQ (tcp(7), unix(7)): bytes that the client's kernel has not acknowledged.
- sock_diag(7): bytes in the receive queue of the client's socket, if the client runs on this
  machine. For others there is no such information; see `ClientProgress`.

Linux only. Elsewhere 0 or None is returned.

`ClientProgress` decides from these numbers whether a client still reads or has stopped. It is
checked `SAMPLES` times in each write_timeout. A client has stopped if it has received nothing for
that long and has no credit left. The credit is for clients that read in bursts:

- curl --limit-rate 100K reads a megabyte at once and rests for nine seconds.
- A client on another machine that reads 30 KB/s: its kernel takes 128 KB ahead and announces no
  window until half of them are read, 4 seconds later. Until then it looks stopped.

Each byte is worth 1/`SLOWEST` of a second of rest. For a client on this machine the kernel knows
how much the program has read, so one that reads nothing is detected at once.
"""

import os
import select
import socket
import struct
import sys
from contextlib import suppress

if sys.platform == "linux":
    import fcntl

SIOCOUTQ = 0x5411
"""From <linux/sockios.h>; the same number as TIOCOUTQ."""

UNSENT_LIMIT = 128 * 1024
"""Most unsent bytes in the kernel's buffer: TCP_NOTSENT_LOWAT. It makes writability follow the
client, and bounds the memory of a slow client."""

TCP_OPTIONS = {
    # after 60 s of silence the kernel asks whether a client is still there, every 10 s, three times
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_NOTSENT_LOWAT": UNSENT_LIMIT,
}
"""Options of every connection, where the system has them."""

NETLINK_SOCK_DIAG = 4
BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
REQUEST = 1  # NLM_F_REQUEST
ANY = 0xFFFFFFFF

INET_REQUEST = struct.Struct("=BBBBI")  # inet_diag_req_v2: family, protocol, ext, pad, states
INET_ID = struct.Struct("!HH16s16sI8s")  # inet_diag_sockid: ports, addresses, interface, cookie
INET_QUEUE = 16 + 4 + INET_ID.size + 4  # nlmsghdr, four bytes, the id, expires: then rqueue
UNIX_REQUEST = struct.Struct("=BBHIIIII")  # unix_diag_req: family, protocol, pad, states, inode,
# show, cookie
UNIX_ATTRIBUTES = 16 + 16  # nlmsghdr, unix_diag_msg: then attributes
SHOW_PEER, SHOW_QUEUE = 0x04, 0x10  # UDIAG_SHOW_PEER, UDIAG_SHOW_RQLEN
PEER, QUEUE = 2, 4  # UNIX_DIAG_PEER, UNIX_DIAG_RQLEN


def prepare(listener: socket.socket) -> None:
    """Set the options that accepted TCP sockets inherit, which saves a system call for each.

    Args:
        listener: A listening socket; only TCP sockets are changed.
    """
    if listener.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in TCP_OPTIONS.items():
        if hasattr(socket, name):
            with suppress(OSError):  # a sandbox that has not all of TCP
                listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if not hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT_LIMIT)


def has_left(sock: socket.socket) -> bool:
    """Return whether the kernel knows that the client has left: a reset, or no sign of life.

    A client that has only sent its last byte has not. False where there is no poll(2).
    """
    if sock.fileno() < 0:
        return True
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(sock, 0)  # POLLERR and POLLHUP are told of without being asked for
    return bool(poll.poll(0))


def unacknowledged(sock: socket.socket) -> int:
    """Return the bytes the client's kernel has not acknowledged; 0 where unknown."""
    if sys.platform != "linux":
        return 0
    answer = bytearray(4)
    try:
        fcntl.ioctl(sock.fileno(), SIOCOUTQ, answer)
    except (OSError, ValueError):
        return 0  # closed, or no such socket
    return int.from_bytes(answer, sys.byteorder)


class Peer:
    """The client's end of a connection, if it is a socket of this machine's kernel.

    The socket is found by its addresses (TCP) or by its inode (unix), unless it is in another
    network namespace.
    """

    __slots__ = ("_question", "_read")

    def __init__(self, sock: socket.socket) -> None:
        """Find the other end of a connected socket."""
        self._question: bytes | None = None
        self._read = _inet_queue
        try:
            if sock.family == socket.AF_UNIX:
                self._question, self._read = _unix_question(sock), _unix_queue
            else:
                self._question = _inet_question(sock)
        except (OSError, ValueError, AttributeError):
            pass  # closed, no such socket, or not Linux

    def unread(self) -> int | None:
        """Return the bytes in the client's receive queue; None: not known."""
        if self._question is None:
            return None
        try:
            return self._read(_ask(self._question))
        except (OSError, ValueError, struct.error):
            return None


def _ask(question: bytes) -> bytes:
    """Send a sock_diag request about one socket and return the answer.

    Raises:
        OSError: The kernel does not support the request.
        ValueError: There is no such socket.
    """
    head = struct.pack("=IHHII", 16 + len(question), BY_FAMILY, REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
        netlink.setblocking(False)
        netlink.send(head + question)
        answer = netlink.recv(4096)
    if struct.unpack_from("=H", answer, 4)[0] != BY_FAMILY:
        raise ValueError("no such socket")
    return answer


def _inet_question(sock: socket.socket) -> bytes:
    (host, port, *_), (own_host, own_port, *_) = sock.getpeername(), sock.getsockname()
    source, destination = (
        socket.inet_pton(sock.family, each.partition("%")[0]).ljust(16, b"\0")
        for each in (host, own_host)
    )
    which = INET_ID.pack(port, own_port, source, destination, 0, b"\xff" * 8)
    return INET_REQUEST.pack(sock.family, socket.IPPROTO_TCP, 0, 0, ANY) + which


def _inet_queue(answer: bytes) -> int:
    return int(struct.unpack_from("=I", answer, INET_QUEUE)[0])


def _unix_question(sock: socket.socket) -> bytes:
    own = _unix_request(os.fstat(sock.fileno()).st_ino)
    (peer,) = struct.unpack("=I", _attribute(_ask(own), PEER))
    return _unix_request(peer)


def _unix_request(inode: int) -> bytes:
    show = SHOW_PEER | SHOW_QUEUE
    return UNIX_REQUEST.pack(socket.AF_UNIX, 0, 0, ANY, inode, show, ANY, ANY)


def _unix_queue(answer: bytes) -> int:
    return int(struct.unpack_from("=I", _attribute(answer, QUEUE))[0])


def _attribute(answer: bytes, kind: int) -> bytes:
    """Return the value of a netlink attribute.

    Raises:
        ValueError: There is no attribute of that kind.
    """
    at = UNIX_ATTRIBUTES
    while at + 4 <= len(answer):
        length, found = struct.unpack_from("=HH", answer, at)
        if found == kind:
            return answer[at + 4 : at + length]
        at += max(4, (length + 3) & ~3)
    raise ValueError(f"no attribute {kind}")


SAMPLES = 16
"""Checks of a client in each write_timeout: the precision of the timeout."""

SLOWEST = 6 * 1024
"""Bytes per second below which, on average, a client counts as stopped."""

UNPAID = 64 * 1024
"""The first bytes of a client on this machine earn no credit: one that stops at the beginning of a
response is reset after write_timeout."""

LONGEST_REST = 30
"""Most credit, in write_timeouts: 60 s by default, nginx's send_timeout."""


class ClientProgress:
    """How much of a response one client has received, and when it last received bytes."""

    __slots__ = ("_paid_until", "_peer", "_since", "_socket", "_taken", "_timeout", "_unpaid")

    def __init__(self, sock: socket.socket, taken: int, since: float, timeout: float) -> None:
        """Start measuring.

        Args:
            sock: The connection's socket.
            taken: Bytes the client had received when the response began.
            since: When it last received bytes, in seconds.
            timeout: Seconds in which it may receive nothing.
        """
        self._socket = sock
        self._peer = Peer(sock)
        self._taken = taken
        self._since = self._paid_until = since
        self._timeout = timeout
        self._unpaid = 0 if self._peer.unread() is None else UNPAID

    def has_stopped(self, sent: int, now: float) -> bool:
        """Check the client again.

        Args:
            sent: Bytes passed to the kernel so far.
            now: The time, in seconds.

        Returns:
            Whether it counts as stopped.
        """
        taken = sent - self._left()
        if taken > self._taken:
            self._pay(taken - self._taken, now)
            self._since = now
            self._taken = taken  # never less: what is read and not acknowledged counts twice
        return now - self._since >= self._timeout and now >= self._paid_until

    def _left(self) -> int:
        """Return the bytes sent and not received, as far as is known."""
        unread = self._peer.unread()
        if unread is None:
            return unacknowledged(self._socket)
        if self._socket.family == socket.AF_UNIX:  # what is sent is there at once
            return unread
        return unread + unacknowledged(self._socket)

    def _pay(self, count: int, now: float) -> None:
        free = min(self._unpaid, count)
        self._unpaid -= free
        paid_until = max(self._paid_until, self._since) + (count - free) / SLOWEST
        self._paid_until = min(paid_until, now + LONGEST_REST * self._timeout)
