"""The command serve: the files of a directory, or a WSGI application."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from bladehttp._cli import listening
from bladehttp._cli.application import is_application, load_application
from bladehttp._message.request import HttpRequest
from bladehttp._message.response import HttpResponse
from bladehttp.server import HttpServer
from bladehttp.server._dispatch.cors import METHODS, cors
from bladehttp.server._dispatch.own_responses import not_found

PORT = 8000

INDEX = "index.html"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments for the directory, the address and TLS."""
    parser.add_argument(
        "places",
        metavar="PORT | DIRECTORY | MODULE:APP",
        nargs="*",
        type=place,
        help="the port (8000) and the directory (the current one), in any order; ./8000 is a "
        "directory. Or a WSGI application: the name in a module, MODULE:MAKE() for what a "
        "function returns",
    )
    parser.add_argument("-d", "--directory", metavar="DIRECTORY", type=Path, help="the directory")
    parser.add_argument(
        "--cors",
        action="store_true",
        help="let scripts of every origin read the files (Access-Control-Allow-Origin: *)",
    )
    parser.add_argument(
        "--spa",
        action="store_true",
        help="answer missing paths without an extension with index.html; list no directory",
    )
    parser.add_argument(
        "--cache",
        dest="cache_age",
        metavar="SECONDS",
        type=int,
        default=0,
        help="seconds for which clients may cache files (0)",
    )
    parser.add_argument(
        "--no-listing",
        dest="listing",
        action="store_false",
        help="do not list a directory without an index.html",
    )
    listening.add_arguments(parser, PORT)
    parser.set_defaults(port=None)  # it may be a word of its own


class Application(str):
    """The name of a WSGI application."""

    __slots__ = ()


def place(text: str) -> int | Path | Application:
    """Return a port for digits, an application for MODULE:NAME, a path for any other word."""
    if is_application(text):
        return Application(text)
    if not (text.isascii() and text.isdigit()):
        return Path(text)
    if len(text) > 5:
        raise ArgumentTypeError(f"port is 0 to 65535, not {text[:20]}")
    return int(text)


def run(options: Namespace) -> int:
    """Serve until Ctrl-C.

    Raises:
        CommandFailed: It cannot listen there, or there is no such application.
        OSError: There is no such directory.
        ValueError: There are two ports, directories or applications.
    """
    place = _place(options)
    if isinstance(place, Application):
        return _run_application(place, options)
    directory = place.resolve(strict=True)
    server = listening.make_server(options, HttpServer)
    listing = options.listing and not options.spa
    server.serve_files("/", directory, options.cache_age, index=INDEX, listing=listing)
    if options.spa:
        add_fallback(server, directory / INDEX)
    if options.cors:
        _allow_all(server, ("GET", "HEAD"))
    return listening.listen(server, options, f"Serving {directory}")


def _run_application(name: Application, options: Namespace) -> int:
    if options.spa or options.cache_age or not options.listing:
        raise ValueError("--spa, --cache and --no-listing are for a directory")
    application = load_application(name)
    server = listening.make_server(options, HttpServer)
    server.mount("/", application)
    if options.cors:
        _allow_all(server, METHODS)
    return listening.listen(server, options, f"Serving {name}")


def _allow_all(server: HttpServer, methods: tuple[str, ...]) -> None:
    """Let scripts of every origin read."""
    allow = cors("*", methods=methods, expose=("*",))
    server.before_request(allow)
    server.after_request(allow)


def _place(options: Namespace) -> Path | Application:
    """Return what to serve, and move a port among the words to the options."""
    ports = [each for each in options.places if isinstance(each, int)]
    ports += [] if options.port is None else [options.port]
    paths = [each for each in options.places if isinstance(each, Path | Application)]
    paths += [] if options.directory is None else [options.directory]
    for what, found in (("port", ports), ("directory", paths)):
        if len(found) > 1:
            raise ValueError(f"serve takes one {what}, not {found[0]} and {found[1]}")
    options.port = ports[0] if ports else PORT
    return paths[0] if paths else Path()


def add_fallback(server: HttpServer, index: Path) -> None:
    """Have the paths of a single-page application answered with its index."""

    def answer(request: HttpRequest, response: HttpResponse) -> None:
        is_route = "." not in request.path.rpartition("/")[2]
        if request.method in ("GET", "HEAD") and is_route and index.is_file():
            response.headers["Cache-Control"] = "no-cache"
            response.file(index)
        else:
            not_found(request, response)

    server.none_handler(answer)
