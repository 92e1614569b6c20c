"""PreparedRequest: one request as it will be sent on one hop, checked and complete."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bladehttp._data.headers import Pairs, is_token, new_object
from bladehttp._message.response_head import RequestInfo
from bladehttp.client._config.options import Settings, key_of
from bladehttp.client._config.validators import check_length
from bladehttp.client._request.body import Body, BytesBody
from bladehttp.client._request.fields import (
    Absent,
    Fields,
    RequestHeaders,
    field_value,
    has_field,
    without,
)
from bladehttp.client._request.url import LONGEST_KEPT, Url, absolute, parse_url, with_queries
from bladehttp.exceptions import InvalidHeader, UnrewindableBody

# RFC 9110 section 9.1: methods are case-sensitive. These are upper-cased all the same,
# since "get" is never meant; unknown ones go as they are.
STANDARD = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}

# RFC 9110 section 8.6: Content-Length, if 0, is sent when the method's meaning anticipates content
ANTICIPATES_CONTENT = {"POST", "PUT", "PATCH"}

FRAMING = frozenset(("content-length", "transfer-encoding"))
ABOUT_BODY = FRAMING | {"content-type"}

FOR_THE_PROXY = {"proxy-authorization"}  # RFC 9110 section 11.7.2

# RFC 6265 section 5.4: one Cookie field; libcurl would send its own in addition
NOT_AS_FIELDS = FOR_THE_PROXY | {"cookie"}

MOST_KEPT = 256
"""Most requests that a client keeps; then it starts with none."""

NO_BYTES = BytesBody(b"")

# HEAD: libcurl reads no content after such a request; TRACE: RFC 9110 section 9.3.8, MUST NOT
BODYLESS = {"HEAD", "TRACE"}


@dataclass(slots=True)
class PreparedRequest:
    """A request ready to be sent. It does not change, so it may be sent many times.

    Attributes:
        method: A token.
        url: The URL.
        fields: The caller's fields and those from the settings, in order; None for those that are
            left out.
        body: The content, or None.
        settings: The properties that apply to it.
        hooks: The `Hooks` of this request alone, called after those of the client; None for none.
        is_plain: Whether it is a GET without fields or content, and simple.
        is_simple: Whether no more options than those of method, fields and bytes belong to it.
        options: A list with the libcurl options of its method and fields, made by its first
            transfer; empty until then. Requests that differ in bytes or path only share it.
    """

    method: str
    url: Url
    fields: Fields
    body: Body | None
    settings: Settings
    hooks: Any = field(default=None, repr=False, compare=False)
    is_plain: bool = field(init=False, repr=False, compare=False)
    is_simple: bool = field(init=False, repr=False, compare=False)
    options: list[Any] = field(init=False, repr=False, compare=False)

    def info(self, given: Any = None) -> RequestInfo:
        """Return the facts that responses and exceptions have; ``given`` as there."""
        return RequestInfo(self.method, self.url.text, given)

    def __post_init__(self) -> None:
        settings, fields, body = self.settings, self.fields, self.body
        is_usual = self.url.target is None and settings.progress is None
        self.is_plain = is_usual and self.method == "GET" and not fields and body is None
        self.is_simple = self.is_plain or (
            is_usual
            and (body is None or type(body) is BytesBody)
            and not settings.curl_options
            and (settings.cookies is None or not has_field(fields, "cookie"))
        )
        self.options = []

    def with_body(self, body: BytesBody) -> "PreparedRequest":
        """Return the request with other bytes of the same type, and no more checks."""
        other: PreparedRequest = new_object(PreparedRequest)
        other.method, other.url, other.fields = self.method, self.url, self.fields
        other.body, other.settings, other.hooks = body, self.settings, None
        other.is_plain, other.is_simple = False, self.is_simple
        other.options = self.options
        return other

    def at(self, url: Url) -> "PreparedRequest":
        """Return the request for another URL of the same origin, its body rewound; without hooks.

        Raises:
            UnrewindableBody: The body cannot be sent again.
        """
        if self.body is not None:
            self.body.rewind()
        if url.target is not None or self.url.target is not None:
            return PreparedRequest(self.method, url, self.fields, self.body, self.settings)
        other: PreparedRequest = new_object(PreparedRequest)
        other.method, other.url, other.fields = self.method, url, self.fields
        other.body, other.settings, other.hooks = self.body, self.settings, None
        other.is_plain, other.is_simple = self.is_plain, self.is_simple
        other.options = self.options
        return other

    def rewind(self) -> bool:
        """Rewind the body; return whether the request can be sent again."""
        try:
            if self.body is not None:
                self.body.rewind()
        except UnrewindableBody:
            return False
        return True

    def lines(self) -> list[bytes]:
        """Return the fields as CURLOPT_HTTPHEADER takes them."""
        apart = FOR_THE_PROXY if self.settings.cookies is None else NOT_AS_FIELDS
        lines = [_line(name, value) for name, value in self.fields if name.lower() not in apart]
        if b"host:" in lines:
            lines.remove(b"host:")  # RFC 9112 section 3.2: a client sends one, here that of the URL
        if self.body is not None:
            if self.settings.no_expect:
                lines.append(b"Expect:")
            if self.body.suppress and not has_field(self.fields, "content-type"):
                lines += self.body.suppress
        return lines

    def cookies(self) -> bytes:
        """Return the value of CURLOPT_COOKIE: the caller's cookies, if there is a jar."""
        if self.settings.cookies is None:
            return b""
        values = [value for name, value in self.fields if value and name.lower() == "cookie"]
        joined = "; ".join(values)
        check_length("Cookie", joined, InvalidHeader)
        return joined.encode("latin-1")

    def proxy_lines(self) -> list[bytes]:
        """Return the fields for a proxy as CURLOPT_PROXYHEADER takes them; they go to no server."""
        return [_line(*field) for field in self.fields if field[0].lower() in FOR_THE_PROXY]


