"""Common parts of the commands that serve: address, TLS, log and shutdown."""

import signal
import sys
import tempfile
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from bladehttp._cli.certificate import fingerprint, make_certificate
from bladehttp._cli.exits import CommandFailed
from bladehttp._cli.terminal import end_line, write_error
from bladehttp.server import HttpServer
from bladehttp.server._config import unbracketed
from bladehttp.server._dispatch.access_log import FORMATS, access_log
from bladehttp.server._net.endpoint import UNIX

Server = TypeVar("Server", bound=HttpServer)


def add_arguments(parser: ArgumentParser, port: int) -> None:
    """Add the arguments for address, TLS and log.

    Args:
        parser: The parser of the command.
        port: The default port.
    """
    parser.add_argument(
        "-p",
        "--port",
        type=int,
        default=port,
        metavar="N",
        help=f"the port to listen on; 0 takes a free one ({port})",
    )
    parser.add_argument(
        "-b",
        "--bind",
        "--host",
        dest="host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="the address to listen on; 0.0.0.0 for all, unix:PATH for a socket (127.0.0.1)",
    )
    parser.add_argument(
        "--tls",
        action="store_true",
        help="use HTTPS with a temporary certificate",
    )
    parser.add_argument("--cert", metavar="FILE", help="use HTTPS with this certificate")
    parser.add_argument("--key", metavar="FILE", help="its key, if not in the same file")
    parser.add_argument("--log", choices=(*FORMATS, "none"), default="common",
                        help="format of the access log on standard error (common)")  # fmt: skip


def make_server(options: Namespace, make: Callable[..., Server]) -> Server:
    """Return a server for the options.

    Args:
        options: From the command line.
        make: Makes the server.

    Raises:
        ValueError: They cannot be used like this.
    """
    if options.key is not None and options.cert is None:
        raise ValueError("--key is the key of a certificate: --cert says which")
    secure = options.tls or options.cert is not None
    server = make(options.port, options.host, is_secure=secure)
    if options.log != "none":
        server.on_answered(access_log(lambda line: write_error(f"{line}\n"), options.log))
    return server


def listen(server: HttpServer, options: Namespace, what: str) -> int:
    """Serve until Ctrl-C or SIGTERM, which finish pending requests; a second one closes at once.

    Args:
        server: From `make_server`, with its callbacks.
        options: From the command line.
        what: The subject of the line that names the address.

    Raises:
        CommandFailed: The port cannot be bound, or a certificate cannot be made.
    """
    is_local = options.host.startswith(UNIX)
    with ExitStack() as stack:
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        stack.callback(signal.signal, signal.SIGTERM, before)
        remarks = _secure(server, options, stack)
        try:
            stack.enter_context(server)
        except OSError as error:
            where = options.host if is_local else f"{options.host}:{options.port}"
            reason = error.strerror or error  # "AF_UNIX path too long" has no number
            raise CommandFailed(f"cannot listen on {where}: {reason}") from error
        try:
            where = options.host if is_local else f"{server.url}/"
            lines = (f"{what} at {where} (Ctrl-C ends it)", *remarks, "")
            sys.stdout.write("\n".join(lines))
            sys.stdout.flush()
            threading.Event().wait()
        except KeyboardInterrupt:
            end_line()
            server.shutdown()
    return 0


def _secure(server: HttpServer, options: Namespace, stack: ExitStack) -> list[str]:
    """Load the certificate, if needed; return the lines to print about it."""
    if not server.is_secure:
        return []
    if options.cert is not None:
        server.load_certs(options.cert, options.key)
        return [f"certificate: SHA-256 {fingerprint(options.cert)}"]
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="bladehttp-"))
    files = make_certificate(unbracketed(options.host), Path(directory))
    server.load_certs(files.cert_file)
    return [
        f"certificate: SHA-256 {fingerprint(files.cert_file)}",
        f"to trust it: --cacert {files.ca_file}",
    ]
