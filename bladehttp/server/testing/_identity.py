"""Identity: the certificate of a secure server."""

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Self

from bladehttp.server._net.tls import CertificateFiles, server_context, throw_away_certificate


class Identity(NamedTuple):
    """A loaded certificate, for any number of servers.

    Loading takes several times as long as starting and stopping a server.

    Attributes:
        ca_file: The CA that signed it, as a PEM file.
        context: The SSLContext with the certificate.
    """

    ca_file: str
    context: ssl.SSLContext

    @classmethod
    def throw_away(cls, directory: Path, names: Iterable[str] = ()) -> Self:
        """Make a certificate for localhost, signed by a CA of its own.

        Args:
            directory: Directory for its files.
            names: Further names and addresses that it is for.

        Raises:
            TypeError: ``names`` is a str.
            ImportError: trustme is not installed.
        """
        made = throw_away_certificate(directory, names)
        files = CertificateFiles(made.cert_file, None)
        return cls(made.ca_file, server_context(files, verify_certs=False, client_ca=None))
