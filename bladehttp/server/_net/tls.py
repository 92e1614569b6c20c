"""The SSLContext of a secure server.

A throw-away certificate, for a server that is to be tried out.
"""

import os
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from bladehttp.exceptions import CertificateFileError

MODES: dict[bool | str, ssl.VerifyMode] = {
    False: ssl.CERT_NONE,
    True: ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
"""HttpServer.verify_certs to what is asked of clients."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate and its key.

    Attributes:
        cert_file: PEM file of the certificate and those it is signed with.
        private_key_file: PEM file of its key; None: it is in ``cert_file``.
    """

    cert_file: str
    private_key_file: str | None

    def __str__(self) -> str:
        return " and ".join(filter(None, (self.cert_file, self.private_key_file)))


def server_context(
    files: CertificateFiles,
    verify_certs: bool | str,
    client_ca: str | os.PathLike[str] | None,
) -> ssl.SSLContext:
    """Return a context for TLS 1.2 and later.

    Args:
        files: The server's certificate.
        verify_certs: Whether clients are asked for a certificate: False, True (and what is
            shown is checked) or "required".
        client_ca: PEM file of the authorities clients' certificates are checked against;
            None: those in the certificate's own file.

    Raises:
        CertificateFileError: A file is missing, is not PEM, or the two do not belong together.
        ValueError: Another ``verify_certs``.
    """
    if verify_certs not in MODES:
        raise ValueError(f"verify_certs is False, True or 'required', not {verify_certs!r}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.cert_file, files.private_key_file)
        context.verify_mode = MODES[verify_certs]
        if context.verify_mode is not ssl.CERT_NONE:
            context.load_verify_locations(client_ca or files.cert_file)
    except (OSError, ValueError) as error:
        raise CertificateFileError(f"cannot use the certificate in {files}: {error}") from error
    return context


def choose_by_name(
    default: ssl.SSLContext, contexts: Mapping[str, ssl.SSLContext]
) -> ssl.SSLContext:
    """Make a context hand over to another one by the host name a client asks for.

    Args:
        default: For clients that name no host, or one that has no context of its own.
        contexts: Lower-case host name to context; "*.example.com" is for any one label there.

    Returns:
        The default context, for new connections.
    """

    def chosen(tls: ssl.SSLObject, name: str | None, asked: ssl.SSLContext) -> None:
        del asked
        host = (name or "").lower()
        context = contexts.get(host) or contexts.get("*." + host.partition(".")[2])
        if context is not None:
            tls.context = context

    default.sni_callback = chosen
    return default


LOCAL = ("localhost", "127.0.0.1", "::1")


class ThrowAwayCertificate(NamedTuple):
    """A certificate and the authority that signed it, as PEM files.

    Attributes:
        cert_file: Certificate and key.
        ca_file: What a client has to trust.
    """

    cert_file: str
    ca_file: str


def throw_away_certificate(directory: Path, names: Iterable[str] = ()) -> ThrowAwayCertificate:
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
    files = ThrowAwayCertificate(str(directory / "server.pem"), str(directory / "ca.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(files.cert_file)
    authority.cert_pem.write_to_path(files.ca_file)
    return files
