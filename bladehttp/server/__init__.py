"""The server: one thread, one selector, Blade's callbacks."""

from bladehttp.server.server import HttpServer

__all__ = ["HttpServer"]
