"""The client half: HttpClient over libcurl, and the one that the module functions share."""

from typing import TYPE_CHECKING

from bladehttp._data.lazy import late_names

if TYPE_CHECKING:
    from bladehttp.client.aio import AsyncHttpClient
    from bladehttp.client.client import HttpClient
    from bladehttp.client.default import shared
    from bladehttp.client.info import describe
else:  # libcurl is loaded when it is asked for, asyncio, too
    __getattr__, __dir__ = late_names(
        globals(),
        {
            "AsyncHttpClient": "bladehttp.client.aio",
            "HttpClient": "bladehttp.client.client",
            "describe": "bladehttp.client.info",
            "shared": "bladehttp.client.default",
        },
    )

__all__ = ["AsyncHttpClient", "HttpClient", "describe", "shared"]
