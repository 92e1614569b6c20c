"""The command demo: a server on a free port, real requests to it, and their outcome."""

import json
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bladehttp._cli.certificate import make_certificate
from bladehttp._cli.exits import FAILED, CommandFailed
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp.client import HttpClient
from bladehttp.server import HttpServer
from bladehttp.status import CREATED


class Exchanged(NamedTuple):
    """An exchange: its title, the response, and whether that is as expected."""

    what: str
    response: HttpResponse
    as_expected: bool


ROW = "{:<17} {:<38} {:>6} {:>9}  {}\n"


def add_arguments(parser: ArgumentParser) -> None:
    """Add no arguments: the demo has none."""
    del parser


def run(options: Namespace) -> int:
    """Make every exchange and print it, as a row of a table."""
    del options
    sys.stdout.write(ROW.format("what", "answered by", "status", "ms", "body"))
    sys.stdout.write(ROW.format("-" * 17, "-" * 38, "-" * 6, "-" * 9, "-" * 40))
    wrong = 0
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        client = stack.enter_context(HttpClient())
        server = stack.enter_context(make_server())
        for exchanged in exchanges(client, server.url, directory):
            wrong += _print(exchanged)
        try:
            for exchanged in secure_exchange(client, directory):
                wrong += _print(exchanged)
        except CommandFailed as error:
            sys.stdout.write(f"HTTPS             left out: {error}\n")
    sys.stdout.write("\nall as expected\n" if not wrong else f"\n{wrong} not as expected\n")
    return FAILED if wrong else 0


def _print(exchanged: Exchanged) -> bool:
    """Print a row and return whether something is wrong with it."""
    what, response, as_expected = exchanged
    body = shown(response.body) + ("" if as_expected else "  <- not as expected")
    milliseconds = f"{response.time_taken:.2f}"
    sys.stdout.write(ROW.format(what, response.responder, response.status, milliseconds, body))
    return not as_expected


def make_server(*, secure: bool = False) -> HttpServer:
    """Return a server that greets, takes JSON and files, and redirects."""
    server = HttpServer(0, "127.0.0.1", secure)
    server.handle("GET", "/hello", lambda _, response: response.write("Hello, world!"))
    server.handle("GET", "/old", lambda _, response: response.redirect("/hello"))

    def add(request: HttpRequest, response: HttpResponse) -> None:
        response.json({"sum": sum(request.body["numbers"])}, CREATED)

    def upload(request: HttpRequest, response: HttpResponse) -> None:
        file = request.files["document"]
        response.json({key: file[key] for key in ("filename", "mime", "size")})

    server.handle("POST", "/sum", add)
    server.handle("POST", "/upload", upload)
    return server


def exchanges(client: HttpClient, base: str, directory: Path) -> Iterator[Exchanged]:
    """Make the exchanges over plain HTTP."""
    response = client.get(f"{base}/hello")
    yield Exchanged("GET", response, response.text == "Hello, world!")

    response = client.post(f"{base}/sum", {"numbers": [1, 2, 3]})
    as_expected = response.status == CREATED and response.json() == {"sum": 6}
    yield Exchanged("POST of JSON", response, as_expected)

    document = directory / "notes.txt"
    document.write_text("a file of the demo\n" * 1000)
    response = client.post(f"{base}/upload", files={"document": document})
    as_expected = response.json()["size"] == document.stat().st_size
    yield Exchanged("upload of a file", response, as_expected)

    response = client.get(f"{base}/old")
    as_expected = response.redirects == 1 and response.text == "Hello, world!"
    yield Exchanged("redirect", response, as_expected)


def secure_exchange(client: HttpClient, directory: Path) -> Iterator[Exchanged]:
    """Make one exchange over TLS, with an authority that lives as long as the demo.

    Raises:
        CommandFailed: trustme, which makes it, is not installed.
    """
    files = make_certificate("localhost", directory)
    server = make_server(secure=True)
    server.load_certs(files.cert_file)
    with server:
        client.ca_cert = files.ca_file
        response = client.get(f"{server.url}/hello")
        yield Exchanged("HTTPS", response, response.text == "Hello, world!")


def shown(body: bytes) -> str:
    """Return a body in a line."""
    text = body.decode()
    return json.dumps(json.loads(text)) if text.startswith("{") else text
