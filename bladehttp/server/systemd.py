"""Sockets that systemd has opened for this process, as sd_listen_fds(3) describes it."""

import os

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
