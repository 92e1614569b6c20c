"""The properties of a client, and the request that they and a call's arguments make.

Verbs: what both clients have besides their properties, written once.

What they differ in is what a verb gives: `HttpClient` the response, `AsyncHttpClient` a coroutine.
"""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, Unpack, overload

from bladehttp._data.auth import Auth
from bladehttp._data.headers import Headers, HeadersLike
from bladehttp.client._arguments import (
    ClientCert,
    ClientOptions,
    Credentials,
    ErrorHook,
    FieldPairs,
    FilesLike,
    PathLike,
    QueryLike,
    RequestHook,
    RequestOptions,
    RequestProperties,
    ResponseHook,
    RetryHook,
)
from bladehttp.client._config.cookie_jar import CookieJar
from bladehttp.client._config.options import Settings
from bladehttp.client._config.progress import Report
from bladehttp.client._config.retry import Retry
from bladehttp.client._download.download import Job
from bladehttp.client._download.part_file import Checksum
from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._exchange.hooks import NAMES, Hook, Hooks, active_hooks, hook_list
from bladehttp.client._exchange.send_many import Make, arguments
from bladehttp.client._request.encode import NOT_GIVEN, make_body
from bladehttp.client._request.prepared import PlainGets, PreparedRequest, merge, prepare_request
from bladehttp.client._request.url import absolute, parse_url, shown, with_query

Out = TypeVar("Out")
In = TypeVar("In")
HookType = TypeVar("HookType", bound=Hook)

_setting = threading.Lock()
"""Held for the moment a property is set, of whatever client: two at once would lose one."""

os.register_at_fork(
    before=_setting.acquire, after_in_parent=_setting.release, after_in_child=_setting.release
)


class Property(Generic[Out, In]):
    """A property of a client: a value of its `Settings`, checked when it is set.

    It is read as an ``Out``, and set to an ``In``: a path is set to a str or an os.PathLike and
    read as a str.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, client: None, owner: type) -> "Property[Out, In]": ...
    @overload
    def __get__(self, client: "Configured", owner: type) -> Out: ...
    def __get__(self, client: "Configured | None", owner: type) -> "Property[Out, In] | Out":
        if client is None:
            return self
        value: Out = getattr(client._settings, self._name)
        return value

    def __set__(self, client: "Configured", value: In) -> None:
        with _setting:
            client._settings = client._settings.changed({self._name: value})


class HookList(Generic[HookType]):
    """A list of hooks of a client."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, client: None, owner: type) -> "HookList[HookType]": ...
    @overload
    def __get__(self, client: "Configured", owner: type) -> list[HookType]: ...
    def __get__(
        self, client: "Configured | None", owner: type
    ) -> "HookList[HookType] | list[HookType]":
        if client is None:
            return self
        hooks: list[HookType] = getattr(client._hooks, self._name)
        return hooks

    def __set__(self, client: "Configured", value: Iterable[HookType]) -> None:
        setattr(client._hooks, self._name, hook_list(self._name, value, client._hooks.may_await))


