"""The client as the engine of programs written for requests or httpx.

    session = requests.Session()
    session.mount("https://", RequestsAdapter())

    client = httpx.Client(transport=HttpxTransport())

Each name needs the library it is for: ``pip install 'bladehttp[requests]'`` or ``[httpx]``.
"""

from typing import TYPE_CHECKING

from bladehttp._data.lazy import lazy_names

if TYPE_CHECKING:
    from bladehttp.adapters._httpx import AsyncHttpxTransport, HttpxTransport
    from bladehttp.adapters._requests import RequestsAdapter
else:  # neither library is needed for the other's adapter
    __getattr__, __dir__ = lazy_names(
        globals(),
        {
            "adapters._httpx": "AsyncHttpxTransport HttpxTransport",
            "adapters._requests": "RequestsAdapter",
        },
    )

__all__ = ["AsyncHttpxTransport", "HttpxTransport", "RequestsAdapter"]
