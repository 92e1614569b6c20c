"""URLs: one parser for what the caller gives, what a base is and what a Location says.

libcurl parses a URL again when it is given one. What this parser lets through, libcurl reads
the same way: whatever the two could read differently (a backslash, a control character, a
percent-encoded host) is refused here, so that the origin the credentials are bound to is the
one libcurl connects to.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlencode, urljoin

from bladehttp.exceptions import InvalidUrl, UnsupportedProtocol

DEFAULT_PORTS = {"http": 80, "https": 443}

# RFC 3986 section 3.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
has_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:").match

# RFC 3986 appendix B, with the authority required (RFC 9110 section 4.2.1)
split_url = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#\\]*)(?P<rest>(?:[/?#].*)?)",
    re.DOTALL,
).fullmatch

# RFC 3986 section 3.2: authority = [ userinfo "@" ] host [ ":" port ]; a host here is an
# IP-literal or a name of letters, digits, "-", "_" and "." (what else reg-name allows is no
# host anybody has). An empty port is the scheme's own.
split_host = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.%A-Za-z_~-]+\]|[\w.-]+)(?::(?P<port>[0-9]{0,5}))?"
).fullmatch

has_control = re.compile(r"[\x00-\x1f\x7f]").search
has_lower_triplet = re.compile(r"%(?:[a-f][0-9A-Fa-f]|[0-9A-F][a-f])").search
needs_encoding = re.compile(r"[^\x21-\x7e]").search
PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))

LONGEST_KEPT = 2048
"""The longest text that is remembered once it was taken apart, in characters: a server may answer
with Locations of 100 KB, and 1024 of them would be 300 MB."""


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute http or https URL.

    Attributes:
        text: The URL as libcurl is given it: ASCII, with a path, without userinfo.
        origin: Scheme, host (lower case) and port: what credentials are bound to
            (RFC 6454 section 4).
        credentials: Name and password of its userinfo, percent-decoded, or None.
        target: Path and query, where libcurl would change them: it makes %2f of a path %2F, which
            breaks a signature. None where it would not.
    """

    text: str
    origin: tuple[str, str, int]
    credentials: tuple[str, str] | None = None
    target: str | None = None

    @property
    def place(self) -> str:
        """The host and the port, as messages name them."""
        return f"{self.origin[1]}:{self.origin[2]}"


def parse_url(text: str) -> Url:
    """Return a URL taken apart; one that is not too long is taken apart once.

    Spaces and non-ASCII characters of path and query are percent-encoded as UTF-8, a
    non-ASCII host becomes punycode; everything else stays as it was given.

    Raises:
        InvalidUrl: It has control characters, no scheme, no host, or a bad host or port.
        UnsupportedProtocol: The scheme is neither http nor https.
    """
    return (_url_kept if len(text) <= LONGEST_KEPT else _url)(text)


def _url(text: str) -> Url:
    if has_control(text):
        raise InvalidUrl(f"URL holds control characters: {text[:200]!r}")
    parts = split_url(text)
    scheme = text.partition(":")[0].lower()
    if has_scheme(text) and scheme not in DEFAULT_PORTS:
        raise UnsupportedProtocol(f"scheme {scheme[:40]!r} is neither http nor https")
    if parts is None:
        raise InvalidUrl(f"URL is not http://host... or https://host...: {_shown(text)}")
    userinfo, _, authority = parts["authority"].rpartition("@")
    host, port = _parse_authority(authority, text)
    rest = parts["rest"]
    if not rest.startswith("/"):
        rest = "/" + rest  # RFC 9112 section 3.2.1: an empty path is sent as "/"
    if needs_encoding(rest):
        rest = quote(_encoded(rest, text), safe=PRINTABLE)
    return Url(
        f"{scheme}://{host}{port and ':' + port}{rest}",
        (scheme, host.lower(), int(port or DEFAULT_PORTS[scheme])),
        _credentials(userinfo) if userinfo else None,
        rest.partition("#")[0] if has_lower_triplet(rest) else None,
    )


_url_kept = lru_cache(maxsize=1024)(_url)


def _parse_authority(authority: str, url: str) -> tuple[str, str]:
    parts = split_host(authority)
    if parts is None:
        raise InvalidUrl(f"host or port is not valid in {_shown(url)}")
    host, port = parts["host"], parts["port"] or ""
    if port and int(port) > 65535:
        raise InvalidUrl(f"port {port} is beyond 65535 in {_shown(url)}")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError as error:
            raise InvalidUrl(f"host {host[:80]!r} has no IDNA form") from error
    return host, port


def _encoded(rest: str, url: str) -> bytes:
    try:
        return rest.encode()
    except UnicodeEncodeError as error:
        raise InvalidUrl(f"URL is not Unicode text: {_shown(url)}") from error


def _credentials(userinfo: str) -> tuple[str, str]:
    name, _, password = userinfo.partition(":")
    return unquote(name), unquote(password)


def _shown(url: str) -> str:
    """Return a URL for a message: shortened, and without what may be a password."""
    before, at, after = url.rpartition("@")
    if at:
        url = f"{before.partition(':')[0]}:...@{after}"
    return repr(url[:200])


def absolute(text: str, base: str | None, headers: Mapping[str, str]) -> str:
    """Return a URL as an absolute one.

    Args:
        text: The URL.
        base: What it is relative to (RFC 3986 section 5), or None.
        headers: The client's; their Host is the base, with https, if there is no other.

    Raises:
        TypeError: It is not a str.
        InvalidUrl: There is neither a base nor a host.
    """
    if not isinstance(text, str):
        raise TypeError(f"a URL is a str, not {type(text).__name__}")
    if has_scheme(text):
        return text
    if has_control(text):  # before urljoin, which drops some of them silently
        raise InvalidUrl(f"URL holds control characters: {text[:200]!r}")
    if base is None:
        host = headers.get("Host")
        if host is None:
            raise InvalidUrl(f"URL is relative and there is no base_url: {_shown(text)}")
        base = f"https://{host}/"
    return _join(base, text)


def resolve_location(location: str, base: str) -> str:
    """Return the absolute URL a Location field leads to (RFC 9110 section 10.2.2).

    Raises:
        InvalidUrl: It cannot be taken apart.
    """
    if has_control(location):
        raise InvalidUrl(f"Location holds control characters: {location[:200]!r}")
    is_short = len(base) + len(location) <= LONGEST_KEPT
    return (_joined_kept if is_short else _join)(base, location)


def _join(base: str, text: str) -> str:
    # urljoin would read an empty authority as that of the base
    if has_scheme(text):
        return text
    if text.startswith("//"):
        return f"{base.partition(':')[0]}:{text}"
    try:
        return urljoin(base, text)
    except ValueError as error:
        raise InvalidUrl(f"{error}: {_shown(text)}") from error


_joined_kept = lru_cache(maxsize=1024)(_join)


def with_query(text: str, query: Any) -> str:
    """Return a URL with a query added to the one it may have.

    Args:
        text: The URL.
        query: A mapping or (name, value) pairs, or a str that is encoded already. A list as
            a value repeats the name; a value of None leaves the name out.
    """
    if not isinstance(query, str):
        pairs = query.items() if hasattr(query, "items") else query
        query = urlencode([pair for pair in pairs if pair[1] is not None], doseq=True)
    if not query:
        return text
    text, mark, fragment = text.partition("#")
    separator = "" if text.endswith(("?", "&")) else "&" if "?" in text else "?"
    return f"{text}{separator}{query}{mark}{fragment}"
