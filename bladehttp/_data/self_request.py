"""The address that the current thread serves, to refuse requests of a thread to itself.

A handler that sends a request to its own server and waits for the response waits forever: the
thread that would respond is the one that waits. Server and client do not know each other; both know
this module.
"""

import errno
import ipaddress
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

Address = tuple[str, int] | str
"""Host and port, or the path of a unix socket."""


class _Thread(threading.local):
    address: Address | None = None  # found on the class: every request looks, few threads serve
    free_descriptors: Callable[[], bool] | None = None


_thread = _Thread()

SERVING: set[int] = set()
"""The threads that serve. If there are none, `check_not_own` need not be called."""


@contextmanager
def serving(
    address: Address, free_descriptors: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Note that this thread serves an address, for as long as the context lasts.

    Args:
        address: The address.
        free_descriptors: Called when descriptors have run out. Closes idle connections and
            returns whether there were any.
    """
    _thread.address = address
    _thread.free_descriptors = free_descriptors
    SERVING.add(threading.get_ident())
    try:
        yield
    finally:
        SERVING.discard(threading.get_ident())
        del _thread.address
        del _thread.free_descriptors


def is_serving() -> bool:
    """Whether this thread serves: whatever it waits for, its clients wait, too."""
    return _thread.address is not None


EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE})
"""Error numbers for want of file descriptors."""


def is_shortage(error: BaseException) -> bool:
    """Return whether an error is for want of file descriptors."""
    return isinstance(error, OSError) and error.errno in EXHAUSTED


def with_descriptors(call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call a function that opens a file; retry if descriptors have run out and some were freed.

    Raises:
        OSError: It failed, also the second time.
    """
    try:
        return call(*arguments, **named)
    except OSError as error:
        free_descriptors = _thread.free_descriptors
        if not is_shortage(error) or free_descriptors is None or not free_descriptors():
            raise
        return call(*arguments, **named)


def check_not_own(host: str, port: int, path: str | None = None) -> None:
    """Raise if this thread serves that address itself.

    Args:
        host: A name or an address, that of IPv6 with or without brackets.
        port: The port.
        path: The unix socket to connect to instead; None: none.

    Raises:
        RuntimeError: The request would wait for itself.
    """
    address = _thread.address
    if address is None or not _leads_to(address, host.strip("[]"), port, path):
        return
    raise RuntimeError(
        f"a request to {path or f'{host}:{port}'} from a callback of the server there "
        "would wait for itself"
    )


def _leads_to(address: Address, host: str, port: int, path: str | None) -> bool:
    if isinstance(address, str):
        return path is not None and Path(path).resolve() == Path(address).resolve()
    if path is not None or address[1] != port:
        return False
    return host == address[0] or (_is_local(host) and _is_local(address[0]))


def _is_local(host: str) -> bool:
    """Whether a host is the loopback interface, or every interface."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
