"""The SSLContext of a secure server."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

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
    files: CertificateFiles, verify_certs: bool | str, client_ca: str | None
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
