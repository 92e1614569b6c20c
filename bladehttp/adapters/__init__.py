"""The client as the engine of programs written for requests or httpx.

    session = requests.Session()
    session.mount("https://", RequestsAdapter())

    client = httpx.Client(transport=HttpxTransport())

Each name needs the library it is for: ``pip install 'bladehttp[requests]'`` or ``[httpx]``.
"""

from typing import TYPE_CHECKING

from bladehttp._data.lazy import late_names

if TYPE_CHECKING:
    from bladehttp.adapters._httpx import AsyncHttpxTransport, HttpxTransport
    from bladehttp.adapters._requests import RequestsAdapter
else:  # neither library is needed for the other's adapter
    __getattr__, __dir__ = late_names(
        globals(),
        {
            "AsyncHttpxTransport": "bladehttp.adapters._httpx",
            "HttpxTransport": "bladehttp.adapters._httpx",
            "RequestsAdapter": "bladehttp.adapters._requests",
        },
    )

__all__ = ["AsyncHttpxTransport", "HttpxTransport", "RequestsAdapter"]
