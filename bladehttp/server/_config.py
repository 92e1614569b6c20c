"""Configured: the properties of a server, and what they mean to its parts."""

import os
import socket
from collections.abc import Iterable
from typing import TypedDict, Unpack

from bladehttp._message.response import POWERED_BY
from bladehttp._wire.limits import Limits
from bladehttp.server._dispatch.forwarded import TrustedProxies
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
"""The properties that are not arguments of the constructor, and what they are at first."""


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

    Properties are read when the server starts to listen. Times are milliseconds, sizes
    bytes. A limit that is met is answered with the status named and the connection closed.

    Attributes:
        host: The address to bind, a name that has one, or the path of a unix socket:
            "unix:/run/app.sock". "0.0.0.0" or "" is every interface; "::1" and "[::1]" are the
            same. What is left of a server that was killed is replaced there, and
            the file is removed at the end. "127.0.0.1".
        port: The port to bind. 0 takes a free one, and this then holds it. 0 with a unix socket.
        is_secure: Whether it speaks TLS; it needs `load_certs` then. False.
        reuse_address: Whether a port may be bound whose last connections are in TIME_WAIT.
            True. ``resuse_address``, as Blade's documentation spells it, is the same.
        reuse_port: Whether several processes may listen on the port, each of which says so
            (SO_REUSEPORT). The kernel spreads the connections. False.
        unix_mode: Permissions of a unix socket's file, such as 0o660. None: the umask's.
        read_timeout: Longest silence of a client that is sending a request, and of a new one
            before its first. 2000. Part of a request is answered with 408. 0: no limit.
        write_timeout: Longest time in which a client takes nothing of its answer; then its
            connection is reset, and the log says whose. What counts is what the client reads, as
            far as the kernel knows, not what the kernel takes from the server. One that has read
            faster than 6 KiB/s may rest as long as that pays for, 30 times this at the most.
            2000. 0: no limit.
        handshake_timeout: Longest TLS handshake in all. 10000. 0: no limit.
        header_timeout: Longest time for one head in all, however steadily it drips. 10000.
            408. 0: no limit.
        request_timeout: Longest time for head and body in all. 300000. 408. 0: no limit.
        keep_alive_timeout: How long a connection may be idle between requests. 5000. 0: no limit.
        min_body_rate: Bytes per second that a body has to come with after its first 20 seconds, on
            average, as Apache's MinRate asks. 500. 408. None or 0: any, as with nginx and h2o,
            which leave a client that drips to a limit of silence.
        shutdown_timeout: How long `HttpServer.shutdown`, or the first signal, waits for what is
            being answered. What has no answer by then gets 503. 5000. 0: as `close`.
        max_requests_per_connection: Requests answered before a connection is closed. 1000.
            0: no limit.
        max_workers: Offloaded handlers (see `HttpServer.handle`) that run at a time. 8.
        max_offloaded: Those that run or wait to; more are answered with 503. 128.
        slow_handler_time: A handler that keeps the server's thread for longer is named in the
            log, as a warning: everybody else has waited for it. 100. 0: none is.
        max_connections: Connections open at a time. For one more the longest idle one is closed;
            if none is idle it waits in the kernel's backlog. 1000. 0: no limit.
        backlog: Length of that backlog. socket.SOMAXCONN.
        max_request_line: Request line. 8 KiB. 414.
        max_field_line: One field. 8 KiB. 431.
        max_head_size: Request line and fields. 64 KiB. 431.
        max_fields: Number of fields. 100. 431.
        max_body_size: Body, chunking undone. 16 MiB. 413. None: no limit.
        spool_size: A longer body or upload is kept in a temporary file. 1 MiB.
        max_parts: Parts of a multipart form, fields of an urlencoded one. 1000. 413.
        max_part_fields: Fields in the head of one part. 16. 413.
        max_decoded_size: Bytes that are decoded when ``request.body`` or ``files`` is read: of
            JSON, of an urlencoded form, of the text fields of a multipart one. Bytes, and
            uploads, are not decoded. 4 MiB. 413. None: no limit.
        max_decoded_values: Values of JSON, counted by commas, colons and brackets; a form may have
            twice as many percent-encoded octets. With the default no body keeps everybody
            waiting for longer than some 50 ms. 200,000. 413. None: no limit.
        verify_certs: Whether clients are asked for a certificate: False; True, and one that
            is shown is checked; or "required". False.
        client_ca_file: PEM file of the authorities that clients' certificates are checked
            against. None: those in ``cert_file``.
        decode_request_body: Whether gzip, deflate, br and zstd (the latter two where their
            libraries are installed) are undone in requests' bodies when they are read,
            under the limit of ``max_body_size`` for what comes out. 415 for another coding.
            False: bodies stay as they were sent.
        trusted_proxies: Addresses and networks ("10.0.0.0/8") whose word is taken for who a
            client is, and for the host and scheme it asked for; "unix:" for who comes over a
            unix socket. They have to set every one of the fields below, or let no client's
            through. (): nobody's.
        forwarded_fields: In which fields they say so: "X-Forwarded" (-For, -Host, -Proto and
            -Port) or "Forwarded" (RFC 7239). The others are not read. "X-Forwarded".
        proxy_protocol: Whether every connection has to begin with a PROXY header, of version 1
            or 2, and comes from whom that names. Only where nobody but the proxy can
            connect. False.
        record: Whether requests are kept, to be read from `HttpServer.requests`. False.
        powered_by: The value of X-Powered-By in every response, errors included. "Blade".
            None: there is no such field.
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
        """Take what `HttpServer` is made with."""
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
                raise TypeError(f"a server has no property {name!r}")
        for name, value in {**DEFAULTS, **properties}.items():
            setattr(self, name, value)

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
        """Listen on what the properties say, or on a given socket, and make them say where."""
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
