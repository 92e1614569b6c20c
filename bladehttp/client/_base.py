"""Configured: the properties of both clients, and the request made from them and from arguments."""

import os
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, Unpack, overload

from bladehttp._data.auth import Auth
from bladehttp.client._arguments import (
    ClientCert,
    ClientOptions,
    Credentials,
    ErrorHook,
    PathLike,
    QueryLike,
    RequestHook,
    ResponseHook,
    RetryHook,
)
from bladehttp.client._config.cookie_jar import CookieJar
from bladehttp.client._config.options import Settings, unknown_property
from bladehttp.client._config.progress import Report
from bladehttp.client._config.retry import Retry
from bladehttp.client._exchange.hooks import (
    NAMES,
    Hook,
    Hooks,
    hook_list,
    own_hooks,
)
from bladehttp.client._request.encode import CONTENT, NOT_GIVEN, bytes_body, make_body
from bladehttp.client._request.fields import (
    RequestHeaders,
    RequestHeadersLike,
    merge,
    with_cookies,
)
from bladehttp.client._request.prepared import (
    STANDARD,
    KeptRequests,
    PreparedRequest,
    check_order,
    prepare_request,
)
from bladehttp.client._request.url import absolute, parse_url, shown, with_queries, with_query

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
    """The properties of `HttpClient` and `AsyncHttpClient`.

    Setting a property that does not exist raises AttributeError; a value of a wrong type TypeError;
    any other value that is not valid ValueError.

    Attributes:
        base_url: Base of relative URLs (RFC 3986 section 5: "users" with "https://example.com/v1/"
            is "https://example.com/v1/users", "/users" is "https://example.com/users"). None, the
            default: "https://" and the Host field of ``headers``, if there is one.
        headers: Fields sent with every request. {} by default. libcurl adds Host, ``Accept: */*``,
            User-Agent and Accept-Encoding; a field of the same name set here replaces them. On a
            redirect to another origin, fields with credentials are not sent. A value of None
            leaves a field out, those that libcurl would add too: ``{"Accept": None}``. Only Host
            and the fields about the body's length are always sent. Without Authorization there is
            neither ``auth`` nor netrc, without Cookie no jar.
        query: A dict or pairs, or an encoded str, added to every URL: after the URL's own query,
            which is sent unchanged, and before that of the call. A name that is in one of these
            is left out here, and so is one that is None in that of the call. On a redirect nothing
            is added. None by default.
        user_agent: The User-Agent field; "" sends none. CURLOPT_USERAGENT.
        follow_redirect: Whether 301, 302, 303, 307 and 308 with a Location are followed. True. The
            body of a followed redirect is neither kept nor decoded; if it is longer than 64 KiB, or
            ends with its connection, the connection is closed.
        max_redirects: Most redirects of one request; one more raises TooManyRedirects. 20; 0 allows
            none.
        allow_insecure_redirect: Whether a redirect from https to http is followed; then anyone on
            the path can read the request and change the answer. False, the default: it raises
            UnsupportedProtocol. Credentials are not sent, as to any other origin.
        sensitive_headers: Names of fields that are not sent to another origin on a redirect; "*"
            matches any text. Host, Referer, and names with "auth" or "cookie" in them are never
            sent. By default also names that end in "-key", and names with "token", "secret",
            "session", "passw", "credential", "csrf", "jwt" or "apikey" in them.
        referer: The Referer field. None, the default, sends none.
        skip_hostname_verification: Whether a certificate for another host is accepted. False. True
            warns (InsecureWarning). CURLOPT_SSL_VERIFYHOST.
        skip_peer_verification: Whether a certificate from an unknown issuer is accepted, which
            makes the connection much less secure; the host name is checked even then. False. True
            warns (InsecureWarning). CURLOPT_SSL_VERIFYPEER.
        ca_cert: A PEM file, or a directory as ``openssl rehash`` makes it, with the only
            authorities to trust. None, the default: the system's bundle, or certifi's.
            CURLOPT_CAINFO, CURLOPT_CAPATH.
        trust_env: Whether the environment may name the authorities to trust when ``ca_cert`` is
            None: SSL_CERT_FILE and SSL_CERT_DIR, else REQUESTS_CA_BUNDLE, else CURL_CA_BUNDLE, read
            for each request. True.
        min_tls: The oldest accepted version of TLS: "1.0", "1.1", "1.2" (the default) or "1.3".
            CURLOPT_SSLVERSION.
        client_cert: The certificate sent to a server that asks for one: a PEM file with certificate
            and key, (certificate, key), or (certificate, key, password), the key None if it is in
            the same file. Files that end in .p12 or .pfx are PKCS#12. It is not sent to another
            origin on a redirect. None, the default: none. CURLOPT_SSLCERT, CURLOPT_SSLKEY,
            CURLOPT_KEYPASSWD.
        pinned_key: The public key that the server must have, in addition to all other checks:
            "sha256//" and the base64 of its SHA-256, several separated by ";", or a PEM or DER
            file. None, the default: any. CURLOPT_PINNEDPUBLICKEY.
        connect_timeout: Longest time to establish a connection, in milliseconds, name resolution,
            proxy and TLS handshake included. 60000; 0 and None mean libcurl's default, 300 s.
            CURLOPT_CONNECTTIMEOUT_MS.
        receive_timeout: Longest time without a byte received or sent once connected, in
            milliseconds. It does not limit the whole transfer. 300000; 0 and None mean no limit.
        total_timeout: Longest time for the whole request, redirects and retries included, in
            milliseconds. With `AsyncHttpClient` it starts with the call and includes the wait for a
            slot (``concurrency``, ``max_host_connections``); the exception says if the time ran out
            there. In a `send_many` it starts when the request has its slot. None, the default, and
            0 mean no limit.
        no_expect: Whether to leave out ``Expect: 100-continue``, which libcurl sends with bodies
            over 1 MiB or of unknown length. If the server ignores it, it costs a second, or a
            quarter of ``receive_timeout`` if that is less. False.
        auth: (name, password), a bearer token as str, or a function of a `HookRequest` that sets
            fields. A generator function yields the request to have it sent, gets the response, and
            may yield the request again, up to 10 times in all; ``auth`` of an `AsyncHttpClient`
            may be a coroutine function or an asynchronous generator function. It is called after
            ``on_request``, for each message to the origin of the URL: again for a retry and for a
            redirect within the origin, never for another one, and not for that one again after
            another. Only the response that would be returned is given to it, that of a stream when
            its body is still to be received, or, from 400 on, with its body. A body that cannot be
            sent again raises UnrewindableBody. None by default. An Authorization field wins over a
            name in the URL, and that over this. CURLOPT_USERNAME.
        auth_method: The methods that may be used for ``auth``, for a URL with name and password and
            for ``netrc``. Auth.ANY, the default, asks the server first: it costs a round, sends a
            body twice, and sends no credentials to a server that answers without a 401. Auth.BASIC
            sends the password at once. With a password Auth.ANY excludes Negotiate, which needs a
            ticket; Auth.NEGOTIATE includes it. Auth.DIGEST supports MD5 and SHA-256 (RFC 7616);
            with a body only if the server offers qop "auth", since libcurl answers "auth-int" as if
            there were no body. CURLOPT_HTTPAUTH.
        accept_encoding: The Accept-Encoding field. "", the default, lists every coding that can be
            decoded: gzip, deflate, br with the package brotli or brotlicffi (1.2 or later), and
            zstd on Python 3.14 or with the package zstandard. None sends none and leaves bodies
            encoded. CURLOPT_ACCEPT_ENCODING.
        max_body_size: The longest accepted body, decoded, in bytes; the body of a followed redirect
            does not count. None, the default: no limit. CURLOPT_MAXFILESIZE_LARGE.
        retry: A `Retry`, which decides when a request is sent again. None, the default: never.
        raise_for_status: Whether a response of 400 and above is raised as an HttpStatusError, once
            retries and ``on_response`` are over. `HttpClient.stream` raises it instead of opening,
            with the beginning of the body; in `HttpClient.send_many` it is the result. False.
        max_host_connections: Most open connections to one host, of one call of
            `HttpClient.send_many` or of an `AsyncHttpClient`. Further requests to that host wait,
            which counts neither for ``connect_timeout`` nor for ``concurrency``: requests to other
            hosts proceed. HTTP/2 connections carry many requests; there the limit applies only
            until the version of the host is known. It does not apply to other requests of an
            `HttpClient`: each thread that sends one, and each open stream, has a connection of its
            own. None, the default: no limit. CURLMOPT_MAX_HOST_CONNECTIONS.
        max_idle_connections: Most idle connections that are kept; the oldest are closed first. 100;
            None: no limit. An `AsyncHttpClient` and each `HttpClient.send_many` count all of
            theirs, within two seconds of a burst. For other requests an `HttpClient` keeps one
            connection, and up to three to other hosts, for each thread that sent requests at the
            same time; these groups are counted.
        idle_timeout: Longest time that an unused connection is kept, in milliseconds, in steps of a
            second. 90000; None and 0: no limit. Connections that the server closes are closed here
            too: by an `AsyncHttpClient` within some seconds, by an `HttpClient`, which has no
            thread of its own, at its next use. CURLOPT_MAXAGE_CONN.
        on_request: Functions that are called with a `HookRequest` before each request is sent,
            redirects and retries included. They may change its ``headers``. Each call is followed
            by a call of exactly one of the other four, with the same object, however the request
            ends. The hooks of an `HttpClient` are plain functions; those of an `AsyncHttpClient`
            may be coroutine functions: they are awaited before the request is sent, the response is
            returned or the exception is raised. Hooks run in the context (`contextvars`) of the
            caller, also where asyncio or `HttpClient.send_many` runs many requests at once.
        on_response: Called with a `HookRequest` and the response that will be returned.
        on_redirect: Called with a `HookRequest` and the response of a redirect that will be
            followed; its body is empty.
        on_retry: Called with a `HookRequest`, the response or exception that causes the retry, and
            the milliseconds until then.
        on_error: Called with a `HookRequest` and the exception that will be raised, including an
            exception of ``on_request``. For an aborted request that is CancelledError,
            KeyboardInterrupt, GeneratorExit (`HttpClient.send_many` left early) or ClientClosed;
            then exceptions of ``on_error`` are logged. Exceptions of the other hooks are raised
            unchanged, and not passed to ``on_error``.
        http_version: "auto", the default: over TLS the version negotiated by ALPN, HTTP/2 or 1.1,
            else 1.1. "1.0", "1.1", "2" (the same as "auto") or "3", which is tried first and falls
            back to "auto" if the server does not answer it. HTTP/3 only:
            ``curl_options={pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_3ONLY}``, which raises
            ConnectError or ConnectTimeout without an answer. CURLOPT_HTTP_VERSION.
        proxy: The proxy for all requests, such as "http://name:password@host:3128"; http, https,
            socks4, socks4a, socks5 or socks5h (with which the proxy resolves names). The
            certificate of an https proxy is always checked like that of a server. Name and password
            are percent-decoded and never sent to a server. None, the default: with ``trust_env``
            the proxy of http_proxy, https_proxy, HTTPS_PROXY, all_proxy or ALL_PROXY, and outside
            of CGI programs of HTTP_PROXY. "": no proxy. CURLOPT_PROXY.
        no_proxy: Hosts to reach without a proxy, as a list or separated by commas: "a.example"
            includes its subdomains, "10.0.0.0/8" is a network, "*" is every host. None, the
            default: with ``trust_env`` and without ``proxy`` the value of no_proxy.
            CURLOPT_NOPROXY.
        resolve: {"host:port": "address"}: addresses to connect to without DNS. Host field,
            certificate and cookies stay those of the host. An address may have another port than
            the URL: "127.0.0.1:8443", "[::1]:8443". "*:443" is for every other host of the port. {}
            by default. CURLOPT_CONNECT_TO.
        unix_socket: The path of a socket to connect to, whatever the URL's host; redirects go there
            too. None by default. CURLOPT_UNIX_SOCKET_PATH.
        interface: A network interface, address or host name of this machine to connect from;
            ConnectError if there is none. None, the default: the system's choice.
            CURLOPT_INTERFACE.
        netrc: Whether to read name and password from ~/.netrc, or the path of such a file.
            HttpException if the file cannot be parsed or the one of a path does not exist. With
            Auth.ANY they are sent when the server asks, with Auth.BASIC at once. An Authorization
            field, the URL and ``auth`` win over it. False. CURLOPT_NETRC, CURLOPT_NETRC_FILE.
        cookies: None, the default: cookies are neither kept nor sent. True: they are kept in
            memory, for all threads, in a `CookieJar`, which becomes the value of the property. A
            jar can be given too, for example that of another client. Cookies of a Cookie field of
            the request are sent together with those of the jar, and replace those of the same name.
            Public suffixes are refused. Of one response 50 cookies of at most 4,096 bytes are kept,
            and of the jar 150 cookies and 8,190 bytes are sent; others are left out without an
            error. CURLOPT_SHARE, CURLOPT_COOKIEFILE.
        cookie_file: A file in Netscape format that ``cookies`` are read from, if it exists, and
            saved to when the client is closed. None by default.
        progress: A function that is called with the bytes done and the total, or None, of the
            request's body if it has one, else of the response's, as sent over the wire. An
            exception that it raises ends the request and is raised unchanged. None by default.
            CURLOPT_XFERINFOFUNCTION.
        curl_options: {pycurl.CONSTANT: value}: further options of libcurl, set after all others,
            and reset when another request does not have them, except for libcurl's caches. Options
            that every request sets are refused; credentials do not follow a redirect to another
            origin. {} by default.
    """

    __slots__ = ("_headers", "_hooks", "_kept", "_settings")
    _hooks_type: ClassVar[type[Hooks]] = Hooks

    base_url: Property[str | None, str | None] = Property()
    query: Property[str | None, QueryLike | None] = Property()
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
    auth: Property[Credentials | None, Credentials | None] = Property()
    auth_method: Property[Auth, Auth | int] = Property()
    accept_encoding: Property[str | None, str | None] = Property()
    max_body_size: Property[int | None, int | None] = Property()
    retry: Property[Retry | None, Retry | None] = Property()
    raise_for_status: Property[bool, bool] = Property()
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
        headers: RequestHeadersLike | None = None,
        **properties: Unpack[ClientOptions],
    ) -> None:
        """Create a client; properties can be given by name."""
        kind, values = self._hooks_type, dict[str, Any](properties)
        self._hooks = kind(
            **{name: hook_list(name, values.pop(name, ()), kind.may_await) for name in NAMES}
        )
        self._settings = Settings().changed({"base_url": base_url, **values}, type(self).__name__)
        self._headers = RequestHeaders(headers)
        self._kept = KeptRequests(self._settings, (), ())

    if not TYPE_CHECKING:  # to a type checker any name could be set

        def __setattr__(self, name: str, value: Any) -> None:
            try:
                super().__setattr__(name, value)
            except AttributeError:
                if hasattr(type(self), name):
                    raise
                told = unknown_property(type(self).__name__, name)
                raise AttributeError(told, name=name, obj=self) from None

    @property
    def headers(self) -> RequestHeaders:
        """The fields sent with every request."""
        return self._headers

    @headers.setter
    def headers(self, fields: RequestHeadersLike | None) -> None:
        self._headers = RequestHeaders(fields)

    def set_headers(self, headers: RequestHeadersLike) -> Self:
        """Set ``headers`` and return the client, for chaining."""
        self.headers = headers
        return self

    def _prepare(
        self,
        url: str,
        method: str = "GET",
        data: Any = None,
        headers: RequestHeadersLike | None = None,
        **others: Any,
    ) -> PreparedRequest:
        """Return the request for arguments as of `HttpClient.send_request`."""
        return self._request(url, method, data, headers, others)

    def _request(
        self,
        url: str,
        method: str,
        data: Any,
        headers: RequestHeadersLike | None,
        others: Mapping[str, Any],
    ) -> PreparedRequest:
        kept, settings, fields = self._kept, self._settings, self._headers.as_tuple()
        absent = self._headers.absent
        if kept.settings is not settings or kept.fields is not fields or kept.absent is not absent:
            kept = self._kept = KeptRequests(settings, fields, absent)
        is_bare = not others and headers is None and data is None and method == "GET"
        if is_bare and type(url) is str:
            return kept[url]
        body = None
        if data is not None or (others and not CONTENT.isdisjoint(others)):
            body = bytes_body(data, others)
            if body is None:
                return self._new_request(url, method, data, headers, **others)
            if "json" in others:
                others = dict(others)
                del others["json"]
        key = kept.key(url, method, headers, others, body)
        known = kept.find(key)
        if known is not None:
            return known if body is None else known.with_body(body)
        request = self._new_request(url, method, body, headers, **others)
        kept.keep(key, request)
        return request

    def _new_request(
        self,
        url: str,
        method: str = "GET",
        data: Any = None,
        headers: RequestHeadersLike | None = None,
        json: Any = NOT_GIVEN,
        form: Any = None,
        files: Any = None,
        query: Any = None,
        **properties: Any,
    ) -> PreparedRequest:
        settings, hooks, cookies = self._settings, None, None
        if properties:
            hooks = own_hooks(self._hooks_type, properties)
            if isinstance(properties.get("cookies"), Mapping):
                cookies = properties.pop("cookies")
            settings = settings.changed(properties, type(self).__name__)
        fields = self._headers.fields() if headers is None else merge(self._headers, headers)
        if cookies:
            fields = with_cookies(fields, cookies)
        if method not in STANDARD:
            check_order(url, method)
        url = absolute(url, settings.base_url, self._headers)
        if settings.query is not None:
            url = with_queries(url, settings.query, query)
        elif query is not None:
            url = with_query(url, query)
        body = make_body(data, json, form, files, fields)
        request = prepare_request(method, parse_url(url), fields, body, settings)
        request.hooks = hooks
        return request

    def save_cookies(self) -> None:
        """Write ``cookies`` to ``cookie_file`` now, whole or not at all; `close` does the same.

        Raises:
            ValueError: There is no ``cookie_file``.
            OSError: It cannot be written.
        """
        if self.cookies is None:
            raise ValueError("client has no cookie_file")
        self.cookies.save()

    def __getstate__(self) -> tuple[Settings, RequestHeaders, Hooks]:
        return self._settings, self._headers.copy(), self._hooks.joined(Hooks())

    def __setstate__(self, state: tuple[Settings, RequestHeaders, Hooks]) -> None:
        self._settings, self._headers, self._hooks = state
        self._kept = KeptRequests(self._settings, (), ())

    def __repr__(self) -> str:
        base = None if self.base_url is None else shown(self.base_url)
        return f"<{type(self).__name__} base_url={base}>"
