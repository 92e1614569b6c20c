"""Endpoint: the listening socket: TCP, a unix socket, or one opened by another process.

Also the protocol between systemd and a service: sd_listen_fds(3) and sd_notify(3).
"""

import ctypes
import errno
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

if sys.platform != "win32":
    import fcntl

SO_ATTACH_FILTER = 26
"""From <asm-generic/socket.h>; Python does not define it."""

DROP_FIRST_PACKETS = (
    # struct sock_filter: code, jump if true, jump if false, operand. It sees the TCP header.
    (0x30, 0, 0, 13),  # load the byte with the flags
    (0x54, 0, 0, 0x12),  # of these SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone: go on, else skip one
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # keep
)
"""A packet filter for a listening socket: drops SYN, so no new TCP handshake starts; pending ones
complete."""

LOCK_S = 2.0
"""Longest wait for other processes that start at sockets in the same directory: binding takes far
less than a millisecond."""

LOCK_PAUSE_S = 0.005
"""Time between two attempts to lock a directory."""

UNIX = "unix:"
"""Prefix of a host that is the path of a unix socket, as in nginx."""


@dataclass(frozen=True, slots=True)
class SocketFile:
    """The file of a unix socket created here.

    Attributes:
        path: Its path.
        device: Device of the file (os.stat), to recognise it later,
        inode: and its inode: another server may have replaced the file.
    """

    path: Path
    device: int
    inode: int

    @classmethod
    def at(cls, path: str) -> "SocketFile":
        """Record a file that was just created; the path is made absolute."""
        status = os.lstat(path)
        return cls(Path(path).absolute(), status.st_dev, status.st_ino)

    def remove(self) -> None:
        """Remove the file if it is still the same one. Removing twice is harmless."""
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
        socket: The socket, non-blocking.
        file: Its file, removed on close; None: it has none, or another process owns it.
        is_own: Whether the socket was created here, so that no other process accepts from it.
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
        """Refuse new connections, but complete those whose TCP handshake has begun.

        A client that connects meanwhile retries after a second and reaches the next listener. A
        socket of another process is left alone: others accept from it.
        """
        if self.file is not None:
            self.file.remove()
        elif self.is_own:
            drop_first_packets(self.socket)

    def close(self) -> None:
        """Stop listening. Closing twice is harmless."""
        # While the socket is open its inode is in use; later another server's file may have it.
        if self.file is not None and self.socket.fileno() >= 0:
            self.file.remove()
        self.socket.close()


def listen_tcp(
    host: str, port: int, backlog: int, *, reuse_address: bool, reuse_port: bool
) -> Endpoint:
    """Listen on a port.

    Args:
        host: An address or a name; the first address of a name is used.
        port: 0 takes a free one.
        backlog: Number of connections the kernel queues until they are accepted.
        reuse_address: Whether a port may be bound whose last connections are in TIME_WAIT.
        reuse_port: Whether several processes may listen on the port, each with its own backlog; all
            of them have to set it (SO_REUSEPORT).

    Raises:
        OSError: The host has no address, or the port cannot be bound.
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
        path: Its file. An existing socket is replaced if no process listens on it, as after a
            server was killed. Of several servers that start at the same moment one gets it.
        backlog: See `listen_tcp`.
        mode: Permissions of the file, set before clients can connect; None: by the umask.

    Raises:
        OSError: The file is in use, is not a socket, or cannot be created.
        ValueError: The path is empty or has a NUL.
    """
    if not path or "\0" in path:  # the kernel would take an address without a file
        raise ValueError(f"not the path of a unix socket: {path!r}")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    file = None
    try:
        sock.setblocking(False)
        with _locked(Path(path).parent):  # until it listens: it would look left over
            _bind_file(sock, path)
            file = SocketFile.at(path)
            if mode is not None:
                file.path.chmod(mode)
            sock.listen(backlog)
    except BaseException:
        Endpoint(sock, file).close()
        raise
    return Endpoint(sock, file)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory (flock(2)), which leaves no file behind.

    A directory that cannot be read or locked, as on some network file systems, is used without.

    Raises:
        OSError: EADDRINUSE, another process holds the lock for longer than `LOCK_S`.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield
        return
    try:
        _lock(descriptor, directory)
        yield
    finally:
        with suppress(OSError):  # explicitly, since a child forked meanwhile shares the lock
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _lock(descriptor: int, directory: Path) -> None:
    until = monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if monotonic() > until:
                reason = f"Address already in use: another process locks {str(directory)!r}"
                raise OSError(errno.EADDRINUSE, reason) from error
            sleep(LOCK_PAUSE_S)
        except OSError:
            return
        else:
            return


def _bind_file(sock: socket.socket, path: str) -> None:
    try:
        sock.bind(path)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not _is_left_over(path):
            raise
        Path(path).unlink()
        sock.bind(path)


def _is_left_over(path: str) -> bool:
    """Whether a file is a socket without a listener."""
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) == errno.ECONNREFUSED


def listen_on(given: socket.socket | int, backlog: int) -> Endpoint:
    """Listen on a socket bound by another owner, who closes it.

    Args:
        given: The socket, or its descriptor. A duplicate is used.
        backlog: See `listen_tcp`; used if the socket does not listen yet.

    Raises:
        OSError: It is not a socket, or one that cannot listen.
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
    """Drop the SYN of new connections to a listening TCP socket, by a packet filter.

    Otherwise connections between the last accept() and close() would be reset. Linux only; without
    such a filter nothing is done.
    """
    if sys.platform != "linux":
        return
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in DROP_FIRST_PACKETS)
    memory = ctypes.create_string_buffer(program)
    value = struct.pack("HP", len(DROP_FIRST_PACKETS), ctypes.addressof(memory))
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, value)


FIRST = 3
"""The first inherited descriptor: SD_LISTEN_FDS_START."""


def inherited_socket(name: str | None = None) -> int | None:
    """Return the descriptor of an inherited socket, for ``HttpServer(socket=...)``.

    Args:
        name: Its FileDescriptorName= in the .socket unit; None: the first one.

    Returns:
        None if the process was not started by socket activation.

    Raises:
        LookupError: There are inherited sockets, but none of that name.
    """
    environment = os.environ
    # A child of the addressed process inherits the variables, but not the sockets.
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = int(environment.get("LISTEN_FDS", "0"))
    names = environment.get("LISTEN_FDNAMES", "").split(":")[:count]
    if not count:
        return None
    if name is not None and name not in names:
        raise LookupError(f"no inherited socket is named {name!r}, only {names}")
    descriptor = FIRST if name is None else FIRST + names.index(name)
    os.set_inheritable(descriptor, False)  # it comes without FD_CLOEXEC
    return descriptor


def notify(state: str) -> bool:
    """Send a state such as "READY=1" to the service manager that started this process.

    Returns:
        Whether it was sent: False outside a unit of ``Type=notify``.
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
    """Notify the service manager that the server is ready."""
    notify("READY=1")
