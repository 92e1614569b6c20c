"""The SSLContext of a secure server."""

import ssl

from bladehttp.exceptions import CertificateFileError

MODES: dict[bool | str, ssl.VerifyMode] = {
    False: ssl.CERT_NONE,
    True: ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
"""HttpServer.verify_certs to what is asked of clients."""


def server_context(
    cert_file: str, private_key_file: str | None, verify_certs: bool | str, client_ca: str | None
) -> ssl.SSLContext:
    """Return a context for TLS 1.2 and later.

    Args:
        cert_file: PEM file of the certificate and those it is signed with.
        private_key_file: PEM file of its key; None: it is in ``cert_file``.
        verify_certs: Whether clients are asked for a certificate: False, True (and what is
            shown is checked) or "required".
        client_ca: PEM file of the authorities clients' certificates are checked against;
            None: those in ``cert_file``.

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
        context.load_cert_chain(cert_file, private_key_file)
        context.verify_mode = MODES[verify_certs]
        if context.verify_mode is not ssl.CERT_NONE:
            context.load_verify_locations(client_ca or cert_file)
    except (OSError, ValueError) as error:
        files = cert_file if private_key_file is None else f"{cert_file} and {private_key_file}"
        raise CertificateFileError(f"cannot use the certificate in {files}: {error}") from error
    return context
