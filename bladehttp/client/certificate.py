"""Certificates: what a server presented, as a dict and as part of a message (CURLINFO_CERTINFO)."""

import re
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

Fields = Sequence[tuple[str, str]]
"""One certificate as libcurl describes it: names and values."""

# RFC 5280 section 4.2.1.6, as OpenSSL prints it
alternative_names = re.compile(r"(?:DNS|IP Address):([^,]+)").findall


def as_dict(chain: Sequence[Fields]) -> dict[str, Any]:
    """Return a chain as a dict about its first certificate, the server's own.

    Its keys are ``subject``, ``issuer`` and ``serial`` (str), ``names`` (the hosts it is made out
    to), ``not_before`` and ``not_after`` (datetime, UTC), ``pem``, and ``chain``: every
    certificate as PEM in the order presented.
    """
    fields = dict(chain[0])
    return {
        "subject": fields.get("Subject", ""),
        "issuer": fields.get("Issuer", ""),
        "serial": fields.get("Serial Number", ""),
        "names": names(fields),
        "not_before": _date(fields.get("Start date")),
        "not_after": _date(fields.get("Expire date")),
        "pem": fields.get("Cert", ""),
        "chain": [dict(each).get("Cert", "") for each in chain],
    }


def names(fields: dict[str, str]) -> list[str]:
    """Return the hosts a certificate is made out to."""
    found = alternative_names(fields.get("X509v3 Subject Alternative Name", ""))
    return [name.strip() for name in found]


def _date(text: str | None) -> datetime | None:
    if not text:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC)


def presented(chain: Sequence[Fields]) -> str:
    """Return what a message says about a chain, "" where nothing was presented."""
    if not chain:
        return ""
    certificate = as_dict(chain)
    hosts = ", ".join(certificate["names"]) or "no host"
    return (
        f"presented: {certificate['subject']!r} for {hosts}, issued by {certificate['issuer']!r}, "
        f"valid from {certificate['not_before']:%Y-%m-%d} to {certificate['not_after']:%Y-%m-%d}, "
        f"{len(chain)} in the chain"
    )[:600]
