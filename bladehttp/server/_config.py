"""ServerConfig: the properties of a server, and their conversion for its parts."""

import os
import socket
from collections.abc import Callable, Iterable
from typing import Any, TypedDict, Unpack

from bladehttp._data.near_words import near_hint
from bladehttp._message.response_head import POWERED_BY
from bladehttp._wire.limits import Limits
from bladehttp.server._dispatch.forwarded import TrustedProxies
from bladehttp.server._dispatch.routes import RouteOptions
from bladehttp.server._net.endpoint import UNIX, Endpoint, listen_on, listen_tcp, listen_unix

CLOCKS = {
    # clock of states.PLANS: attribute with its milliseconds
    "handshake": "handshake_timeout",
    "header": "header_timeout",
    "request": "request_timeout",
    "read": "read_timeout",
    "write": "write_timeout",
    "keep_alive": "keep_alive_timeout",
}

LIMITS = {
    # field of wire.Limits: attribute with its value
    "request_line": "max_request_line",
    "field_line": "max_field_line",
    "head": "max_head_size",
    "fields": "max_fields",
    "body": "max_body_size",
    "spool": "spool_size",
    "parts": "max_parts",
    "part_fields": "max_part_fields",
    "decoded": "max_decoded_size",
    "values": "max_decoded_values",
}

DEFAULTS = {
    "reuse_address": True,
    "reuse_port": False,
    "unix_mode": None,
    "read_timeout": 2000,
    "write_timeout": 2000,
    "handshake_timeout": 10_000,
    "header_timeout": 10_000,
    "request_timeout": 300_000,
    "keep_alive_timeout": 5000,
    "min_body_rate": 500,
    "shutdown_timeout": 5000,
    "max_requests_per_connection": 1000,
    "handler_timeout": 0,
    "max_workers": 8,
    "max_offloaded": 128,
    "slow_handler_time": 100,
    "max_connections": 1000,
    "backlog": socket.SOMAXCONN,
    **{attribute: getattr(Limits(), name) for name, attribute in LIMITS.items()},
    "decode_request_body": False,
    "verify_certs": False,
    "client_ca_file": None,
    "trusted_proxies": (),
    "forwarded_fields": "X-Forwarded",
    "proxy_protocol": False,
    "record": False,
    "powered_by": POWERED_BY,
}
"""The properties that are not arguments of the constructor, with their defaults."""


def whole_number(least: int, optional: bool = False) -> Callable[[str, Any], Any]:
    """Return a check that accepts an int of some size, and None if it is optional."""

    def check(name: str, value: Any) -> Any:
        if value is None and optional:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(
                f"{name} is an int{' or None' if optional else ''}, not {value!r}"[:200]
            )
        if value < least:
            raise ValueError(f"{name} is at least {least}, not {value}")
        return value

    return check


def list_of_names(name: str, value: Any) -> Any:
    """Return a list of names; a str would be one of letters."""
    if isinstance(value, str | bytes):
        raise TypeError(f"{name} is a list of addresses and networks, not {value!r}"[:200])
    return value


CHECKS: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(CLOCKS.values(), whole_number(0)),
    **{
        attribute: whole_number(0, optional=name in {"body", "decoded", "values"})
        for name, attribute in LIMITS.items()
    },
    "unix_mode": whole_number(0, optional=True),
    "min_body_rate": whole_number(0, optional=True),
    "shutdown_timeout": whole_number(0),
    "slow_handler_time": whole_number(0),
    "handler_timeout": whole_number(0),
    "max_requests_per_connection": whole_number(0),
    "max_connections": whole_number(0),
    "max_workers": whole_number(1),
    "max_offloaded": whole_number(0),
    "backlog": whole_number(0),
    "trusted_proxies": list_of_names,
}
"""Properties, to what is checked when they are set."""


