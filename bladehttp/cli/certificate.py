"""A throw-away certificate: made when a server starts, gone when it ends."""

import socket
import ssl
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from bladehttp.cli.exits import CommandFailed
from bladehttp.server.endpoint import UNIX

LOCAL = ("localhost", "127.0.0.1", "::1")
EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - what nobody can ask for by name


class ThrowAway(NamedTuple):
    """A certificate and the authority that signed it, as PEM files.

    Attributes:
        cert_file: Certificate and key.
        ca_file: What a client has to trust.
    """

    cert_file: str
    ca_file: str


def make_certificate(host: str, directory: Path) -> ThrowAway:
    """Make a certificate for this machine, signed by an authority nobody else has.

    Args:
        host: A name or address it is for, beside localhost and this machine's name.
        directory: Where the files go; nobody else should be able to read it.

    Raises:
        CommandFailed: trustme is not installed.
    """
    try:
        trustme = import_module("trustme")
    except ImportError as error:
        raise CommandFailed(
            "to make a certificate takes trustme: pip install 'bladehttp[cli]'"
        ) from error
    authority = trustme.CA()
    names = dict.fromkeys((*LOCAL, socket.gethostname(), host))
    asked = (name for name in names if name not in EVERY_ADDRESS and not name.startswith(UNIX))
    certificate = authority.issue_cert(*asked)
    files = ThrowAway(str(directory / "server.pem"), str(directory / "ca.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(files.cert_file)
    authority.cert_pem.write_to_path(files.ca_file)
    return files


def fingerprint(cert_file: str) -> str:
    """Return the SHA-256 of the first certificate in a PEM file, as browsers show it."""
    begin = "-----BEGIN CERTIFICATE-----"
    pem = Path(cert_file).read_text("ascii").partition(begin)[2]
    body = pem.partition("-----END CERTIFICATE-----")[0]
    der = ssl.PEM_cert_to_DER_cert(f"{begin}{body}-----END CERTIFICATE-----")
    return sha256(der).digest().hex(":").upper()