class Configured:
    """What `HttpClient` and `AsyncHttpClient` have in common: the properties.

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
            The body of one that is followed is neither kept nor decoded; beyond 64 KiB of it, or
            if the connection ends with it, the connection is given up.
        max_redirects: How many at the most, then TooManyRedirects is raised. 20; 0 allows none.
        allow_insecure_redirect: Whether a redirect from https to http is followed; anybody on the
            way can read what is asked for then, and change the answer. False, the default: it
            raises UnsupportedProtocol. Credentials stay behind as with any other origin.
        sensitive_headers: Names of fields that are not sent to another origin on a redirect, "*"
            standing for anything, besides Authorization, Cookie, Proxy-Authorization, Host
            and Referer, which never are. ``sensitive.SENSITIVE_HEADERS`` by default: names that
            end in -Key, -Token, -Secret and the like.
        referer: The Referer field. None, the default, sends none.
        skip_hostname_verification: Whether to accept a certificate made out to another host.
            False. True warns (InsecureWarning), as for the next. CURLOPT_SSL_VERIFYHOST.
        skip_peer_verification: Whether to accept a certificate that nobody vouches for, which
            makes the connection a lot less secure; the host name is checked even then. False.
            CURLOPT_SSL_VERIFYPEER.
        ca_cert: A PEM file, or a directory as ``openssl rehash`` makes it, with the authorities
            to trust, and no others. None, the default: the system's bundle, or certifi's.
            CURLOPT_CAINFO, CURLOPT_CAPATH.
        trust_env: Whether the environment may say whom to trust when ``ca_cert`` is None:
            SSL_CERT_FILE and SSL_CERT_DIR, else REQUESTS_CA_BUNDLE, else CURL_CA_BUNDLE, read
            for each request. True.
        min_tls: The oldest version of TLS to speak: "1.0", "1.1", "1.2" (the default) or "1.3".
            CURLOPT_SSLVERSION.
        client_cert: The certificate to show a server that asks for one: a PEM file with
            certificate and key, (certificate, key), or (certificate, key, password), the key None
            where it is in the same file. Files that end in .p12 or .pfx are PKCS#12. It is not
            shown to another origin on a redirect. None, the default: none. CURLOPT_SSLCERT,
            CURLOPT_SSLKEY, CURLOPT_KEYPASSWD.
        pinned_key: The public key the server must have, beside all other checks: "sha256//" and
            the base64 of its SHA-256, several parted by ";", or a PEM or DER file. None, the
            default: any. CURLOPT_PINNEDPUBLICKEY.
        connect_timeout: Longest time to establish a connection, in milliseconds, name
            resolution, proxy and TLS handshake included. 60000; 0 and None mean libcurl's
            default, 300 s. CURLOPT_CONNECTTIMEOUT_MS.
        receive_timeout: Longest silence once connected, in milliseconds: no byte received or
            sent. Not a limit for the whole. 300000; 0 and None mean no limit.
        total_timeout: Longest time for everything, redirects and retries included, in
            milliseconds. With `AsyncHttpClient` it holds from the call on, while the request waits
            for its place too (``concurrency``, ``max_host_connections``), and the exception says
            if that is where the time went. In a `send_many` it begins when the request has its
            place. None, the default, and 0 mean no limit.
        no_expect: Whether to leave out ``Expect: 100-continue``, which libcurl sends with
            bodies over 1 MiB or of unknown length and which costs a second with a server that
            ignores it. False.
        auth: (name, password), or a bearer token as str. None by default. An Authorization
            field wins over a name in the URL, and that over this. CURLOPT_USERNAME.
        auth_method: Which methods may be used, for ``auth``, a URL with name and password and
            ``netrc`` alike. Auth.ANY, the default, asks the server first: it costs a round, sends
            a body twice, and gives nothing to a server that answers strangers without a 401.
            Auth.BASIC sends the password at once. With a password Auth.ANY leaves out Negotiate,
            which needs a ticket; Auth.NEGOTIATE asks for it. Auth.DIGEST is that of MD5 and
            SHA-256 (RFC 7616); with a body only where the server offers qop "auth", since libcurl
            answers "auth-int" as if there were none. CURLOPT_HTTPAUTH.
        accept_encoding: The Accept-Encoding field. "", the default, lists every coding that can be
            undone: gzip, deflate, br with the package brotli or brotlicffi (1.2 or later), and
            zstd on Python 3.14 or with the package zstandard. None sends none and leaves bodies
            as they come. CURLOPT_ACCEPT_ENCODING.
        max_body_size: The longest body to accept, decoded, in bytes; that of a redirect which
            is followed does not count. None, the default: no limit. CURLOPT_MAXFILESIZE_LARGE.
        retry: A `Retry` that says when a request is sent again. None, the default: never.
        max_host_connections: How many connections to one host one call of `HttpClient.send_many`,
            or an `AsyncHttpClient`, has open at the same time. Further requests to that host wait,
            which counts neither as time to connect nor for ``concurrency``: those to other hosts
            go on. Connections of HTTP/2 carry many requests, so there it limits these only as long
            as nothing is known of the host. It does not hold for other requests of an
            `HttpClient`: each thread that is in one, and each open stream, has a connection of
            its own. None, the default: as many as there are requests at once.
            CURLMOPT_MAX_HOST_CONNECTIONS.
        max_idle_connections: How many connections are kept open while no request uses them, the
            oldest being closed first. 100; None: any number. An `AsyncHttpClient` and each
            `HttpClient.send_many` count all of theirs, within two seconds of a burst. For other
            requests an `HttpClient` keeps one connection, and up to three to other hosts, for
            each thread that was in a request at the same time; these groups are what is counted.
        idle_timeout: Longest time that a connection is kept without being used, in milliseconds,
            in steps of a second. 90000; None and 0: no limit. Connections that the server closes
            are closed here too: by an `AsyncHttpClient` within some seconds, by an `HttpClient`,
            which has no thread of its own, when it is used. CURLOPT_MAXAGE_CONN.
        on_request: Functions that are called with a `HookRequest` before each request is sent,
            redirects and retries included. They may change its ``headers``. Each call is followed
            by a call of exactly one of the other four, with the same object, however the request
            ends. The hooks of an `HttpClient` are plain functions; those of an `AsyncHttpClient`
            may be coroutine functions: they are awaited before the request is sent, the response is
            returned or the exception is raised. Hooks run in the context (`contextvars`) of the
            caller, also where asyncio or `HttpClient.send_many` runs many requests at once.
        on_response: Called with an `HookRequest` and the response that will be returned.
        on_redirect: Called with an `HookRequest` and the response of a redirect that will be
            followed; its body is empty, whatever was received.
        on_retry: Called with an `HookRequest`, the response or exception because of which the
            request will be sent again, and the milliseconds until then.
        on_error: Called with an `HookRequest` and the exception that will be raised, one that
            ``on_request`` raises among them. For a request that is aborted that is CancelledError,
            KeyboardInterrupt, GeneratorExit (`HttpClient.send_many` left early) or ClientClosed;
            what ``on_error`` itself raises is logged then. What any other hook raises is raised
            as it is, and is not told to ``on_error``.
        http_version: "auto", the default: over TLS what both sides agree on by ALPN, HTTP/2 or
            1.1, else 1.1. "1.0", "1.1", "2" (the same as "auto") or "3", which is tried first and
            falls back to what "auto" would do where the server does not answer it; nothing but
            HTTP/3: ``curl_options={pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_3ONLY}``, which
            raises ConnectError or ConnectTimeout then. CURLOPT_HTTP_VERSION.
        proxy: The proxy for all requests, such as "http://name:password@host:3128"; http, https,
            socks4, socks4a, socks5 or socks5h (the last has the proxy resolve names). The
            certificate of an https proxy is checked as a server's would be, and always. Name and
            password are percent-decoded and never sent to a server. None, the default: with
            ``trust_env`` that of http_proxy, https_proxy, HTTPS_PROXY, all_proxy or ALL_PROXY,
            and outside of CGI programs of HTTP_PROXY. "": none at all. CURLOPT_PROXY.
        no_proxy: Hosts to reach without a proxy, as list or with commas: "a.example" means its
            subdomains too, "10.0.0.0/8" is a network, "*" is every host. None, the default:
            with ``trust_env`` and without ``proxy`` what no_proxy says. CURLOPT_NOPROXY.
        resolve: {"host:port": "address"}: where to connect to instead of asking DNS. Host field,
            certificate and cookies stay the host's. {} by default. CURLOPT_CONNECT_TO.
        unix_socket: The path of a socket to connect to, whatever the URL's host; redirects go
            there too. None by default. CURLOPT_UNIX_SOCKET_PATH.
        interface: A network interface, address or host name of this machine to connect from.
            None, the default: the system's choice. CURLOPT_INTERFACE.
        netrc: Whether to look for name and password in ~/.netrc, or the path of such a file. With
            Auth.ANY they are sent when the server asks, with Auth.BASIC at once.
            What a request says itself wins: an Authorization field, the URL, ``auth``. False.
            CURLOPT_NETRC, CURLOPT_NETRC_FILE.
        cookies: None, the default: cookies are neither kept nor sent. Set to True: they are kept
            in memory, for all threads, in a `CookieJar`, which is what this property then is. A jar
            may also be given, of another client for example. The cookies of a Cookie field of
            the request are sent beside those of the jar, in place of their namesakes. Public
            suffixes are refused. CURLOPT_SHARE, CURLOPT_COOKIEFILE.
        cookie_file: A file in Netscape format to fill ``cookies`` from, if it is there, and to
            save them to when the client is closed. None by default.
        progress: A function that is called with the bytes done and the bytes there will be, or
            None, of the request's body if it has one, else of the response's, as they are on
            the wire. What it raises ends the request and is raised as it is. None by default.
            CURLOPT_XFERINFOFUNCTION.
        curl_options: {pycurl.CONSTANT: value}: anything else libcurl can do, set after all the
            rest; undone when another request does not have it, but for what libcurl keeps in
            its caches. What every request sets itself is refused. {} by default.
    """

    __slots__ = ("_bare", "_headers", "_hooks", "_settings")
    _hooks_type: ClassVar[type[Hooks]] = Hooks

    base_url: Property[str | None, str | None] = Property()
    user_agent: Property[str, str] = Property()
    follow_redirect: Property[bool, bool] = Property()
    max_redirects: Property[int, int] = Property()
    allow_insecure_redirect: Property[bool, bool] = Property()
    sensitive_headers: Property[tuple[str, ...], Iterable[str]] = Property()
    referer: Property[str | None, str | None] = Property()
    skip_hostname_verification: Property[bool, bool] = Property()
    skip_peer_verification: Property[bool, bool] = Property()
    ca_cert: Property[str | None, PathLike | None] = Property()
    trust_env: Property[bool, bool] = Property()
    min_tls: Property[str, str] = Property()
    client_cert: Property[tuple[str, ...] | None, ClientCert | None] = Property()
    pinned_key: Property[str | None, PathLike | None] = Property()
    connect_timeout: Property[int, int | None] = Property()
    receive_timeout: Property[int, int | None] = Property()
    total_timeout: Property[int | None, int | None] = Property()
    no_expect: Property[bool, bool] = Property()
    auth: Property[str | tuple[str, str] | None, Credentials | None] = Property()
    auth_method: Property[Auth, Auth | int] = Property()
    accept_encoding: Property[str | None, str | None] = Property()
    max_body_size: Property[int | None, int | None] = Property()
    retry: Property[Retry | None, Retry | None] = Property()
    max_host_connections: Property[int | None, int | None] = Property()
    max_idle_connections: Property[int | None, int | None] = Property()
    idle_timeout: Property[int | None, int | None] = Property()

    on_request: HookList[RequestHook] = HookList()
    on_response: HookList[ResponseHook] = HookList()
    on_redirect: HookList[ResponseHook] = HookList()
    on_retry: HookList[RetryHook] = HookList()
    on_error: HookList[ErrorHook] = HookList()
    http_version: Property[str, str] = Property()
    proxy: Property[str | None, str | None] = Property()
    no_proxy: Property[str | None, str | Iterable[str] | None] = Property()
    resolve: Property[Mapping[str, str], Mapping[str, str]] = Property()
    unix_socket: Property[str | None, PathLike | None] = Property()
    interface: Property[str | None, str | None] = Property()
    netrc: Property[bool | str, bool | PathLike] = Property()
    cookies: Property[CookieJar | None, CookieJar | bool | None] = Property()
    cookie_file: Property[str | None, PathLike | None] = Property()
    progress: Property[Report | None, Report | None] = Property()
    curl_options: Property[Mapping[int, Any], Mapping[int, Any]] = Property()

    def __init__(
        self,
        base_url: str | None = None,
        *,
        headers: HeadersLike | None = None,
        **properties: Unpack[ClientOptions],
    ) -> None:
        """Make a client; properties can be given by name."""
        kind, values = self._hooks_type, dict[str, Any](properties)
        self._hooks = kind(
            **{name: hook_list(name, values.pop(name, ()), kind.may_await) for name in NAMES}
        )
        self._settings = Settings().changed({"base_url": base_url, **values})
        self._headers = Headers(headers)
        self._bare = PlainGets(self._settings, ())

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

    def _prepare(
        self,
        url: str,
        method: str = "GET",
        data: Any = None,
        headers: HeadersLike | None = None,
        **others: Any,
    ) -> PreparedRequest:
        """Return the request that arguments as of `HttpClient.send_request` make."""
        is_bare = not others and headers is None and data is None and method == "GET"
        if not is_bare or not isinstance(url, str):
            return self._new_request(url, method, data, headers, **others)
        bare, settings, fields = self._bare, self._settings, self._headers.as_tuple()
        if bare.settings is not settings or bare.fields is not fields:
            bare = self._bare = PlainGets(settings, fields)
        return bare[url]

    def _new_request(
        self,
        url: str,
        method: str = "GET",
        data: Any = None,
        headers: HeadersLike | None = None,
        json: Any = NOT_GIVEN,
        form: Any = None,
        files: Any = None,
        query: Any = None,
        **properties: Any,
    ) -> PreparedRequest:
        settings = self._settings.changed(properties) if properties else self._settings
        fields = self._headers.pairs() if headers is None else merge(self._headers, headers)
        url = absolute(url, settings.base_url, self._headers)
        if query is not None:
            url = with_query(url, query)
        body = make_body(data, json, form, files, fields)
        return prepare_request(method, parse_url(url), fields, body, settings)

    def save_cookies(self) -> None:
        """Write ``cookies`` to ``cookie_file`` now, whole or not at all, as closing does.

        Raises:
            ValueError: There is no ``cookie_file``.
            OSError: It cannot be written.
        """
        if self.cookies is None:
            raise ValueError("client has no cookie_file")
        self.cookies.save()

    def __getstate__(self) -> tuple[Settings, Headers, Hooks]:
        return self._settings, self._headers.copy(), self._hooks.joined(Hooks())

    def __setstate__(self, state: tuple[Settings, Headers, Hooks]) -> None:
        self._settings, self._headers, self._hooks = state
        self._bare = PlainGets(self._settings, ())

    def __repr__(self) -> str:
        base = None if self.base_url is None else shown(self.base_url)
        return f"<{type(self).__name__} base_url={base}>"


