"""URLs: one parser for URLs of the caller, base URLs and the value of Location.

libcurl parses a URL again. It reads every URL that passes this parser in the same way: text that
the two might read differently (a backslash, a control character, a percent-encoded host) is refused
here, so that libcurl connects to the origin to which the credentials are bound.

Percent-encoding in path, query and fragment:

- A space, a non-ASCII character (as UTF-8), a backslash and each of { } " < > ^ ` | become triplets
  with upper-case digits. RFC 3986 does not allow them, and Tomcat, Jetty and IIS answer 400.
- All other text is sent unchanged, so that a signed URL stays valid: a triplet is never decoded,
  encoded twice or changed in case; a lone "%" stays, and so do "[" and "]" (``a[]=1``).
- A Location may hold bytes that are not UTF-8. They become triplets with lower-case digits,
  whatever the charset (`location_text`).

Dot segments of an absolute URL are sent unchanged. They are removed from a Location and from a
relative URL joined to a base (_data/references.py).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote, unquote, unquote_plus

from bladehttp._data.form_values import pairs_of, urlencoded
from bladehttp._data.host_names import to_ascii
from bladehttp._data.references import parse_reference, resolve
from bladehttp.client._config.validators import SENT_AS_GIVEN, has_control
from bladehttp.exceptions import InvalidUrl, UnsupportedProtocol

Origin = tuple[str, str, int]
"""Scheme, host (lower case) and port (RFC 6454 section 4)."""

DEFAULT_PORTS = {"http": 80, "https": 443}

# RFC 3986 section 3.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
has_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:").match

# "localhost:8000/x" and "example.com": by the grammar a scheme and a path, by intention a host
may_be_host = partial(re.fullmatch, r"[\w.-]+(?::[0-9]+)?(?:[/?#][^@\x00-\x1f\x7f]*)?")

# RFC 3986 appendix B, with the authority required (RFC 9110 section 4.2.1)
split_url = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#\\]*)(?P<rest>(?:[/?#].*)?)",
    re.DOTALL,
).fullmatch

# RFC 3986 section 3.2: authority = [ userinfo "@" ] host [ ":" port ], port = *DIGIT; a host here
# is an IP-literal or a name of letters, digits, "-", "_" and "." (reg-name allows more, which
# no host uses), and IDNA handles non-ASCII text. An empty port is the scheme's own.
split_host = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.%A-Za-z_~-]+\]|(?:[\w.-]|[^\x00-\x7f])+)(?::(?P<port>[0-9]*))?"
).fullmatch

has_lower_triplet = re.compile(r"%(?:[a-f][0-9A-Fa-f]|[0-9A-F][a-f])").search


needs_encoding = re.compile(f"[^{re.escape(SENT_AS_GIVEN)}]").search

LONGEST_KEPT = 2048
"""Longest URL whose parts are cached, in characters: a server may answer with Locations of 100 KB,
and 1024 of them would take 300 MB."""

LONGEST_SENT = 1 << 20
"""Longest URL that fits into a head as libcurl sends it (DYN_HTTP_REQUEST)."""

# the result of `bytes.decode` for a byte that is not UTF-8 (PEP 383)
escaped_bytes = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute http or https URL.

    Attributes:
        text: The URL for libcurl: ASCII, with a path, without userinfo.
        origin: Scheme, host (lower case) and port, to which credentials are bound (RFC 6454 section
            4).
        credentials: Name and password of its userinfo, percent-decoded, or None.
        target: Path and query if libcurl would change them: it turns %2f of a path into %2F, which
            invalidates a signature. None otherwise.
    """

    text: str
    origin: Origin
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    target: str | None = None

    @property
    def host_port(self) -> str:
        """The host and the port for error messages."""
        return f"{self.origin[1]}:{self.origin[2]}"