def check_options(options: RouteOptions, is_interruptible: bool) -> RouteOptions:
    """Return the options of a route, checked as the properties of the same names.

    Args:
        options: The options.
        is_interruptible: Whether the handler does not run on the server's thread.

    Raises:
        TypeError: There is no such option, or a value is of another type.
        ValueError: A value is too small, or a handler on the server's thread has a timeout.
    """
    for name, value in options.items():
        if name not in RouteOptions.__annotations__:
            hint = near_hint(name, RouteOptions.__annotations__)
            raise TypeError(f"a route has no option {name!r}{hint}")
        CHECKS[name](name, value)
    if "handler_timeout" in options and not is_interruptible:
        raise ValueError(
            "handler_timeout needs offload=True or a coroutine function: nothing ends a handler on "
            "the server's thread"
        )
    return options


ANY = "0.0.0.0"  # noqa: S104 - only for who asks for it
"""Every interface, as "" means for Python's sockets."""

LOOPBACK = {"": "127.0.0.1", ANY: "127.0.0.1", "::": "::1"}
"""An address to listen on that cannot be connected to, to one that can."""


def unbracketed(host: str) -> str:
    """Return a host without the brackets that an IPv6 address has in a URL."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


class ServerOptions(TypedDict, total=False):
    """The keyword arguments of `HttpServer`: its properties."""

    reuse_address: bool
    reuse_port: bool
    unix_mode: int | None
    read_timeout: int
    write_timeout: int
    handshake_timeout: int
    header_timeout: int
    request_timeout: int
    keep_alive_timeout: int
    min_body_rate: int | None
    shutdown_timeout: int
    max_requests_per_connection: int
    handler_timeout: int
    max_workers: int
    max_offloaded: int
    slow_handler_time: int
    max_connections: int
    backlog: int
    max_request_line: int
    max_field_line: int
    max_head_size: int
    max_fields: int
    max_body_size: int | None
    spool_size: int
    max_parts: int
    max_part_fields: int
    max_decoded_size: int | None
    max_decoded_values: int | None
    decode_request_body: bool
    verify_certs: bool | str
    client_ca_file: str | os.PathLike[str] | None
    trusted_proxies: Iterable[str]
    forwarded_fields: str
    proxy_protocol: bool
    record: bool
    powered_by: str | None


class ServerConfig:
    """The properties of an `HttpServer`.

    Properties are read when the server starts to listen. Times are milliseconds, sizes bytes. When
    a limit is exceeded, the response has the status given here and the connection is closed.

    Attributes:
        host: The address to bind, a name that has one, or the path of a unix socket:
            "unix:/run/app.sock". "0.0.0.0" or "" is every interface; "::1" and "[::1]" are the
            same. The socket file of a server that was killed is replaced, and the file is removed
            at the end. "127.0.0.1".
        port: The port to bind. 0 takes a free one, which is then the value. 0 with a unix socket.
        is_secure: Whether the server speaks TLS; it needs `load_certs` then. False.
        reuse_address: Whether a port may be bound whose last connections are in TIME_WAIT. True.
            ``resuse_address``, as Blade's documentation spells it, is the same.
        reuse_port: Whether several processes may listen on the port, each of which sets this
            (SO_REUSEPORT). The kernel spreads the connections. False.
        unix_mode: Permissions of a unix socket's file, such as 0o660. None: by the umask.
        read_timeout: Longest silence of a client that is sending a request, and of a new one before
            its first, from the end of the TLS handshake. 2000. Part of a request is answered with
            408. 0: no limit.
        write_timeout: Longest time in which a client receives nothing of its response; then its
            connection is reset and the client is logged. The client's own reading is measured, as
            far as the kernel knows, not how much the kernel takes from the server. A client that
            has read faster than 6 KiB/s may pause in proportion, 30 times this at the most. 2000.
            0: no limit.
        handshake_timeout: Longest time for the PROXY header (``proxy_protocol``) and the TLS
            handshake together. 10000. 0: no limit.
        header_timeout: Longest time for one head in all, however steadily it arrives. 10000. 408.
            0: no limit.
        request_timeout: Longest time for head and body in all. 300000. 408. 0: no limit.
        keep_alive_timeout: How long a connection may be idle between requests. 5000. 0: no limit.
        min_body_rate: Lowest average rate of a body after its first 20 seconds, in bytes per
            second, as Apache's MinRate. 500. 408. None or 0: any, as with nginx and h2o, which
            limit only silence.
        shutdown_timeout: How long `HttpServer.shutdown`, or the first signal, waits for pending
            requests. Those without a response by then get 503. 5000. 0: as `close`.
        max_requests_per_connection: Requests answered before a connection is closed. 1000. 0: no
            limit.
        handler_timeout: Longest time of an offloaded handler, whose response is 503 then while it
            goes on, and of a coroutine function, which is cancelled. For one route see
            `HttpServer.handle`, for a deferred response `HttpResponse.defer`. 0: no limit.
        max_workers: Offloaded handlers (see `HttpServer.handle`) that run at a time. 8.
        max_offloaded: Offloaded handlers that run or wait, and coroutine functions that run;
            further ones are answered with 503. 128.
        slow_handler_time: A handler, callback, timer or generator that blocks the server's thread
            for longer is logged as a warning, since every other client waits for it. 100. 0: none
            is.
        max_connections: Connections open at a time. For one more the longest idle one is closed; if
            none is idle it waits in the kernel's backlog. 1000. 0: no limit.
        backlog: Length of that backlog. socket.SOMAXCONN.
        max_request_line: Request line. 8 KiB. 414.
        max_field_line: One field, of a trailer section too. 8 KiB. 431.
        max_head_size: Request line and fields. 64 KiB. 431.
        max_fields: Number of fields, and of trailer fields. 100. 431.
        max_body_size: Body, without chunked framing. 16 MiB. 413. None: no limit.
        spool_size: Bytes of a body or an upload that are kept in memory; longer ones are in a
            temporary file. 1 MiB.
        max_parts: Parts of a multipart form, fields of an urlencoded one. 1000. 413.
        max_part_fields: Fields in the head of one part. 16. 413.
        max_decoded_size: Bytes that are decoded when ``request.body`` or ``files`` is read: of
            JSON, of an urlencoded form, of the text fields of a multipart one. Bytes, and uploads,
            are not decoded. 4 MiB. 413. None: no limit.
        max_decoded_values: Values of JSON, counted by commas, colons and brackets; a form may have
            twice as many percent-encoded octets. With the default no body blocks other clients for
            longer than some 50 ms. 200000. 413. None: no limit.
        verify_certs: Whether clients are asked for a certificate: False; True, and a given one is
            verified; or "required". False.
        client_ca_file: PEM file of the CAs that clients' certificates are verified against. None:
            those in ``cert_file``.
        decode_request_body: Whether Content-Encoding gzip, deflate, br and zstd (the latter two if
            their libraries are installed) of a request's body is decoded when it is read, with
            ``max_body_size`` as the limit of the decoded body. 415 for another coding. False:
            bodies stay as they were sent.
        trusted_proxies: Addresses and networks ("10.0.0.0/8") of proxies whose fields about the
            client, and the host and scheme it asked for, are believed; "unix:" for clients of a
            unix socket. The proxies have to set every one of the fields below, or drop the
            client's. (): none.
        forwarded_fields: The fields the proxies set: "X-Forwarded" (-For, -Host, -Proto and -Port)
            or "Forwarded" (RFC 7239). The others are ignored. "X-Forwarded".
        proxy_protocol: Whether every connection has to begin with a PROXY header, of version 1 or
            2, which names the client. Only if no client can bypass the proxy. False.
        record: Whether requests are recorded for `HttpServer.requests`. False.
        powered_by: The value of X-Powered-By in every response, errors included. "Blade". None: no
            such field.
    """

    __slots__ = (*DEFAULTS, "host", "is_secure", "port")
    reuse_address: bool
    reuse_port: bool
    unix_mode: int | None
    read_timeout: int
    write_timeout: int
    handshake_timeout: int
    header_timeout: int
    request_timeout: int
    keep_alive_timeout: int
    min_body_rate: int | None
    shutdown_timeout: int
    max_requests_per_connection: int
    handler_timeout: int
    max_workers: int
    max_offloaded: int
    slow_handler_time: int
    max_connections: int
    backlog: int
    max_request_line: int
    max_field_line: int
    max_head_size: int
    max_fields: int
    max_body_size: int | None
    spool_size: int
    max_parts: int
    max_part_fields: int
    max_decoded_size: int | None
    max_decoded_values: int | None
    decode_request_body: bool
    verify_certs: bool | str
    client_ca_file: str | os.PathLike[str] | None
    trusted_proxies: Iterable[str]
    forwarded_fields: str
    proxy_protocol: bool
    record: bool
    powered_by: str | None

    def __init__(
        self, port: int, host: str, is_secure: bool, **properties: Unpack[ServerOptions]
    ) -> None:
        """Take the arguments of `HttpServer`."""
        if not isinstance(port, int) or isinstance(port, bool):
            raise TypeError(f"port is an int, not {port!r}")
        if not isinstance(host, str):
            raise TypeError(f"host is a str, not {host!r}")
        if not 0 <= port <= 65535:
            raise ValueError(f"port is 0 to 65535, not {port}")
        self.host: str = host
        self.port: int = port
        self.is_secure: bool = bool(is_secure)
        for name in properties:
            if name not in DEFAULTS:
                raise TypeError(f"a server has no property {name!r}{near_hint(name, DEFAULTS)}")
        for name, value in {**DEFAULTS, **properties}.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a property.

        Raises:
            AttributeError: There is none of that name.
            TypeError: It is a number, and the value is none; or a list, and the value is a str.
            ValueError: The value is too small.
        """
        check = CHECKS.get(name)
        value = value if check is None else check(name, value)
        try:
            super().__setattr__(name, value)
        except AttributeError:
            if hasattr(type(self), name):
                raise
            told = f"a server has no property {name!r}{near_hint(name, DEFAULTS)}"
            raise AttributeError(told, name=name, obj=self) from None

    @property
    def resuse_address(self) -> bool:
        """`reuse_address`, as Blade's documentation spells it."""
        return self.reuse_address

    @resuse_address.setter
    def resuse_address(self, value: bool) -> None:
        self.reuse_address = value

    @property
    def url(self) -> str:
        """The URL of the server, such as "http://127.0.0.1:3000".

        With port 0 it has that until the server listens, then the port that was free.

        That of a unix socket is "http://localhost", for a client whose ``unix_socket`` it is. Of a
        server on every interface ("0.0.0.0", "::", "") it is the one on this machine.
        """
        if self.host.startswith(UNIX):
            return f"{'https' if self.is_secure else 'http'}://localhost"
        host = unbracketed(self.host)
        return self.url_of(LOOPBACK.get(host, host))

    def url_of(self, host: str) -> str:
        """Return the URL of the server at one of its addresses."""
        host = unbracketed(host)
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if self.is_secure else 'http'}://{host}:{self.port}"

    def _limits(self) -> Limits:
        return Limits(**{name: getattr(self, attribute) for name, attribute in LIMITS.items()})

    def _clocks(self) -> dict[str, int]:
        return {name: getattr(self, attribute) for name, attribute in CLOCKS.items()}

    def _proxies(self) -> TrustedProxies:
        return TrustedProxies(self.trusted_proxies, self.forwarded_fields)

    def _listen(self, given: socket.socket | int | None) -> Endpoint:
        """Listen by the properties, or on a given socket, and set host and port to its address."""
        if given is not None:
            endpoint = listen_on(given, self.backlog)
        elif self.host.startswith(UNIX):
            path = self.host.removeprefix(UNIX)
            endpoint = listen_unix(path, self.backlog, self.unix_mode)
        else:
            endpoint = listen_tcp(
                unbracketed(self.host) or ANY,
                self.port,
                self.backlog,
                reuse_address=self.reuse_address,
                reuse_port=self.reuse_port,
            )
        address = endpoint.address
        if isinstance(address, str):
            self.host, self.port = UNIX + address, 0
        elif given is not None:
            self.host, self.port = address
        else:  # a name stays one
            self.port = address[1]
        return endpoint
