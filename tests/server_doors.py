"""One server behind each of its doors: its own sockets, and a WSGI server's threads."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from support import Raw, Response

from bladehttp.server import HttpServer


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


class Threads(ThreadingMixIn, WSGIServer):
    """A thread for each request; they are waited for at the end."""


@contextmanager
def listening(server: HttpServer) -> Iterator[int]:
    with server:
        yield server.port


@contextmanager
def under_wsgi(server: HttpServer) -> Iterator[int]:
    host = make_server("127.0.0.1", 0, server.wsgi, Threads, Quiet)
    thread = threading.Thread(target=host.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield host.server_port
    finally:
        host.shutdown()
        thread.join()
        host.server_close()


Door = Callable[[HttpServer], "contextmanager[int]"]
DOORS = {"listen": listening, "wsgi": under_wsgi}


def ask(port: int, path: str = "/", *fields: str, method: str = "GET", body: str = "") -> Response:
    """Send one request on a connection of its own and return the answer."""
    if body:
        fields = (*fields, f"Content-Length: {len(body)}")
    with Raw(port) as client:
        client.get(path, "Connection: close", *fields, method=method)
        if body:
            client.send(body)
        return client.response(method)