def parse_url(text: str) -> Url:
    """Return the parts of a URL; the result is cached unless the URL is too long.

    The module docstring describes percent-encoding. A non-ASCII host becomes ASCII (host_names.py),
    leading zeros of the port are removed; all else stays unchanged.

    Raises:
        InvalidUrl: It has control characters, no scheme, no host, or a bad host or port.
        UnsupportedProtocol: The scheme is neither http nor https.
    """
    return (_url_kept if len(text) <= LONGEST_KEPT else _url)(text)


def _url(text: str) -> Url:
    if has_control(text):
        raise InvalidUrl(f"URL holds control characters: {shown(text)}")
    parts = split_url(text)
    scheme = text.partition(":")[0].lower()
    if has_scheme(text) and scheme not in DEFAULT_PORTS:
        reason = f"scheme {scheme[:40]!r} is neither http nor https{_hint(text)}"
        raise UnsupportedProtocol(reason)
    if parts is None:
        raise InvalidUrl(f"URL is not http://host... or https://host...: {shown(text)}")
    userinfo, _, authority = parts["authority"].rpartition("@")
    host, port = _parse_authority(authority, text)
    rest = parts["rest"]
    if not rest.startswith("/"):
        rest = "/" + rest  # RFC 9112 section 3.2.1: an empty path is sent as "/"
    if needs_encoding(rest):
        rest = quote(_encoded(rest, text), safe=SENT_AS_GIVEN)
    url = f"{scheme}://{host}{port and ':' + port}{rest}"
    if len(url) > LONGEST_SENT:
        raise InvalidUrl(f"URL has {len(url)} bytes, and libcurl sends {LONGEST_SENT} at most")
    return Url(
        url,
        (scheme, host.lower(), int(port or DEFAULT_PORTS[scheme])),
        _credentials(userinfo, text) if userinfo else None,
        rest.partition("#")[0] if has_lower_triplet(rest) else None,
    )


_url_kept = lru_cache(maxsize=1024)(_url)


def _parse_authority(authority: str, url: str) -> tuple[str, str]:
    parts = split_host(authority)
    if parts is None:
        raise InvalidUrl(f"host or port is not valid in {shown(url)}")
    digits = parts["port"] or ""
    port = digits.lstrip("0") or digits[:1]
    if len(port) > 5 or int(port or 0) > 65535:
        raise InvalidUrl(f"port {port[:20]} is beyond 65535 in {shown(url)}")
    return to_ascii(parts["host"]), port


def _encoded(rest: str, url: str) -> bytes:
    try:
        return rest.encode()
    except UnicodeEncodeError as error:
        raise InvalidUrl(f"URL is not Unicode text: {shown(url)}") from error


def _credentials(userinfo: str, url: str) -> tuple[str, str]:
    name, _, password = userinfo.partition(":")
    name, password = unquote(name), unquote(password)
    if has_control(name) or has_control(password):
        raise InvalidUrl(f"name or password of the URL holds control characters: {shown(url)}")
    return name, password


def shown(url: str) -> str:
    """Return a URL for an error message: shortened, and without a possible password."""
    before, at, after = url.rpartition("@")
    if at:
        url = f"{before.partition(':')[0]}:...@{after}"
    return repr(url[:200])


def _hint(text: str) -> str:
    """Return the advice for a host, and perhaps a port, without a scheme."""
    return f"; for a host write http://{text[:200]}" if may_be_host(text) else ""


def absolute(text: str, base: str | None, headers: Mapping[str, str]) -> str:
    """Return an absolute URL. Blanks around it and around the base are removed.

    Args:
        text: The URL.
        base: Its base (RFC 3986 section 5), or None.
        headers: The client's headers; without a base, their Host is the base, with https.

    Raises:
        TypeError: It is not a str.
        InvalidUrl: There is neither a base nor a host.
    """
    if not isinstance(text, str):
        raise TypeError(f"a URL is a str, not {type(text).__name__}")
    text = text.strip(" ")
    if has_scheme(text):
        return text
    if base is None:
        host = headers.get("Host")
        if host is None:
            reason = f"URL is relative and there is no base_url: {shown(text)}{_hint(text)}"
            raise InvalidUrl(reason)
        base = f"https://{host}/"
    return resolve(text, base.strip(" "))


