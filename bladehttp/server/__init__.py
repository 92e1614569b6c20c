"""The server: one thread, one selector, Blade's callbacks."""

from typing import TYPE_CHECKING

from bladehttp._data.lazy import lazy_names

if TYPE_CHECKING:
    from bladehttp._data.headers import Headers, HeadersLike
    from bladehttp._data.multidict import MissingValueError, MultiDict
    from bladehttp._data.uploads import Upload
    from bladehttp._message.aborts import Abort, abort
    from bladehttp._message.deferred import Channel, Deferred
    from bladehttp._message.request import ClientInfo, HttpRequest
    from bladehttp._message.response import HttpResponse
    from bladehttp._message.sse import Events
    from bladehttp.server._config import ServerOptions
    from bladehttp.server._connection.context import Stats
    from bladehttp.server._dispatch.access_log import AccessLog, Answered, access_log
    from bladehttp.server._dispatch.compression import Compression, compress
    from bladehttp.server._dispatch.cors import Cors, cors
    from bladehttp.server._dispatch.routes import Handler, RouteOptions
    from bladehttp.server._net.endpoint import inherited_socket
    from bladehttp.server._net.loop import Timer
    from bladehttp.server._server import HttpServer
    from bladehttp.server.wsgi import WsgiApplication
else:  # a program that is only a client does not load it
    __getattr__, __dir__ = lazy_names(
        globals(),
        {
            "_data.headers": "Headers HeadersLike",
            "_data.multidict": "MissingValueError MultiDict",
            "_data.uploads": "Upload",
            "_message.aborts": "Abort abort",
            "_message.deferred": "Channel Deferred",
            "_message.request": "ClientInfo HttpRequest",
            "_message.response": "HttpResponse",
            "_message.sse": "Events",
            "server._config": "ServerOptions",
            "server._connection.context": "Stats",
            "server._dispatch.access_log": "AccessLog Answered access_log",
            "server._dispatch.compression": "Compression compress",
            "server._dispatch.cors": "Cors cors",
            "server._dispatch.routes": "Handler RouteOptions",
            "server._net.endpoint": "inherited_socket",
            "server._net.loop": "Timer",
            "server._server": "HttpServer",
            "server.wsgi": "WsgiApplication",
        },
        "testing",
        "wsgi",
    )

__all__ = [
    "Abort",
    "AccessLog",
    "Answered",
    "Channel",
    "ClientInfo",
    "Compression",
    "Cors",
    "Deferred",
    "Events",
    "Handler",
    "Headers",
    "HeadersLike",
    "HttpRequest",
    "HttpResponse",
    "HttpServer",
    "MissingValueError",
    "MultiDict",
    "RouteOptions",
    "ServerOptions",
    "Stats",
    "Timer",
    "Upload",
    "WsgiApplication",
    "abort",
    "access_log",
    "compress",
    "cors",
    "inherited_socket",
]
