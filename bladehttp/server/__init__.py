"""The server: one thread, one selector, Blade's callbacks."""

from bladehttp.server.server import HttpServer
from bladehttp.server.systemd import inherited_socket

__all__ = ["HttpServer", "inherited_socket"]
