"""A throw-away certificate: made when a server starts, gone when it ends."""

import socket
import ssl
from hashlib import sha256
from pathlib import Path

from bladehttp._cli.exits import CommandFailed
from bladehttp.server._net.endpoint import UNIX
from bladehttp.server._net.tls import ThrowAwayCertificate, throw_away_certificate

EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - what nobody can ask for by name


def make_certificate(host: str, directory: Path) -> ThrowAwayCertificate:
    """Make a certificate for this machine, its name and a host, as `throw_away_certificate`.

    Raises:
        CommandFailed: trustme is not installed.
    """
    names = (socket.gethostname(), host)
    asked = [name for name in names if name not in EVERY_ADDRESS and not name.startswith(UNIX)]
    try:
        return throw_away_certificate(directory, asked)
    except ImportError as error:
        raise CommandFailed(
            "to make a certificate takes trustme: pip install 'bladehttp[cli]'"
        ) from error


def fingerprint(cert_file: str) -> str:
    """Return the SHA-256 of the first certificate in a PEM file, as browsers show it."""
    begin = "-----BEGIN CERTIFICATE-----"
    pem = Path(cert_file).read_text("ascii").partition(begin)[2]
    body = pem.partition("-----END CERTIFICATE-----")[0]
    der = ssl.PEM_cert_to_DER_cert(f"{begin}{body}-----END CERTIFICATE-----")
    return sha256(der).digest().hex(":").upper()