def _line(name: str, value: str | None) -> bytes:
    if value is None:
        return (name + ":").encode("latin-1")  # CURLOPT_HTTPHEADER: removes the field
    # "name;" is how libcurl is told to send an empty one
    # joined, as a member of an enumeration of str has a format of its own
    text = name + ": " + value if value.strip() else name + ";"
    return text.encode("latin-1")


def check_order(url: str, method: str) -> None:
    """Check that the URL of a call is not its method, and the method the URL.

    Raises:
        InvalidHeader: They are.
    """
    if isinstance(url, str) and url.upper() in STANDARD and not is_token(str(method)):
        raise InvalidHeader(f"method is not a token: the URL comes first, then {url!r}")


def check_method(method: str, has_body: bool) -> str:
    """Return a method as it is sent.

    Raises:
        TypeError: It is not a str.
        InvalidHeader: It is not a token.
        ValueError: It is CONNECT, or it has no content although a body is given.
    """
    if method in STANDARD and not (has_body and method in BODYLESS):
        return method
    if not isinstance(method, str):
        raise TypeError(f"a method is a str, not {method!r}"[:200])
    if not is_token(method):
        raise InvalidHeader(f"method {method[:80]!r} is not a token")
    check_length("a method", method, InvalidHeader)
    method = method.upper() if method.upper() in STANDARD else method
    if method.upper() == "CONNECT":
        raise ValueError("CONNECT is not supported: libcurl makes the tunnels through a proxy")
    if has_body and method in BODYLESS:
        raise ValueError(f"a {method} request has no body")
    return method


def prepare_request(
    method: str, url: Url, fields: Fields, body: Body | None, settings: Settings
) -> PreparedRequest:
    """Return a checked request, with the fields that body and settings add."""
    method = check_method(method, body is not None)
    if body is None and method in ANTICIPATES_CONTENT:
        body = BytesBody(b"")
    if fields or body is not None:
        fields = with_body_fields(fields, body)
    if settings.referer and not has_field(fields, "referer"):
        fields.append(("Referer", settings.referer))
    if fields or settings.auth is not None or url.credentials is not None:
        fields, settings = with_authorization(fields, settings, url)
    return PreparedRequest(method, url, fields, body, settings)


