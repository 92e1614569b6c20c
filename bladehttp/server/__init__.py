"""The server: one thread, one selector, Blade's callbacks."""

from typing import TYPE_CHECKING

from bladehttp._data.lazy import late_names

if TYPE_CHECKING:
    from bladehttp.server._net.endpoint import inherited_socket
    from bladehttp.server._server import HttpServer
else:  # who wants a client only has nothing to do with it
    __getattr__, __dir__ = late_names(
        globals(),
        {
            "HttpServer": "bladehttp.server._server",
            "inherited_socket": "bladehttp.server._net.endpoint",
        },
    )

__all__ = ["HttpServer", "inherited_socket"]