def location_text(value: bytes) -> str:
    """Return a Location field as text; bytes that are not UTF-8 are percent-encoded unchanged.

    RFC 3986 section 2.5: the server decides which characters they represent, so it gets the same
    bytes.
    """
    text = value.decode("utf-8", "surrogateescape")
    return text if text.isascii() else escaped_bytes.sub(_triplet, text)


def _triplet(escaped: re.Match[str]) -> str:
    return f"%{ord(escaped[0]) - 0xDC00:02x}"


def location_url(location: str, base: str) -> Url:
    """Return the URL that a Location field leads to, without its userinfo; see `parse_url`.

    RFC 9110 section 4.2.4: userinfo in a Location is not to be trusted.

    Raises:
        InvalidUrl: As of `parse_url` and `resolve_location`.
        UnsupportedProtocol: As of `parse_url`.
    """
    is_short = len(base) + len(location) <= LONGEST_KEPT
    return (_location_url_kept if is_short else _location_url)(location, base)


def _location_url(location: str, base: str) -> Url:
    return without_userinfo(_url(resolve_location(location, base)))


_location_url_kept = lru_cache(maxsize=1024)(_location_url)


def without_userinfo(url: Url) -> Url:
    """Return a URL without name and password."""
    return url if url.credentials is None else replace(url, credentials=None)


def resolve_location(location: str, base: str) -> str:
    """Return the absolute URL that a Location field leads to (RFC 9110 section 10.2.2).

    Raises:
        InvalidUrl: It holds control characters.
    """
    if has_control(location):
        raise InvalidUrl(f"Location holds control characters: {shown(location)}")
    target = resolve(location, base)
    if "#" in base and "#" not in target:
        # RFC 9110 section 10.2.2: it inherits the fragment of the requested URL
        return f"{target}#{parse_reference(base).fragment}"
    return target


def with_query(text: str, query: Any) -> str:
    """Return a URL with a query added.

    Args:
        text: The URL.
        query: A mapping or (name, value) pairs (form_values.py), or an encoded str.

    Raises:
        TypeError: It is none of these, or a value has no text form.
    """
    if isinstance(query, bytes | bytearray | memoryview):
        raise TypeError("query is a dict, pairs or an encoded str, not bytes: write query.decode()")
    if not isinstance(query, str):
        query = urlencoded("query", query)
    if not query:
        return text
    text, mark, fragment = text.partition("#")
    separator = "" if text.endswith(("?", "&")) else "&" if "?" in text else "?"
    return f"{text}{separator}{query}{mark}{fragment}"


def with_queries(text: str, standing: str, query: Any) -> str:
    """Return a URL with the client's query and that of a call added, in this order.

    A name of the client's query is left out if the URL or the call has it too, with whatever value;
    None in the call leaves it out altogether.

    Args:
        text: The URL.
        standing: The client's query, encoded.
        query: As of `with_query`; or None.

    Raises:
        TypeError: As of `with_query`.
    """
    named = query or ""
    if query is not None and not isinstance(query, str | bytes | bytearray | memoryview):
        query = list(pairs_of("query", query))
        named = urlencoded("query", [(name, "") for name, _ in query])
    names = {*_names(parse_reference(text).query or ""), *_names(str(named))}
    kept = [pair for pair in standing.split("&") if not names.issuperset(_names(pair))]
    text = with_query(text, "&".join(kept))
    return text if query is None else with_query(text, query)


def _names(query: str) -> list[str]:
    """Return the names of an encoded query."""
    return [unquote_plus(pair.partition("=")[0]) for pair in query.split("&") if pair]
