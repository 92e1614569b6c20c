"""The command echo: a server that answers every request with a description of it."""

from argparse import ArgumentParser, Namespace

from bladehttp._cli import listening
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp.server import HttpServer

PORT = 3000


def add_arguments(parser: ArgumentParser) -> None:
    """Add where and how to listen."""
    listening.add_arguments(parser, PORT)


def run(options: Namespace) -> int:
    """Serve until Ctrl-C.

    Raises:
        CommandFailed: It cannot listen there.
    """
    server = listening.make_server(options, HttpServer)
    server.on_receive(answer)
    return listening.listen(server, options, "Answering with the request")


def answer(request: HttpRequest, response: HttpResponse) -> None:
    """Answer with the request as JSON."""
    response.json(request)
