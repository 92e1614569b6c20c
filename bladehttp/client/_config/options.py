"""OPTIONS: every property of a client, its check and its libcurl options.

A `Settings` is one set of checked values. It never changes, so threads share it without a lock, and
a handle that is set up for equal libcurl options is left unchanged.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil, inf
from types import MappingProxyType
from typing import Any

import pycurl

from bladehttp._data.auth import Auth
from bladehttp._data.decoders import CODINGS
from bladehttp._data.near_words import near_words
from bladehttp._data.secret_names import SENSITIVE_HEADERS
from bladehttp.client._config.cookie_jar import CookieJar, check_jar, jar_options, with_cookie_jar
from bladehttp.client._config.network import (
    HTTP_VERSIONS,
    address_map,
    address_options,
    environment_options,
    flag_or_path,
    given_options,
    host_list,
    interface_options,
    netrc_options,
    no_proxy_options,
    option_map,
    plain_text,
    proxy_options,
    proxy_url,
    socket_options,
    version_options,
)
from bladehttp.client._config.progress import Report, check_report
from bladehttp.client._config.retry import Retry, check_retry
from bladehttp.client._config.tls import (
    TLS_VERSIONS,
    Stamps,
    TlsFiles,
    client_cert_options,
    named_files,
    pin_options,
    tls_files,
    tls_options,
    trust_options,
)
from bladehttp.client._config.validators import (
    Check,
    at_least_one,
    certificate_paths,
    choice,
    field_text,
    flag,
    insecure,
    login_or_function,
    method_bits,
    milliseconds,
    name_patterns,
    optional,
    path,
    pinned,
    query_text,
    text,
    whole_number,
)

Pairs = Iterable[tuple[int, object]]

OverTls = tuple[tuple[tuple[int, object], ...], Stamps, tuple[tuple[int, object], ...]]

KIB = 1024
LONGEST = 2**31 - 1
"""The largest number that libcurl accepts as a long; as milliseconds, 24 days."""

FIXED_OPTIONS: tuple[tuple[int, object], ...] = (
    (pycurl.NOSIGNAL, 1),  # libcurl's signals do not work with threads
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),  # the default reads file://
    (pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    (pycurl.FOLLOWLOCATION, 0),  # redirects.py
    (pycurl.PATH_AS_IS, 1),  # a URL is sent unchanged
    (pycurl.HTTP_CONTENT_DECODING, 0),  # decoders.py
    (pycurl.OPT_CERTINFO, 1),  # 4 % of a handshake; for error messages
    (pycurl.BUFFERSIZE, 512 * KIB),  # 880 MB/s against 500; costs small bodies nothing
    (pycurl.UPLOAD_BUFFERSIZE, 512 * KIB),
)
"""The options of every handle, for all clients."""


EXPECT_TIME = 1000
"""Milliseconds that libcurl waits for a 100 by default."""

NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Option:
    """One property: its name, its check, and its libcurl options."""

    name: str
    check: Check
    encode: Callable[[Any], Pairs]


def as_latin1(option: int) -> Callable[[str], Pairs]:
    """Encode a str; libcurl's own encoding would be ASCII."""
    return lambda value: ((option, value.encode("latin-1")),)


def as_connect_time(value: int) -> Pairs:
    """Encode a time, limited to the longest that libcurl supports."""
    return ((pycurl.CONNECTTIMEOUT_MS, min(value, LONGEST)),)


