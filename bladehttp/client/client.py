"""HttpClient: the properties and the verbs."""

import os
import threading
import warnings
from typing import Any, Generic, Self, TypeVar, overload

from bladehttp.auth import Auth
from bladehttp.client.encode import NOT_GIVEN, make_body
from bladehttp.client.exchange import exchange
from bladehttp.client.message import make_message, merge
from bladehttp.client.options import Settings
from bladehttp.client.pool import Pool
from bladehttp.client.url import is_absolute, parse_url, resolve, with_query
from bladehttp.headers import Headers, HeadersLike
from bladehttp.response import HttpResponse

T = TypeVar("T")

_setting = threading.Lock()
"""Held for the moment a property is set, of whatever client: two at once would lose one."""

os.register_at_fork(
    before=_setting.acquire, after_in_parent=_setting.release, after_in_child=_setting.release
)


class Property(Generic[T]):
    """A property of a client: a value of its `Settings`, checked when it is set."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, client: None, owner: type) -> "Property[T]": ...
    @overload
    def __get__(self, client: "HttpClient", owner: type) -> T: ...
    def __get__(self, client: "HttpClient | None", owner: type) -> "Property[T] | T":
        return self if client is None else getattr(client._settings, self._name)

    def __set__(self, client: "HttpClient", value: T) -> None:
        with _setting:
            client._settings = client._settings.changed({self._name: value})


class HttpClient:
    """An HTTP client that keeps its connections.

    It may be used by any number of threads at once, and after a fork by parent and child. Close
    it, or use it in a ``with`` statement. Pickling and copying take the properties along and
    leave the connections.

    Setting a property that does not exist raises AttributeError; a value of a wrong type
    TypeError; one that cannot be used ValueError.

    Attributes:
        base_url: What relative URLs are relative to (RFC 3986 section 5: "users" below
            "https://example.com/v1/" is "https://example.com/v1/users", "/users" is
            "https://example.com/users"). None, the default: "https://" and the Host field
            of ``headers``, if there is one.
        headers: Fields sent with every request. {} by default. libcurl adds Host, ``Accept:
            */*``, User-Agent and Accept-Encoding; a field set here replaces its namesake. To
            another origin than the one asked for none is sent that holds credentials.
        user_agent: The User-Agent field; "" sends none. CURLOPT_USERAGENT.
        follow_redirect: Whether 301, 302, 303, 307 and 308 with a Location are followed. True.
        max_redirects: How many at the most, then TooManyRedirects is raised. 20; 0 allows none.
        sensitive_headers: Names of fields that are not sent to another origin on a redirect, "*"
            standing for anything, besides Authorization, Cookie, Proxy-Authorization, Host
            and Referer, which never are. ``options.SENSITIVE_HEADERS`` by default: names that
            end in -Key, -Token, -Secret and the like.
        referer: The Referer field. None, the default, sends none.
        skip_hostname_verification: Whether to accept a certificate made out to another host.
            False. CURLOPT_SSL_VERIFYHOST.
        skip_peer_verification: Whether to accept a certificate that nobody vouches for, which
            makes the connection a lot less secure; the host name is checked even then. False.
            CURLOPT_SSL_VERIFYPEER.
        ca_cert: A PEM file, or a directory as ``openssl rehash`` makes it, with the authorities
            to trust, and no others. None, the default: the system's bundle, or certifi's.
            CURLOPT_CAINFO, CURLOPT_CAPATH.
        connect_timeout: Longest time to establish a connection, in milliseconds, name
            resolution, proxy and TLS handshake included. 60000; 0 and None mean libcurl's
            default, 300 s. CURLOPT_CONNECTTIMEOUT_MS.
        receive_timeout: Longest silence once connected, in milliseconds: no byte received or
            sent. Not a limit for the whole. 300000; 0 and None mean no limit.
        total_timeout: Longest time for everything, redirects included, in milliseconds. None,
            the default, and 0 mean no limit.
        no_expect: Whether to leave out ``Expect: 100-continue``, which libcurl sends with
            bodies over 1 MiB or of unknown length and which costs a second with a server that
            ignores it. False.
        auth: (name, password), or a bearer token as str. None by default. An Authorization
            field wins over a name in the URL, and that over this. CURLOPT_USERNAME.
        auth_method: Which methods may be used. Auth.ANY, the default, asks the server first and
            so costs a round; Auth.BASIC sends the password at once. CURLOPT_HTTPAUTH.
        accept_encoding: The Accept-Encoding field. "", the default, means everything that can
            be undone, gzip and deflate. None sends none and leaves bodies as they come.
            CURLOPT_ACCEPT_ENCODING.
        max_body_size: The longest body to accept, decoded, in bytes. None, the default: no
            limit. CURLOPT_MAXFILESIZE_LARGE.
    """

    __slots__ = ("__weakref__", "_headers", "_pool", "_quiet", "_settings")

    base_url = Property[str | None]()
    user_agent = Property[str]()
    follow_redirect = Property[bool]()
    max_redirects = Property[int]()
    sensitive_headers = Property[tuple[str, ...]]()
    referer = Property[str | None]()
    skip_hostname_verification = Property[bool]()
    skip_peer_verification = Property[bool]()
    ca_cert = Property[str | None]()
    connect_timeout = Property[int]()
    receive_timeout = Property[int]()
    total_timeout = Property[int | None]()
    no_expect = Property[bool]()
    auth = Property[str | tuple[str, str] | None]()
    auth_method = Property[Auth]()
    accept_encoding = Property[str | None]()
    max_body_size = Property[int | None]()

    def __init__(
        self, base_url: str | None = None, *, headers: HeadersLike | None = None, **properties: Any
    ) -> None:
        """Make a client; properties can be given by name."""
        self._quiet = True  # nothing to warn of if the next lines raise
        self._settings = Settings().changed({"base_url": base_url, **properties})
        self._headers = Headers(headers)
        self._start()

    def _start(self) -> None:
        self._pool = Pool()
        self._quiet = False

    @property
    def headers(self) -> Headers:
        """The fields sent with every request."""
        return self._headers

    @headers.setter
    def headers(self, fields: HeadersLike | None) -> None:
        self._headers = Headers(fields)

    def set_headers(self, headers: HeadersLike) -> Self:
        """Set ``headers`` and return the client, for chaining."""
        self.headers = headers
        return self

    def send_request(
        self,
        url: str,
        method: str = "GET",
        data: Any = None,
        *,
        headers: HeadersLike | None = None,
        json: Any = NOT_GIVEN,
        form: Any = None,
        files: Any = None,
        query: Any = None,
        **properties: Any,
    ) -> HttpResponse:
        """Send a request and return the response, whatever its status.

        Args:
            url: An http or https URL, or one relative to ``base_url``.
            method: The method; the standard ones in any case.
            data: The body: a str (sent as UTF-8), bytes, a binary file (from where it
                stands), an iterable of bytes, or a dict. A dict is encoded by the request's
                Content-Type, as JSON, form or multipart; without one it is multipart if there
                is an open file or an os.PathLike in it, else JSON. Of unknown length it is sent
                chunked, unless ``headers`` announce a Content-Length.
            headers: Fields for this request; they replace those of the client of that name.
            json: Something to send as JSON; None is null.
            form: A dict or pairs to send as application/x-www-form-urlencoded.
            files: A dict or pairs of name and file, to send as multipart/form-data together
                with the fields in ``form`` or in a dict ``data``. A file is an os.PathLike, an
                open file, bytes or str, or (filename, one of those[, content type]), or a list.
            query: A dict or pairs, or an encoded str, to add to the URL.
            properties: Any property of the client, for this request only.

        Raises:
            SocketException: No connection, or it was lost.
            TimeoutException: A clock ran out.
            HttpException: Anything else that is wrong with the exchange; the tree is in
                bladehttp/exceptions.py. What code of the caller's raises while the data is
                read is raised as it is.
            TypeError: An argument of a wrong type, or an unknown property.
            ValueError: An argument that cannot be used.
        """
        settings = self._settings.changed(properties) if properties else self._settings
        fields = merge(self._headers, headers)
        if not is_absolute(url):
            url = resolve(url, settings.base_url, self._headers.get("Host"))
        if query is not None:
            url = with_query(url, query)
        body = make_body(data, json, form, files, fields)
        message = make_message(method, parse_url(url), fields, body, settings)
        engine = self._pool.take()
        try:
            return exchange(engine, message)
        finally:
            self._pool.give(engine)

    def get(self, url: str, headers: HeadersLike | None = None, **options: Any) -> HttpResponse:
        """Send a GET request; see `send_request`, as for all the verbs."""
        return self.send_request(url, "GET", headers=headers, **options)

    def post(
        self, url: str, data: Any = None, headers: HeadersLike | None = None, **options: Any
    ) -> HttpResponse:
        """Send a POST request."""
        return self.send_request(url, "POST", data, headers=headers, **options)

    def put(
        self, url: str, data: Any = None, headers: HeadersLike | None = None, **options: Any
    ) -> HttpResponse:
        """Send a PUT request."""
        return self.send_request(url, "PUT", data, headers=headers, **options)

    def patch(
        self, url: str, data: Any = None, headers: HeadersLike | None = None, **options: Any
    ) -> HttpResponse:
        """Send a PATCH request."""
        return self.send_request(url, "PATCH", data, headers=headers, **options)

    def delete(self, url: str, headers: HeadersLike | None = None, **options: Any) -> HttpResponse:
        """Send a DELETE request."""
        return self.send_request(url, "DELETE", headers=headers, **options)

    def head(self, url: str, headers: HeadersLike | None = None, **options: Any) -> HttpResponse:
        """Send a HEAD request."""
        return self.send_request(url, "HEAD", headers=headers, **options)

    def options(self, url: str, headers: HeadersLike | None = None, **options: Any) -> HttpResponse:
        """Send an OPTIONS request."""
        return self.send_request(url, "OPTIONS", headers=headers, **options)

    def trace(self, url: str, headers: HeadersLike | None = None, **options: Any) -> HttpResponse:
        """Send a TRACE request."""
        return self.send_request(url, "TRACE", headers=headers, **options)

    @property
    def closed(self) -> bool:
        """Whether the client has been closed."""
        return self._pool.closed

    def close(self) -> None:
        """Close the connections; those in use when their requests are done. Idempotent."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._quiet and self._pool.idle and not self._pool.closed:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
            self.close()

    def __getstate__(self) -> tuple[Settings, Headers]:
        return self._settings, self._headers.copy()

    def __setstate__(self, state: tuple[Settings, Headers]) -> None:
        self._settings, self._headers = state
        self._start()

    def __repr__(self) -> str:
        return f"<HttpClient base_url={self.base_url!r}>"
