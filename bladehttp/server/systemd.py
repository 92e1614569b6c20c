"""What systemd and a service say to each other: sd_listen_fds(3) and sd_notify(3)."""

import os
import socket
from contextlib import suppress

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
