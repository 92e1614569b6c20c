"""Request lines to plain data (RFC 9112 section 3)."""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from bladehttp._wire import grammar
from bladehttp._wire.target import decode_path
from bladehttp.exceptions import ProtocolError

KNOWN_SCHEMES = frozenset({"http", "https"})

VERSIONS = tuple(f"1.{minor}" for minor in range(10))
"""Minor version to HTTP-version, "HTTP/" taken off."""

MINOR_VERSIONS = {version: minor for minor, version in enumerate(VERSIONS)}
"""HTTP-version, "HTTP/" taken off, to the minor version; the major one is 1."""


@dataclass(slots=True, init=False)  # `make_line` takes two thirds of a constructor's instructions
class RequestLine:
    """A parsed request line. Cached ones are shared by requests: never changed.

    Attributes:
        method: The method, case kept (it is case-sensitive).
        target: The request target as sent, one character for one byte.
        minor: The minor version, as sent: 0 or above.
        path: The target's path, not decoded; "*" or "" where the form has none.
        query: The part after the first "?", not decoded; "" for none.
        is_plain: Whether it is of HTTP/1.1 or later, has an ordinary target, and a method whose
            response may have a body.
        decoded_path: ``path``, percent-decoded as `decode_path` does.
        text: The whole line as received, one character for one byte; "" if it was not received.
        authority: Host and port in the target, "" if there are none (origin-form).
        scheme: The scheme of an absolute-form target, else "".
    """

    method: str
    target: str
    minor: int
    path: str
    query: str
    is_plain: bool
    decoded_path: str
    text: str
    authority: str
    scheme: str


def make_line(
    method: str,
    target: str,
    minor: int,
    path: str = "",
    query: str = "",
    is_plain: bool = False,
    decoded_path: str = "",
    text: str = "",
    authority: str = "",
    scheme: str = "",
) -> RequestLine:
    """Return a request line of these attributes."""
    line = RequestLine()
    line.method = method
    line.target = target
    line.minor = minor
    line.path = path
    line.query = query
    line.is_plain = is_plain
    line.decoded_path = decoded_path
    line.text = text
    line.authority = authority
    line.scheme = scheme
    return line


@lru_cache(maxsize=64)
def is_host(value: str) -> bool:
    """Whether a value is uri-host [ ":" port ], brackets holding an IPv6 address."""
    match = grammar.host_port(value)
    if match is None:
        return False
    host, port = match.groups()
    if port and (len(port) > 5 or int(port) > 65535):
        return False
    if not host.startswith("["):
        return bool(host) or port is None
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True


def parse_request_line(line: bytes) -> RequestLine:
    """Parse a request line.

    Raises:
        ProtocolError: 400, or 505 for a major version other than 1.
    """
    text = line.decode("latin-1")
    match = grammar.request_line(text)
    if match is None:
        raise ProtocolError(f"not a request line: {line[:60]!r}")
    method, target, path, query, version = match.groups()
    try:
        minor = MINOR_VERSIONS[version]
    except KeyError:
        raise ProtocolError(f"HTTP/{version} is not supported", status=505) from None
    if path is not None and method != "CONNECT":
        is_plain = minor > 0 and method != "HEAD"
        decoded = decode_path(path) if "%" in path or not path.isascii() else path
        return make_line(method, target, minor, path, query or "", is_plain, decoded, text)
    # The other three forms of a request target (RFC 9112 section 3.2).
    if method == "CONNECT":
        return make_line(method, target, minor, text=text, authority=_authority_form(target))
    if target == "*" and method == "OPTIONS":
        return make_line(method, target, minor, target, decoded_path=target, text=text)
    return _with_absolute_form(method, target, minor, text)


def _authority_form(target: str) -> str:
    """RFC 9112 section 3.2.3: CONNECT takes host and port, and nothing else does."""
    _, colon, port = target.rpartition(":")
    if not (colon and port and is_host(target)):
        raise ProtocolError(f"target of CONNECT is not host:port: {target[:60]!r}")
    return target


def _with_absolute_form(method: str, target: str, minor: int, text: str) -> RequestLine:
    match = grammar.absolute_form(target)
    if match is None:
        raise ProtocolError(f"not a request target: {target[:60]!r}")
    scheme, authority, path, query = match.groups()
    if scheme.lower() not in KNOWN_SCHEMES:
        raise ProtocolError(f"scheme of the target is not served: {scheme[:20]!r}")
    # RFC 9110 section 4.2: userinfo and an empty host are not valid in an http URI.
    if not authority or not is_host(authority):
        raise ProtocolError(f"authority of the target is not valid: {authority[:60]!r}")
    # RFC 9112 section 3.2.4: OPTIONS of an absolute target without a path means the whole server.
    path = path or ("*" if method == "OPTIONS" and query is None else "/")
    return make_line(
        *(method, target, minor, path, query or "", False),
        *(decode_path(path), text, authority, scheme.lower()),
    )


def check_target(line: RequestLine, scheme: str) -> ProtocolError | None:
    """Return the reason why a target other than a path is not served, None if it is.

    Args:
        line: The request line.
        scheme: The scheme of the request.
    """
    if line.method == "CONNECT":  # a 2xx would begin a tunnel
        return ProtocolError("CONNECT is not supported", status=501)
    if line.scheme == "https" and scheme != "https":  # RFC 9110 section 7.4
        return ProtocolError("https URL without TLS", status=421)
    return None