Given = TypeVar("Given")
Body = TypeVar("Body")


class Verbs(Configured, ABC, Generic[Given, Body]):
    """The verbs of a client: they take a ``Body`` as ``data`` and return a ``Given``."""

    __slots__ = ()

    @abstractmethod
    def _send(
        self,
        url: str,
        method: str,
        data: Body | None,
        headers: HeadersLike | None,
        others: Mapping[str, Any],
    ) -> Given:
        """Send a request with arguments as of `send_request`."""

    def _job(
        self,
        url: str,
        path: str | os.PathLike[str],
        progress: Report | None,
        resume: bool,
        checksum: str | None,
        arguments: Mapping[str, Any],
    ) -> Job:
        """Return what a download with arguments as of `HttpClient.download` has to do."""
        return Job(
            Path(path),
            self._prepare(url, **arguments),
            progress,
            resume,
            None if checksum is None else Checksum(checksum),
            "accept_encoding" in arguments,
        )

    def _making(self) -> Make:
        """Return what makes exchanges of what `send_many` is given, with the hooks of now."""
        hooks, request = active_hooks(self._hooks), self._prepare

        def make(given: Any) -> Exchange:
            if type(given) is str:
                return Exchange(request(given), hooks, given)
            return Exchange(request(**arguments(given)), hooks, given)

        return make

    def send_request(
        self,
        url: str,
        method: str = "GET",
        data: Body | None = None,
        *,
        headers: HeadersLike | None = None,
        json: Any = NOT_GIVEN,
        form: FieldPairs | None = None,
        files: FilesLike | None = None,
        query: QueryLike | None = None,
        **properties: Unpack[RequestProperties],
    ) -> Given:
        """Send a request and return the response, whatever its status.

        Args:
            url: An http or https URL, or one relative to ``base_url`` (RFC 3986 section 5.2). It is
                sent as it is, what is not ASCII, a blank and { } " < > ^ ` | and backslash
                percent-encoded. One exception: %2f of a path becomes %2F where libcurl may
                have to make a digest of it (a name and password, with Auth.ANY or
                Auth.DIGEST), and at http servers that ``no_proxy`` excepts.
            method: The method; the standard ones in any case.
            data: The body: a str (sent as UTF-8), bytes, a binary file (from where it
                stands, and it is left there), an iterable of bytes (with `AsyncHttpClient` an
                asynchronous one too), a response (its body; an open stream is passed on while it
                comes), or a dict. A dict is encoded by the request's Content-Type,
                as JSON, form or multipart; without one it is multipart if there is an open file
                or an os.PathLike in it, else JSON. Of unknown length it is sent chunked, unless
                ``headers`` announce a Content-Length.
            headers: Fields for this request; they replace those of the client of that name.
            json: Something to send as JSON; None is null.
            form: A dict or pairs to send as application/x-www-form-urlencoded. In a form, a query
                and the fields beside ``files`` None leaves a name out, and a list or another
                iterable repeats it, without its Nones.
            files: A dict or pairs of name and file, to send as multipart/form-data together
                with the fields in ``form`` or in a dict ``data``. A file is an os.PathLike, an
                open file, bytes or str, or (filename, one of those[, content type]), or a list.
                A filename of None makes it a part without one. An open file is sent from where
                it stands, or whole if that is its end, and left there: it can be given again.
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
        others = {"json": json, "form": form, "files": files, "query": query, **properties}
        return self._send(url, method, data, headers, others)

    def get(
        self,
        url: str,
        headers: HeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send a GET request; see `send_request`, as for all the verbs."""
        return self._send(url, "GET", None, headers, options)

    def post(
        self,
        url: str,
        data: Body | None = None,
        headers: HeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send a POST request."""
        return self._send(url, "POST", data, headers, options)

    def put(
        self,
        url: str,
        data: Body | None = None,
        headers: HeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send a PUT request."""
        return self._send(url, "PUT", data, headers, options)

    def patch(
        self,
        url: str,
        data: Body | None = None,
        headers: HeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send a PATCH request."""
        return self._send(url, "PATCH", data, headers, options)

    def delete(
        self,
        url: str,
        headers: HeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send a DELETE request."""
        return self._send(url, "DELETE", None, headers, options)

    def head(
        self,
        url: str,
        headers: HeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send a HEAD request."""
        return self._send(url, "HEAD", None, headers, options)

    def options(
        self,
        url: str,
        headers: HeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send an OPTIONS request."""
        return self._send(url, "OPTIONS", None, headers, options)

    def trace(
        self,
        url: str,
        headers: HeadersLike | None = None,
        **options: Unpack[RequestOptions],
    ) -> Given:
        """Send a TRACE request."""
        return self._send(url, "TRACE", None, headers, options)
