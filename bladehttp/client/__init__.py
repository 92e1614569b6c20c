"""The client half: HttpClient over libcurl, and the one that the module functions share."""

from typing import TYPE_CHECKING

from bladehttp._data.lazy import late_names

if TYPE_CHECKING:
    from bladehttp.client._asyncio.client import AsyncHttpClient
    from bladehttp.client._client import HttpClient, shared
    from bladehttp.client._info import describe
else:  # libcurl is loaded when it is asked for, asyncio, too
    __getattr__, __dir__ = late_names(
        globals(),
        {
            "AsyncHttpClient": "bladehttp.client._asyncio.client",
            "HttpClient": "bladehttp.client._client",
            "describe": "bladehttp.client._info",
            "shared": "bladehttp.client._client",
        },
    )

__all__ = ["AsyncHttpClient", "HttpClient", "describe", "shared"]
