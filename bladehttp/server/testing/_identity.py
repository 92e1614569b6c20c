"""Identity: what a secure server shows to prove who it is."""

import ssl
from pathlib import Path
from typing import NamedTuple, Self

from bladehttp.server._net.tls import CertificateFiles, server_context, throw_away_certificate


class Identity(NamedTuple):
    """A certificate that is loaded, for any number of servers.

    To load one takes several times as long as to start a server and stop it.

    Attributes:
        ca_file: The authority that signed it, as a PEM file.
        context: With the certificate.
    """

    ca_file: str
    context: ssl.SSLContext

    @classmethod
    def throw_away(cls, directory: Path) -> Self:
        """Make one for localhost, signed by an authority nobody else has.

        Args:
            directory: Where its files go.

        Raises:
            ImportError: trustme is not installed.
        """
        made = throw_away_certificate(directory)
        files = CertificateFiles(made.cert_file, None)
        return cls(made.ca_file, server_context(files, verify_certs=False, client_ca=None))
