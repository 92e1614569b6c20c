"""The command serve: the files of a directory."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from bladehttp._cli import listening

PORT = 8000


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments for the directory, the address and TLS."""
    parser.add_argument(
        "directory",
        metavar="DIRECTORY",
        nargs="?",
        default=".",
        type=Path,
        help="the directory (the current one)",
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
    listening.add_arguments(parser, PORT)  # fmt: skip


def run(options: Namespace) -> int:
    """Serve until Ctrl-C.

    Raises:
        CommandFailed: It cannot listen there.
        OSError: There is no such directory.
    """
    directory = options.directory.resolve(strict=True)
    server = listening.make_server(options)
    server.serve_files("/", directory, options.cache_age, listing=options.listing)
    return listening.listen(server, options, f"Serving {directory}")
