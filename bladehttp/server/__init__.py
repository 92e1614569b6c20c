"""The server: one thread, one selector, Blade's callbacks."""

from typing import TYPE_CHECKING

from bladehttp._data.lazy import late_names

if TYPE_CHECKING:
    from bladehttp.server.server import HttpServer
    from bladehttp.server.systemd import inherited_socket
else:  # who wants a client only has nothing to do with it
    __getattr__, __dir__ = late_names(
        globals(),
        {
            "HttpServer": "bladehttp.server.server",
            "inherited_socket": "bladehttp.server.systemd",
        },
    )

__all__ = ["HttpServer", "inherited_socket"]