def as_expect_time(value: int) -> Pairs:
    """Encode how long a 100 is waited for, where a second would be too long a silence.

    The clock itself is that of engine.py: LOW_SPEED_TIME has whole seconds.
    """
    return ((pycurl.EXPECT_100_TIMEOUT_MS, value // 4),) if 0 < value < 4 * EXPECT_TIME else ()


def as_idle_time(value: int | None) -> Pairs:
    """Encode a time in whole seconds, rounded up."""
    seconds = min(ceil(value / 1000), LONGEST) if value else LONGEST
    return ((pycurl.MAXAGE_CONN, seconds),)


def methods_for(method: Auth, has_password: bool) -> Auth:
    """Return the methods that libcurl may choose from.

    libcurl chooses Negotiate where it is offered, which needs a ticket instead of a password, and
    fails without one. So with a password "any" excludes it; Auth.NEGOTIATE alone includes it.
    """
    means_any = method & Auth.ANYSAFE == Auth.ANYSAFE
    return method & ~Auth.NEGOTIATE if has_password and means_any else method


def unless(option: int, on: int) -> Callable[[bool], Pairs]:
    """Encode a check that the property switches off. VERIFYHOST is 2 or 0, never 1."""
    return lambda skipped: ((option, 0 if skipped else on),)


def as_password(value: str | tuple[str, str] | None) -> Pairs:
    """Encode name and password separately: USERPWD would split a name at its colon."""
    if isinstance(value, tuple):
        yield pycurl.USERNAME, value[0].encode()
        yield pycurl.PASSWORD, value[1].encode()


def as_coding(value: str | None) -> Pairs:
    """Encode the accepted codings; None accepts none and decodes none."""
    if value is not None:
        yield pycurl.ACCEPT_ENCODING, value or ", ".join(CODINGS)


def as_limit(value: int | None) -> Pairs:
    """Encode a limit in bytes; 0 means none to libcurl."""
    if value:
        yield pycurl.MAXFILESIZE_LARGE, value


def own(_: object) -> Pairs:
    """Encode a property without a libcurl option: our own code applies it."""
    return ()


OPTIONS = (
    #      attribute                      accepts                 becomes
    Option("base_url",                    optional(text),         own),  # url.py
    Option("query",                       optional(query_text),   own),  # url.py
    Option("user_agent",                  field_text,             as_latin1(pycurl.USERAGENT)),
    Option("follow_redirect",             flag,                   own),  # redirects.py
    Option("max_redirects",               whole_number,           own),
    Option("allow_insecure_redirect",     flag,                   own),
    Option("sensitive_headers",           name_patterns,          own),
    Option("skip_hostname_verification",  insecure,               unless(pycurl.SSL_VERIFYHOST, 2)),
    Option("skip_peer_verification",      insecure,               unless(pycurl.SSL_VERIFYPEER, 1)),
    Option("ca_cert",                     optional(path),         trust_options),
    Option("trust_env",                   flag,                   environment_options),
    Option("min_tls",                     choice(*TLS_VERSIONS),  tls_options),
    Option("client_cert",                 certificate_paths,      client_cert_options),
    Option("pinned_key",                  optional(pinned),       pin_options),
    Option("referer",                     optional(field_text),   own),  # prepared.py: REFERER
    Option("no_expect",                   flag,                   own),  # would cross origins
    Option("connect_timeout",             milliseconds,           as_connect_time),
    Option("receive_timeout",             milliseconds,           as_expect_time),
    Option("total_timeout",               optional(milliseconds), own),  # engine.py
    Option("auth",                        optional(login_or_function), as_password),
    Option("auth_method",                 method_bits,            own),  # `methods_for`
    Option("accept_encoding",             optional(field_text),   as_coding),
    Option("max_body_size",               optional(at_least_one), as_limit),
    Option("retry",                       optional(check_retry),  own),  # retry.py
    Option("raise_for_status",            flag,                   own),  # exchange.py
    Option("max_host_connections",        optional(at_least_one), own),  # _exchange/slots.py
    Option("max_idle_connections",        optional(at_least_one), own),  # pool.py, sweeper.py
    Option("idle_timeout",                optional(milliseconds), as_idle_time),
    Option("http_version",                choice(*HTTP_VERSIONS), version_options),
    Option("proxy",                       optional(proxy_url),    proxy_options),
    Option("no_proxy",                    optional(host_list),    no_proxy_options),
    Option("resolve",                     address_map,            address_options),
    Option("unix_socket",                 optional(path),         socket_options),
    Option("interface",                   optional(plain_text),   interface_options),
    Option("netrc",                       flag_or_path,           netrc_options),
    Option("cookies",                     check_jar,              jar_options),
    Option("cookie_file",                 optional(path),         own),  # cookie_jar.py
    Option("progress",                    optional(check_report), own),  # progress.py
    Option("curl_options",                option_map,             given_options),  # the last wins
)  # fmt: skip
"""One row per property of HttpClient, except ``headers``, which is an object.

A later row overrides the libcurl options of an earlier one (``curl_options`` is last); the options
of the environment override all, where the property they belong to is not set (environment.py). A
new property needs its check (validators.py, network.py, tls.py) and what makes options of it, a row
here, a field of `Settings`, a `Property` and a paragraph in client/_base.py, a key of `Properties`
in client/_arguments.py, a row in docs/client/index.md, and its default and values in
tests/client/test_client.py and test_validators.py, which compare these lists. A file also needs a
line in tls.py (`named_files`, `check_named`), a secret one in `SECRET_OPTIONS` (_curl/handle.py),
and what decides whether a proxy is used one in environment.py.
"""

CHECKS = {option.name: option.check for option in OPTIONS}

ENCODED = tuple(option for option in OPTIONS if option.encode is not own)

MOST_CHANGES = 32
"""Most changes of a Settings that are kept with it; then it starts with none."""

KEPT_TYPES = frozenset((bool, int, str, tuple, type(None), Auth, Retry))
"""Types of values that are immutable and equal only if they mean the same."""

STRS = frozenset((str,))

NEVER_KEPT = frozenset(
    ("ca_cert", "cookie_file", "cookies", "skip_hostname_verification", "skip_peer_verification")
)
"""Properties that do more than check a value: they look at files, create a jar, or warn."""


def key_of(values: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Return a key that only equal values of equal types share; None if they have none.

    The types belong to it: 1, 1.0 and True are equal, and are not equally valid.
    """
    key: list[Any] = []
    for name, value in values.items():
        kind = type(value)
        if kind not in KEPT_TYPES or name in NEVER_KEPT:
            return None
        if kind is tuple and not STRS.issuperset(map(type, value)):
            return None
        key += name, value, kind
    return tuple(key)


ELSEWHERE = {
    "allow_redirects": "follow_redirect",
    "body": "data",
    "cert": "client_cert",
    "content": "data",
    "event_hooks": "on_request, on_response, on_redirect, on_retry and on_error",
    "follow_redirects": "follow_redirect",
    "hooks": "on_response, a function or a list of functions",
    "http1": 'http_version="1.1"',
    "http2": 'http_version="2"',
    "json_data": "json",
    "limits": "max_host_connections, max_idle_connections and idle_timeout",
    "max_retries": "retry=Retry(n)",
    "params": "query",
    "proxies": "proxy, one URL, with no_proxy for hosts without it",
    "query_params": "query",
    "retries": "retry=Retry(n)",
    "ssl": "ca_cert, client_cert and skip_peer_verification",
    "ssl_context": "ca_cert, client_cert and skip_peer_verification",
    "stream": "client.stream(url)",
    "timeout": "total_timeout, connect_timeout or receive_timeout, in milliseconds",
    "verify": "ca_cert for authorities of your own, skip_peer_verification for no check",
}
"""Keyword arguments of requests and httpx, and their names here."""

OF_A_REQUEST = ("data", "files", "form", "headers", "json", "method")
"""Arguments of a request that are no `OPTIONS`."""

OF_A_CLIENT = ("on_error", "on_redirect", "on_request", "on_response", "on_retry")
"""Arguments of a client that are no `OPTIONS`."""

HINTS = {
    **dict.fromkeys(OF_A_REQUEST, "it is an argument of a request"),
    **dict.fromkeys(OF_A_CLIENT, "it is a property of the client"),
    **{name: f"here it is {ours}" for name, ours in ELSEWHERE.items()},
}


def unknown_property(owner: str, name: str) -> str:
    """Return the message about a name that is no property, with the one that may be meant."""
    told = f"{owner} has no property named {name!r}"
    if name in HINTS:
        return f"{told}: {HINTS[name]}"
    for near in near_words(name, (*CHECKS, *HINTS)):
        return f"{told}: {HINTS[near] if near in ELSEWHERE else f'the nearest is {near!r}'}"
    return told


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of a client's properties, with their defaults; see `HttpClient`.

    Attributes:
        curl: Their libcurl options.
        direct: The same where no variable of the environment names a proxy: libcurl looks for none,
            which would take five calls of getenv(3). With ``curl_options`` they are ``curl``.
        tls_files: The files that they name for TLS.
        files: Names of properties and the files they name, which must exist when a request is made.
        has_login: Whether libcurl may authenticate with them.
        is_bare: Whether there is neither netrc nor a proxy: over http only a proxy of the
            environment adds to ``curl``.
        over_tls: By variables of the environment the options that requests over TLS were made of,
            the files that were looked at, and the options; see `options_over_tls`.
        may_take_rounds: Whether libcurl may send a request again to answer a challenge.
        receive_timeout_s: ``receive_timeout`` in seconds, infinite for none.
        total_timeout_s: ``total_timeout`` in seconds, infinite for none.
    """

    base_url: str | None = field(default=None, repr=False)
    query: str | None = field(default=None, repr=False)
    user_agent: str = "Blade HTTP Client/1.0"
    follow_redirect: bool = True
    max_redirects: int = 20
    allow_insecure_redirect: bool = False
    sensitive_headers: tuple[str, ...] = SENSITIVE_HEADERS
    skip_hostname_verification: bool = False
    skip_peer_verification: bool = False
    ca_cert: str | None = None
    trust_env: bool = True
    min_tls: str = "1.2"
    client_cert: tuple[str, ...] | None = field(default=None, repr=False)
    pinned_key: str | None = None
    referer: str | None = None
    no_expect: bool = False
    connect_timeout: int = 60_000
    receive_timeout: int = 300_000
    total_timeout: int | None = None
    auth: str | tuple[str, str] | Callable[..., object] | None = field(default=None, repr=False)
    auth_method: Auth = Auth.ANY
    accept_encoding: str | None = ""
    max_body_size: int | None = None
    retry: Retry | None = None
    raise_for_status: bool = False
    max_host_connections: int | None = None
    max_idle_connections: int | None = 100
    idle_timeout: int | None = 90_000
    http_version: str = "auto"
    proxy: str | None = field(default=None, repr=False)
    no_proxy: str | None = None
    resolve: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    unix_socket: str | None = None
    interface: str | None = None
    netrc: bool | str = False
    cookies: CookieJar | None = None
    cookie_file: str | None = None
    progress: Report | None = None
    curl_options: Mapping[int, Any] = field(default_factory=lambda: NOTHING)
    curl: tuple[tuple[int, object], ...] = field(init=False, repr=False, compare=False)
    direct: tuple[tuple[int, object], ...] = field(init=False, repr=False, compare=False)
    tls_files: TlsFiles = field(init=False, repr=False, compare=False)
    files: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)
    has_login: bool = field(init=False, repr=False, compare=False)
    is_bare: bool = field(init=False, repr=False, compare=False)
    may_take_rounds: bool = field(init=False, repr=False, compare=False)
    receive_timeout_s: float = field(init=False, repr=False, compare=False)
    total_timeout_s: float = field(init=False, repr=False, compare=False)
    over_tls: dict[tuple[bytes | None, ...], OverTls] = field(init=False, repr=False, compare=False)
    _changes: dict[tuple[Any, ...], "Settings"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        has_password = bool(self.netrc) or (isinstance(self.auth, tuple) and any(self.auth))
        methods = methods_for(self.auth_method, has_password)
        pairs = (pair for row in ENCODED for pair in row.encode(getattr(self, row.name)))
        object.__setattr__(self, "curl", ((pycurl.HTTPAUTH, int(methods)), *pairs))
        is_given = self.curl_options or self.proxy is not None
        direct = self.curl if is_given else (*environment_options(False), *self.curl)
        object.__setattr__(self, "direct", direct)
        object.__setattr__(self, "tls_files", tls_files(self.curl))
        files = named_files(self.ca_cert, self.client_cert, self.pinned_key)
        object.__setattr__(self, "files", files)
        object.__setattr__(self, "has_login", bool(self.netrc) or self.auth is not None)
        is_at_once = methods == Auth.BASIC and not self.curl_options  # Basic needs no challenge
        takes_rounds = isinstance(self.auth, tuple) and not is_at_once
        object.__setattr__(self, "may_take_rounds", bool(self.netrc) or takes_rounds)
        is_bare = not self.netrc and self.proxy is None
        object.__setattr__(self, "is_bare", is_bare)
        object.__setattr__(self, "receive_timeout_s", self.receive_timeout / 1000 or inf)
        object.__setattr__(self, "total_timeout_s", (self.total_timeout or inf) / 1000)
        object.__setattr__(self, "over_tls", {})
        object.__setattr__(self, "_changes", {})

    def __getstate__(self) -> dict[str, Any]:
        # not ``curl``: the receiver may have another libcurl and other files
        values = {option.name: getattr(self, option.name) for option in OPTIONS}
        return {
            name: dict(value) if type(value) is MappingProxyType else value
            for name, value in values.items()
        }

    def __setstate__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            frozen = MappingProxyType(value) if type(value) is dict else value
            object.__setattr__(self, name, frozen)
        self.__post_init__()

    def changed(self, values: Mapping[str, Any], owner: str = "HttpClient") -> "Settings":
        """Return Settings with other values.

        Calls give the same few values again and again, so the results are kept as long as this
        object, whose own values may be secret too. ``owner`` is the class that errors name.

        Raises:
            TypeError: There is no property of that name, or a value has a wrong type.
            ValueError: A value is not valid.
        """
        key, changes = key_of(values), self._changes
        if key is None:
            return self._checked(values, owner)
        known = changes.get(key)  # another thread may clear it
        if known is not None:
            return known
        if len(changes) >= MOST_CHANGES:
            changes.clear()
        changes[key] = made = self._checked(values, owner)
        return made

    def _checked(self, values: Mapping[str, Any], owner: str) -> "Settings":
        for name in values:
            if name not in CHECKS:
                raise TypeError(unknown_property(owner, name))
        checked = {name: CHECKS[name](name, value) for name, value in values.items()}
        return replace(self, **with_cookie_jar(checked))
