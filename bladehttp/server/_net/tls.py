"""The SSLContext of a secure server, and throw-away certificates for trials and tests."""

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
"""`HttpServer.verify_certs` to the verification mode for clients' certificates."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate and its key.

    Attributes:
        cert_file: PEM file of the certificate and its chain.
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
        verify_certs: Whether clients are asked for a certificate: False, True (and a given one is
            verified) or "required".
        client_ca: PEM file of the CAs that clients' certificates are verified against; None: those
            in the certificate's own file.

    Raises:
        CertificateFileError: A file is missing or is not PEM, or certificate and key do not match.
        ValueError: Another value of ``verify_certs``.
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
    """Make a context switch to another one by the host name a client asks for (SNI).

    Args:
        default: For clients that name no host, or an unknown one.
        contexts: Lower-case host name to context; "*.example.com" matches any one label.

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
    """A certificate and the CA that signed it, as PEM files.

    Attributes:
        cert_file: Certificate and key.
        ca_file: The CA, for clients to trust.
    """

    cert_file: str
    ca_file: str


def throw_away_certificate(directory: Path, names: Iterable[str] = ()) -> ThrowAwayCertificate:
    """Make a certificate for this machine, signed by a CA of its own.

    Args:
        directory: Directory for the files; other users should have no access.
        names: Further names and addresses, in addition to those of the loopback interface.

    Raises:
        TypeError: ``names`` is a str.
        ImportError: trustme is not installed.
    """
    if isinstance(names, str):
        raise TypeError(f"names is a list of names, not {names!r}"[:200])
    trustme = import_module("trustme")
    authority = trustme.CA()
    certificate = authority.issue_cert(*dict.fromkeys((*LOCAL, *names)))
    files = ThrowAwayCertificate(str(directory / "server.pem"), str(directory / "ca.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(files.cert_file)
    authority.cert_pem.write_to_path(files.ca_file)
    return files
