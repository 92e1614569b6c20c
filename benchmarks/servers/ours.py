"""The applications on bladehttp: APPLICATION PORT [PEM | DIRECTORY].

Parser, callbacks, limits and deadlines are those of every server. Two limits are off, as load
would run into them: requests on one connection and open connections.
"""

import resource
import sys

from benchmarks.servers import HELLO, LARGE
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp.server import HttpServer


def hello(request: HttpRequest, response: HttpResponse) -> None:
    """Say hello."""
    response.write(HELLO)


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
        application = "hello"
    if application == "static":
        server.serve_files("/", files[0])
    else:
        server.on_receive(globals()[application])
    server.listen(signals=True)


if __name__ == "__main__":
    main()
