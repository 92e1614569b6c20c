"""The handlers of the counted servers. Each has a server of its own: none pays for another's."""

from typing import Any

from bladehttp.server import HttpServer, access_log

HELLO = b"Hello, world!"
PRODUCT = b'{"id": 7, "name": "lamp", "price": 12.5, "tags": ["new", "sale"]}'
ORDER = b'{"accepted": true, "count": 12}'

ROUTES = 100
CALM = 120_000
"""Milliseconds. Every clock runs; they are long, as all takes fifty times as long here."""


def hello(request: Any, response: Any) -> None:  # noqa: ARG001
    """Write 13 bytes and nothing else."""
    response.write(HELLO)


def fields(request: Any, response: Any) -> None:
    """Read the path, set two fields and write 13 bytes."""
    response.headers["Content-Type"] = "text/plain; charset=utf-8"
    response.headers["Cache-Control"] = "no-store" if request.path == "/login" else "max-age=60"
    response.write(HELLO)


def small_json(request: Any, response: Any) -> None:  # noqa: ARG001
    """Answer with the JSON of a small dict."""
    response.json({"id": 7, "name": "lamp", "price": 12.5, "tags": ["new", "sale"]})


def order(request: Any, response: Any) -> None:
    """Read the JSON of a POST and answer with JSON."""
    response.json({"accepted": request.body["paid"], "count": request.body["count"]})


def item(request: Any, response: Any) -> None:
    """Read a parameter of the route, set two fields and write 13 bytes."""
    response.headers["Content-Type"] = "text/plain; charset=utf-8"
    response.headers["Cache-Control"] = "no-store" if request.params["id"] == "-" else "max-age=60"
    response.write(HELLO)


APPLICATIONS = {
    # row's application: its on_receive; None: see `server_for`
    "hello": hello,
    "fields": fields,
    "json": small_json,
    "order": order,
    "routes": None,
    "logged": fields,
}


def server_for(application: str, log: str, is_secure: bool = False) -> HttpServer:
    """Return a server for an application.

    Args:
        application: A key of `APPLICATIONS`.
        log: The path of the access log.
        is_secure: Whether it speaks TLS.
    """
    server = HttpServer(0, is_secure=is_secure)
    server.max_requests_per_connection = 0
    server.slow_handler_time = CALM
    server.read_timeout = server.write_timeout = CALM
    server.header_timeout = server.keep_alive_timeout = server.handshake_timeout = CALM
    handler = APPLICATIONS[application]
    if handler is None:
        for number in range(ROUTES):
            server.handle("GET", f"/section{number}/items/{{id}}", item)
    else:
        server.on_receive(handler)
    if application == "logged":
        server.on_answered(access_log(log))
    return server
