"""Endpoint: the socket a server listens on, and the file of one that has one.

TCP, a unix socket, or a socket that somebody else has opened for this process.

What systemd and a service say to each other: sd_listen_fds(3) and sd_notify(3).
"""

import ctypes
import errno
import os
import socket
import stat
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SO_ATTACH_FILTER = 26
"""<asm-generic/socket.h>; Python has no name for it."""

DROP_FIRST_PACKETS = (
    # struct sock_filter: code, jump if true, jump if false, operand. It sees the TCP header.
    (0x30, 0, 0, 13),  # load the byte with the flags
    (0x54, 0, 0, 0x12),  # of these SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone: go on, else skip one
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # keep
)
"""A packet filter for a listening socket: clients cannot begin to connect, but go on with it."""

UNIX = "unix:"
"""What a host begins with that is the path of a unix socket, as nginx writes it."""


@dataclass(frozen=True, slots=True)
class SocketFile:
    """The file of a unix socket that was made here.

    Attributes:
        path: Where it is.
        device: Of the file that was made, as os.stat has it,
        inode: and its inode: another server's file may take the place later.
    """

    path: Path
    device: int
    inode: int

    @classmethod
    def at(cls, path: str) -> "SocketFile":
        """Take note of a file that was just made; the path is kept absolute."""
        status = os.lstat(path)
        return cls(Path(path).absolute(), status.st_dev, status.st_ino)

    def remove(self) -> None:
        """Remove it if it is still there. Again does no harm."""
        try:
            status = self.path.lstat()
        except FileNotFoundError:
            return
        if (status.st_dev, status.st_ino) == (self.device, self.inode):
            self.path.unlink()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A listening socket.

    Attributes:
        socket: The socket, not blocking.
        file: Its file, to be removed when it is closed; None: it has none, or it is not ours.
        is_own: Whether the socket was made here, so that nobody else accepts from it.
    """

    socket: socket.socket
    file: SocketFile | None = None
    is_own: bool = True

    @property
    def address(self) -> tuple[str, int] | str:
        """Host and port, or the path of a unix socket."""
        name = self.socket.getsockname()
        return name[:2] if isinstance(name, tuple) else os.fsdecode(name)

    def stop_new_connections(self) -> None:
        """Let no new connection be made, but those that are being made.

        A client that starts one meanwhile tries again after a second, and finds whoever listens
        by then. A socket that is not ours goes on: others accept from it.
        """
        if self.file is not None:
            self.file.remove()
        elif self.is_own:
            drop_first_packets(self.socket)

    def close(self) -> None:
        """Stop listening. Again does no harm."""
        if self.file is not None:
            self.file.remove()
        self.socket.close()


def listen_tcp(
    host: str, port: int, backlog: int, *, reuse_address: bool, reuse_port: bool
) -> Endpoint:
    """Listen on a port.

    Args:
        host: An address or a name; of a name the first address is taken.
        port: 0 takes a free one.
        backlog: How many connections the kernel keeps until they are accepted.
        reuse_address: Whether a port may be taken whose last connections are still in TIME_WAIT.
        reuse_port: Whether several processes may listen on it, each with a backlog of its own;
            all of them have to say so (SO_REUSEPORT).

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
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setblocking(False)
        sock.bind(address)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return Endpoint(sock)


def listen_unix(path: str, backlog: int, mode: int | None) -> Endpoint:
    """Listen on a unix socket.

    Args:
        path: Its file. One that is there is replaced if it is a socket that nobody listens on,
            as a server leaves it that was killed. (Of two that start there at the same moment
            one can take the other's for such.)
        backlog: As of `listen_tcp`.
        mode: Permissions of the file, in force before anybody can connect; None: as the umask
            says.

    Raises:
        OSError: The file is there and in use, or no such socket, or it cannot be made.
        ValueError: The path is none.
    """
    if not path or "\0" in path:  # the kernel would take an address without a file
        raise ValueError(f"not the path of a unix socket: {path!r}")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    file = None
    try:
        sock.setblocking(False)
        _bind_file(sock, path)
        file = SocketFile.at(path)
        if mode is not None:
            file.path.chmod(mode)
        sock.listen(backlog)
    except BaseException:
        Endpoint(sock, file).close()
        raise
    return Endpoint(sock, file)


def _bind_file(sock: socket.socket, path: str) -> None:
    try:
        sock.bind(path)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not _is_left_over(path):
            raise
        Path(path).unlink()
        sock.bind(path)


def _is_left_over(path: str) -> bool:
    """Whether a file is a socket that nobody listens on."""
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) == errno.ECONNREFUSED


def listen_on(given: socket.socket | int, backlog: int) -> Endpoint:
    """Listen on a socket that somebody else has bound, and leave it to them to close it.

    Args:
        given: The socket, or its descriptor. A duplicate is used.
        backlog: As of `listen_tcp`, if it does not listen yet.

    Raises:
        OSError: It is not a socket, or not one that can listen.
    """
    descriptor = given if isinstance(given, int) else given.fileno()
    sock = socket.socket(fileno=os.dup(descriptor))
    try:
        sock.setblocking(False)
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return Endpoint(sock, is_own=False)


def drop_first_packets(sock: socket.socket) -> None:
    """Have the kernel drop the first packet of each new connection to a listening TCP socket.

    Otherwise those that come between the last accept() and close() are reset. Where the kernel
    has no such filter nothing is done.
    """
    if sys.platform != "linux":
        return
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in DROP_FIRST_PACKETS)
    memory = ctypes.create_string_buffer(program)
    value = struct.pack("HP", len(DROP_FIRST_PACKETS), ctypes.addressof(memory))
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, value)


FIRST = 3
"""The first descriptor that is handed over: SD_LISTEN_FDS_START."""


def inherited_socket(name: str | None = None) -> int | None:
    """Return the descriptor of a socket that was handed over, for ``HttpServer(socket=...)``.

    Args:
        name: Its FileDescriptorName= in the .socket unit; None: the first one.

    Returns:
        None if none was: the process was not started through a socket.

    Raises:
        LookupError: Some were, none of that name.
    """
    environment = os.environ
    # A child of the process that was meant inherits the variables, but not the sockets.
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = int(environment.get("LISTEN_FDS", "0"))
    names = environment.get("LISTEN_FDNAMES", "").split(":")[:count]
    if not count:
        return None
    if name is not None and name not in names:
        raise LookupError(f"no socket named {name!r} was handed over, only {names}")
    descriptor = FIRST if name is None else FIRST + names.index(name)
    os.set_inheritable(descriptor, False)  # it comes without FD_CLOEXEC
    return descriptor


def notify(state: str) -> bool:
    """Tell the service manager that has started this process something, such as "READY=1".

    Returns:
        Whether there is one that listens: False outside a unit of ``Type=notify``.
    """
    path = os.environ.get("NOTIFY_SOCKET")
    if not path or not hasattr(socket, "AF_UNIX"):
        return False
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, suppress(OSError):
        manager.setblocking(False)
        manager.sendto(state.encode(), address)
        return True
    return False


def tell_ready() -> None:
    """Tell the service manager that clients are served."""
    notify("READY=1")
