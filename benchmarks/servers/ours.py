"""The applications on bladehttp: APPLICATION PORT [PEM | DIRECTORY | LOG].

Parser, callbacks, limits and deadlines are those of every server. Two limits are off, as load
would run into them: requests on one connection and open connections.
"""

import resource
import sys

from benchmarks import servers
from benchmarks.servers import FIELD, HELLO, LARGE, ROUTES
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp.server import HttpServer, access_log

NAME, VALUE = FIELD


def hello(request: HttpRequest, response: HttpResponse) -> None:
    """Say hello."""
    if request.path:
        response.headers["Content-Type"] = "text/plain"
        response.headers[NAME] = VALUE
        response.write(HELLO)


def bare(request: HttpRequest, response: HttpResponse) -> None:
    """Send 13 bytes."""
    response.write(HELLO)


def data(request: HttpRequest, response: HttpResponse) -> None:
    """Send a small dict."""
    response.json(servers.data())


def order(request: HttpRequest, response: HttpResponse) -> None:
    """Read an order and answer it."""
    response.json(servers.taken(request.body))


def show(request: HttpRequest, response: HttpResponse) -> None:
    """Answer with the parameter of the route."""
    response.headers["Content-Type"] = "text/plain"
    response.headers[NAME] = VALUE
    response.write(request.params["id"])


def route(server: HttpServer) -> None:
    """Register 100 routes with a parameter each."""
    for number in range(ROUTES):
        server.handle("GET", f"/things{number}/{{id}}", show)


def large(request: HttpRequest, response: HttpResponse) -> None:
    """Send 10 MB."""
    response.write(LARGE)


def sink(request: HttpRequest, response: HttpResponse) -> None:
    """Read the whole body."""
    response.write(str(len(request.raw_body)))


def main() -> None:
    """Serve on this thread until a signal."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    application, port, *files = sys.argv[1:]
    server = HttpServer(int(port), is_secure=bool(files) and files[0].endswith(".pem"))
    if server.is_secure:
        server.load_certs(files[0])
    server.max_requests_per_connection = 0
    server.max_connections = 0
    if application == "idle":  # the connections are to stay while they are measured
        server.keep_alive_timeout = 600_000
        application = "bare"
    if application == "static":
        server.serve_files("/", files[0])
    elif application == "route":
        route(server)
    elif application == "log":
        server.on_receive(hello)
        server.on_answered(access_log(files[0]))
    else:
        server.on_receive(globals()[application])
    server.listen(signals=True)


if __name__ == "__main__":
    main()