class KeptRequests(dict[Any, PreparedRequest]):
    """Requests by the arguments they were made of, without content, for one state of a client.

    A URL alone stands for a GET without further arguments: ``kept[url]`` makes it when it is first
    used. Others are put in by `keep`, found by `find`, and get their content by
    `PreparedRequest.with_body`. They hold secrets, as the client does, and are dropped when one of
    its properties or headers changes (docs/decisions/0091).

    Attributes:
        settings: The client's properties.
        fields: The client's headers.
        absent: Its headers that are left out.
    """

    __slots__ = ("_is_framed", "absent", "fields", "settings")

    def __init__(self, settings: Settings, fields: Pairs, absent: Absent) -> None:
        self.settings = settings
        self.fields = fields
        self.absent = absent
        self._is_framed = is_framed(name for name, _ in fields)

    def __missing__(self, url: str) -> PreparedRequest:
        fields: Fields = [*self.fields, *self.absent]
        text = absolute(url, self.settings.base_url, RequestHeaders.of(self.fields))
        if self.settings.query is not None:
            text = with_queries(text, self.settings.query, None)
        request = prepare_request("GET", parse_url(text), fields, None, self.settings)
        self.keep(url, request)
        return request

    def key(
        self, url: Any, method: str, headers: Any, others: Mapping[str, Any], body: Body | None
    ) -> Any:
        """Return a key that only calls with equal arguments share, None for arguments without one.

        Of the content the type counts alone. Where a field announces its length there is no key:
        the two have to be compared for each content.
        """
        if headers is not None and type(headers) is not dict:
            return None
        if body is not None and (self._is_framed or (headers and is_framed(headers))):
            return None
        fields = tuple(headers.items()) if headers else ()
        properties = key_of(others) if others else ()
        kind = False if body is None else body.content_type  # which may be None
        return None if properties is None else (url, method, fields, properties, kind)

    def find(self, key: Any) -> PreparedRequest | None:
        """Return the request that was kept with a key, None for none."""
        try:
            return None if key is None else self.get(key)
        except TypeError:  # an argument has no hash: it is a container, or not valid
            return None

    def keep(self, key: Any, request: PreparedRequest) -> None:
        """Keep a request without its content, unless its URL or its fields are too long."""
        length = len(request.url.text) + sum(len(value or "") for _, value in request.fields)
        if key is None or length > LONGEST_KEPT:
            return
        if len(self) >= MOST_KEPT:
            self.clear()
        with suppress(TypeError):  # as above
            self[key] = request if request.body is None else request.with_body(NO_BYTES)


def is_framed(names: Iterable[object]) -> bool:
    """Whether a field about the framing of the body is among some names."""
    return any(isinstance(name, str) and name.lower() in FRAMING for name in names)


def with_body_fields(fields: Fields, body: Body | None) -> Fields:
    """Return the fields with those about the body corrected.

    libcurl frames the message: a Content-Length of the caller's announces the length of an
    iterable, or must be right; Transfer-Encoding may be the value that libcurl sends. Any other
    value would let one request be read as two (RFC 9112 section 11.2).

    Raises:
        InvalidHeader: A framing field contradicts the body.
    """
    if not fields or ABOUT_BODY.isdisjoint([name.lower() for name, _ in fields]):  # nearly always
        content_type = None if body is None or body.names_itself else body.content_type
        return [*fields, ("Content-Type", content_type)] if content_type else [*fields]
    if body is not None and body.names_itself:
        fields = without(fields, ("content-type",))
    elif body is not None and body.content_type and not has_field(fields, "content-type"):
        fields = [*fields, ("Content-Type", body.content_type)]
    length = field_value(fields, "content-length")
    if length is not None:
        _announce(length, body)
    coding = field_value(fields, "transfer-encoding")
    if coding is not None and (
        coding.lower() != "chunked" or body is None or body.length is not None
    ):
        raise InvalidHeader(
            f"Transfer-Encoding {coding[:40]!r} does not match the framing of this body"
        )
    return without(fields, ("content-length", "transfer-encoding"))


def _announce(length: str, body: Body | None) -> None:
    if not (length.isascii() and length.isdigit()):
        raise InvalidHeader(f"Content-Length {length[:40]!r} is not a number")
    try:
        (body or BytesBody(b"")).announce(int(length))
    except ValueError as error:
        raise InvalidHeader(str(error)) from error


def with_authorization(fields: Fields, settings: Settings, url: Url) -> tuple[Fields, Settings]:
    """Return fields and settings with the credentials to use.

    An Authorization field wins over the URL's name and password, and those over ``auth``. Without
    one that is left out there is no netrc either, and without Cookie no jar.
    """
    if has_field(fields, "authorization"):
        if settings.auth is not None:
            settings = settings.changed({"auth": None})
        if settings.netrc and field_value(fields, "authorization") is None:
            settings = settings.changed({"netrc": False})
    elif url.credentials is not None:
        settings = settings.changed({"auth": url.credentials})
    if isinstance(settings.auth, str):
        fields = [*fields, ("Authorization", f"Bearer {settings.auth}")]
    if settings.cookies is not None and ("cookie", None) in fields:
        settings = settings.changed({"cookies": None})
    return fields, settings
