"""A throw-away certificate, for a server that is to be tried out."""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

LOCAL = ("localhost", "127.0.0.1", "::1")


class ThrowAway(NamedTuple):
    """A certificate and the authority that signed it, as PEM files.

    Attributes:
        cert_file: Certificate and key.
        ca_file: What a client has to trust.
    """

    cert_file: str
    ca_file: str


def throw_away_certificate(directory: Path, names: Iterable[str] = ()) -> ThrowAway:
    """Make a certificate for this machine, signed by an authority nobody else has.

    Args:
        directory: Where the files go; nobody else should be able to read it.
        names: Names and addresses it is for, beside those of the loopback interface.

    Raises:
        ImportError: trustme is not installed.
    """
    trustme = import_module("trustme")
    authority = trustme.CA()
    certificate = authority.issue_cert(*dict.fromkeys((*LOCAL, *names)))
    files = ThrowAway(str(directory / "server.pem"), str(directory / "ca.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(files.cert_file)
    authority.cert_pem.write_to_path(files.ca_file)
    return files
