"""The default client: the one that the package's module functions share."""

import atexit
import threading

from bladehttp.client.client import HttpClient

_lock = threading.Lock()
_client: HttpClient | None = None


def shared() -> HttpClient:
    """Return the shared client, made at the first call, and anew after it was closed.

    It is closed when the interpreter ends.
    """
    global _client  # noqa: PLW0603 - the one lazily made instance of the package
    with _lock:
        if _client is None:
            atexit.register(close_shared)
        if _client is None or _client.closed:
            _client = HttpClient()
        return _client


def close_shared() -> None:
    """Close the shared client if there is one."""
    if _client is not None:
        _client.close()
