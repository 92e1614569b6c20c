"""HttpServer: the properties, callbacks and routes, and starting and stopping."""

import os
import socket
import ssl
import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import TracebackType
from typing import IO, Any, Self, TypeVar, overload

from bladehttp.exceptions import HttpException
from bladehttp.server.dispatch import Dispatcher, check_callable
from bladehttp.server.endpoint import UNIX, Endpoint, listen_on, listen_tcp, listen_unix
from bladehttp.server.forwarded import TrustedProxies
from bladehttp.server.routes import Handler
from bladehttp.server.running import Running
from bladehttp.server.service import Stats
from bladehttp.server.signals import end_by_signals
from bladehttp.server.static import static_files
from bladehttp.server.tls import CertificateFiles, choose_by_name, server_context
from bladehttp.server.wsgi import WsgiApplication
from bladehttp.wire.head import HeadParser
from bladehttp.wire.limits import Limits

F = TypeVar("F", bound=Callable[..., Any])
H = TypeVar("H", bound=Handler)

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
}


DEFAULT = ""
"""In place of a host name: the certificate for clients that name none of the others."""

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
    "max_requests_per_connection": 1000,
    "max_connections": 1000,
    "backlog": socket.SOMAXCONN,
    **{attribute: getattr(Limits(), name) for name, attribute in LIMITS.items()},
    "decode_request_body": False,
    "verify_certs": False,
    "client_ca_file": None,
    "trusted_proxies": (),
    "forwarded_fields": "X-Forwarded",
    "proxy_protocol": False,
}
"""The properties that are not arguments of the constructor, and what they are at first."""


class HttpServer:
    """An HTTP/1.1 server on one thread.

    Properties are read when the server starts to listen. Times are milliseconds, sizes
    bytes. A limit that is met is answered with the status named and the connection closed.

    Attributes:
        host: The address to bind, a name that has one, or the path of a unix socket:
            "unix:/run/app.sock". What is left of a server that was killed is replaced there, and
            the file is removed at the end. "127.0.0.1".
        port: The port to bind. 0 takes a free one, and this then holds it. 0 with a unix socket.
        is_secure: Whether it speaks TLS; it needs `load_certs` then. False.
        socket: The listening socket while it listens, else None.
        reuse_address: Whether a port may be bound whose last connections are in TIME_WAIT.
            True. ``resuse_address``, as Blade's documentation spells it, is the same.
        reuse_port: Whether several processes may listen on the port, each of which says so
            (SO_REUSEPORT). The kernel spreads the connections. False.
        unix_mode: Permissions of a unix socket's file, such as 0o660. None: the umask's.
        read_timeout: Longest silence of a client that is sending a request, and of a new one
            before its first. 2000. Part of a request is answered with 408. 0: no limit.
        write_timeout: Longest time in which a client takes nothing of its answer; then it
            counts as gone. 2000. 0: no limit.
        handshake_timeout: Longest TLS handshake in all. 10000. 0: no limit.
        header_timeout: Longest time for one head in all, however steadily it drips. 10000.
            408. 0: no limit.
        request_timeout: Longest time for head and body in all. 300000. 408. 0: no limit.
        keep_alive_timeout: How long a connection may be idle between requests. 5000. 0: no limit.
        max_requests_per_connection: Requests answered before a connection is closed. 1000.
            0: no limit.
        max_connections: Connections open at a time; more wait in the kernel's backlog. 1000.
            0: no limit.
        backlog: Length of that backlog. socket.SOMAXCONN.
        max_request_line: Request line. 8 KiB. 414.
        max_field_line: One field. 8 KiB. 431.
        max_head_size: Request line and fields. 64 KiB. 431.
        max_fields: Number of fields. 100. 431.
        max_body_size: Body, chunking undone. 16 MiB. 413. None: no limit.
        spool_size: A longer body or upload is kept in a temporary file. 512 KiB.
        max_parts: Parts of a multipart form, fields of an urlencoded one. 1000. 413.
        max_part_fields: Fields in the head of one part. 16. 413.
        cert_file: The certificate of a secure server. Set by `load_certs` only.
        private_key_file: Its key. Set by `load_certs` only.
        verify_certs: Whether clients are asked for a certificate: False; True, and one that
            is shown is checked; or "required". False.
        client_ca_file: PEM file of the authorities that clients' certificates are checked
            against. None: those in ``cert_file``.
        decode_request_body: Whether gzip and deflate are undone in requests' bodies, under the
            limit of ``max_body_size`` for what comes out. 415 for another coding. False:
            bodies stay as they were sent.
        trusted_proxies: Addresses and networks ("10.0.0.0/8") whose word is taken for who a
            client is, and for the host and scheme it asked for; "unix:" for who comes over a
            unix socket. They have to set every one of the fields below, or let no client's
            through. (): nobody's.
        forwarded_fields: In which fields they say so: "X-Forwarded" (-For, -Host and -Proto) or
            "Forwarded" (RFC 7239). The others are not read. "X-Forwarded".
        proxy_protocol: Whether every connection has to begin with a PROXY header, of version 1
            or 2, and comes from whom that names. Only where nobody but the proxy can
            connect. False.
        stats: The counters, over every run.
    """

    __slots__ = (
        *DEFAULTS,
        "_certificates",
        "_dispatcher",
        "_given",
        "_running",
        "__weakref__",
        "host",
        "is_secure",
        "port",
        "stats",
    )
    reuse_address: bool
    reuse_port: bool
    unix_mode: int | None
    read_timeout: int
    write_timeout: int
    handshake_timeout: int
    header_timeout: int
    request_timeout: int
    keep_alive_timeout: int
    max_requests_per_connection: int
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
    decode_request_body: bool
    verify_certs: bool | str
    client_ca_file: str | None
    trusted_proxies: Iterable[str]
    forwarded_fields: str
    proxy_protocol: bool

    def __init__(
        self,
        port: int,
        host: str = "127.0.0.1",
        is_secure: bool = False,
        *,
        socket: socket.socket | int | None = None,
    ) -> None:
        """Make a server; nothing is bound before `listen` or `start`.

        Args:
            port: See the class; so are the next two.
            host: Beside the port.
            is_secure: Whether it speaks TLS.
            socket: One that is bound already, or its descriptor, to listen on in place of host
                and port, which then are what it says. Who gave it closes it. None: none, so that
                ``socket=inherited_socket()`` does for a start with and without systemd.

        Raises:
            TypeError: The port is not an int or the host not a str.
            ValueError: The port is not 0 to 65535.
        """
        if not isinstance(port, int) or isinstance(port, bool):
            raise TypeError(f"port is an int, not {port!r}")
        if not isinstance(host, str):
            raise TypeError(f"host is a str, not {host!r}")
        if not 0 <= port <= 65535:
            raise ValueError(f"port is 0 to 65535, not {port}")
        self.host = host
        self.port = port
        self.is_secure = bool(is_secure)
        for name, value in DEFAULTS.items():
            setattr(self, name, value)
        self.stats = Stats()
        _servers.add(self)
        self._certificates: dict[str, CertificateFiles] = {}
        self._dispatcher = Dispatcher()
        self._given = socket
        self._running: Running | None = None

    # Blade's callbacks. Each registration returns the function, so that it decorates.

    def on_connect(self, fn: F) -> F:
        """Call ``fn(socket)`` when a client has connected, its TLS handshake complete."""
        return self._add("connect", fn)

    def on_disconnect(self, fn: F) -> F:
        """Call ``fn(client)`` once for each on_connect, when that client has gone.

        Args:
            fn: Gets a ClientInfo: ``ip``, ``port``, ``ipv6``.
        """
        return self._add("disconnect", fn)

    def on_receive(self, fn: F) -> F:
        """Call ``fn(request, response)`` for each request, before its route."""
        return self._add("receive", fn)

    def on_reply(self, fn: F) -> F:
        """Call ``fn(response)`` after each answer, also those the server gives by itself."""
        return self._add("reply", fn)

    def on_error(self, fn: F) -> F:
        """Call ``fn(exception, socket)`` when a handler or the server itself failed.

        The socket is the client's, None under WSGI. What is a client's fault is answered with
        a 4xx and does not come here.
        """
        return self._add("error", fn)

    @overload
    def handle(self, method: str, path: str, fn: H) -> H: ...
    @overload
    def handle(self, method: str, path: str) -> Callable[[H], H]: ...
    def handle(self, method: str, path: str, fn: H | None = None) -> H | Callable[[H], H]:
        """Set the handler of a method and a path; without ``fn`` this decorates.

        It runs after every on_receive, on the same response. Of several routes that have a
        path the exact one comes first; then those with parameters, the more literal first;
        then the longest that ends in "/" and that the path begins with ("/" itself takes only
        "/"). HEAD is answered by the route of GET if it has none. Where there is no
        on_receive, OPTIONS is answered with the methods a path has, and others with 405.

        Args:
            method: Such as "GET".
            path: Compared with ``request.path``. A segment ``{name}`` stands for any that is
                not empty; ``{name:path}``, as the last, for all the rest, maybe none. What they
                stand for is in ``request.params``.
            fn: Is given the request and the response.

        Raises:
            TypeError: The function does not take two arguments.
            ValueError: The path does not begin with "/" or its braces are not parameters.
        """
        if fn is None:
            return partial(self.handle, method, path)
        self._dispatcher.add_route(method, path, fn)
        return fn

    def none_handler(self, fn: Handler) -> Handler:
        """Set what answers when there is no on_receive and no route; 404 unless set.

        Raises:
            TypeError: The function does not take two arguments.
        """
        check_callable(fn, 2, "none_handler")
        self._dispatcher.none_handler = fn
        return fn

    def serve_files(
        self,
        base_path: str,
        directory: str | os.PathLike[str],
        cache_age: int = 0,
        tag: bool | None = None,
        index: str | None = "index.html",
        *,
        listing: bool = False,
    ) -> None:
        """Answer GET and HEAD below a path with the files of a directory.

        Other routes come first unless their path is shorter. What is not there is answered by
        none_handler; what an on_receive has answered (a status, a body) is left to it. Ranges,
        conditions (304, 412) and ``name.br`` and ``name.gz`` beside a file, where a client takes
        them and they are not older, are seen to. Names that begin with "." (``.well-known``
        excepted), that mean something else on Windows, and links that lead out of the
        directory are not there.

        Args:
            base_path: Such as "/static" or "/".
            directory: Opened anew for each request, so that a link can be turned to another.
            cache_age: Seconds for which a client need not ask again. 0: it asks each time and
                is told if nothing has changed.
            tag: Whether there is an ETag (a strong one) beside Last-Modified. None: yes.
            index: The file that stands for a directory. None: there is none.
            listing: Whether a directory without one is listed.

        Raises:
            NotADirectoryError: The directory is none.
            NotImplementedError: The system has no openat (Windows).
            TypeError: An argument is of another type.
            ValueError: ``cache_age`` is negative or the path has parameters.
        """
        files = static_files(
            base_path, directory, cache_age, tag, index, listing, self._dispatcher.answer_none
        )
        self._dispatcher.mount(files.base, files)

    def _add(self, kind: str, fn: F) -> F:
        self._dispatcher.add(kind, fn)
        return fn

    @property
    def resuse_address(self) -> bool:
        """`reuse_address`, as Blade's documentation spells it."""
        return self.reuse_address

    @resuse_address.setter
    def resuse_address(self, value: bool) -> None:
        self.reuse_address = value

    @property
    def cert_file(self) -> str | None:
        """The certificate file that was loaded, None before."""
        files = self._certificates.get(DEFAULT)
        return files.cert_file if files else None

    @property
    def private_key_file(self) -> str | None:
        """The key file that was loaded, None before or when the key is in ``cert_file``."""
        files = self._certificates.get(DEFAULT)
        return files.private_key_file if files else None

    @property
    def socket(self) -> socket.socket | None:
        """The listening socket while the server listens, else None."""
        return self._running.listener.socket if self._running else None

    @property
    def url(self) -> str:
        """The URL of the server, such as "http://127.0.0.1:3000".

        That of a unix socket is "http://localhost", for a client whose ``unix_socket`` it is.
        """
        if self.host.startswith(UNIX):
            return f"{'https' if self.is_secure else 'http'}://localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_secure else 'http'}://{host}:{self.port}"

    @property
    def wsgi(self) -> WsgiApplication:
        """The callbacks and routes as a WSGI application, under the limits as they are now.

        What is about connections is the WSGI server's: on_connect and on_disconnect are not
        called, and on_error gets None for the socket.
        """
        return WsgiApplication(
            self._dispatcher,
            HeadParser(self._limits()),
            TrustedProxies(self.trusted_proxies, self.forwarded_fields),
            self.decode_request_body,
        )

    def load_certs(
        self,
        cert_file: str | IO[Any],
        private_key_file: str | IO[Any] | None = None,
        hostname: str | None = None,
    ) -> bool:
        """Load a certificate of a secure server; at run time, for connections from then on.

        Args:
            cert_file: PEM file of the certificate and those it is signed with: a path, or a
                file that has one.
            private_key_file: PEM file of its key; None: it is in ``cert_file``.
            hostname: The host it is for (SNI), "*.example.com" for any one label there. None:
                for every client that names none of these.

        Returns:
            True, or False for a server that is not secure, which has no use for it.

        Raises:
            CertificateFileError: The files cannot be used; what was loaded before stays.
        """
        if not self.is_secure:
            return False
        key = None if private_key_file is None else _path(private_key_file)
        files = CertificateFiles(_path(cert_file), key)
        certificates = {**self._certificates, (hostname or DEFAULT).lower(): files}
        context = self._context(certificates)
        self._certificates = certificates
        if self._running is not None:
            self._running.context = context
        return True

    def listen(self, signals: bool = False) -> None:
        """Bind and serve on this thread until `close`.

        Args:
            signals: Whether SIGINT and SIGTERM end it: the first as `shutdown`, the second as
                `close`. Main thread only. Without, SIGINT raises KeyboardInterrupt here, and
                everything is closed on the way.

        Raises:
            OSError: The address cannot be bound.
            HttpException: It is secure and has no certificate.
            RuntimeError: It is listening already.
            ValueError: Signals are wanted in another thread than the main one.
        """
        ending = end_by_signals(self.shutdown, self.close) if signals else nullcontext()
        self._run(self._begin(threading.get_ident()), ending)

    def start(self) -> Self:
        """Bind, serve on a thread of its own, and return once it can be connected to.

        Raises:
            OSError: The address cannot be bound.
            HttpException: It is secure and has no certificate.
            RuntimeError: It is listening already.
        """
        running = self._begin(owner=None)
        arguments = (running, nullcontext())
        name = f"bladehttp-{self.port}"
        try:
            threading.Thread(target=self._run, args=arguments, name=name, daemon=True).start()
        except RuntimeError:  # no thread can be had
            self._end(running)
            raise
        return self

    def close(self) -> None:
        """Stop serving and close every connection. From any thread, handler or signal handler.

        Returns when all is closed, except on the server's own thread, where that happens as
        soon as the caller returns. Again does no harm, and it can listen again afterwards.
        """
        running = self._running
        if running is not None:
            running.stop()

    def shutdown(self, timeout: int = 5000) -> None:
        """Stop serving without cutting anybody off. From any thread, handler or signal handler.

        Nothing more is accepted; idle connections are closed at once; what has been asked is
        answered, as the last thing on its connection.

        Args:
            timeout: Milliseconds after which what is left is closed. 0: as `close`.
        """
        running = self._running
        if running is not None:
            running.loop.call_soon(lambda: running.drain(timeout / 1000))
            running.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<HttpServer {self.host if self.host.startswith(UNIX) else self.url}>"

    def _begin(self, owner: int | None) -> Running:
        if self._running is not None:
            raise RuntimeError(f"the server is listening at {self.url} already")
        context = self._context(self._certificates)
        proxies = TrustedProxies(self.trusted_proxies, self.forwarded_fields) or None
        endpoint = self._endpoint()
        self._running = Running(
            endpoint,
            context,
            self._dispatcher,
            self._limits(),
            {name: getattr(self, attribute) for name, attribute in CLOCKS.items()},
            owner=owner,
            max_connections=self.max_connections,
            max_requests=self.max_requests_per_connection,
            stats=self.stats,
            proxies=proxies,
            proxy_protocol=self.proxy_protocol,
            decode_request_body=self.decode_request_body,
        )
        return self._running

    def _limits(self) -> Limits:
        return Limits(**{name: getattr(self, attribute) for name, attribute in LIMITS.items()})

    def _endpoint(self) -> Endpoint:
        """Return what the properties say to listen on, and make them say what that is."""
        if self._given is not None:
            endpoint = listen_on(self._given, self.backlog)
        elif self.host.startswith(UNIX):
            path = self.host.removeprefix(UNIX)
            endpoint = listen_unix(path, self.backlog, self.unix_mode)
        else:
            endpoint = listen_tcp(
                self.host,
                self.port,
                self.backlog,
                reuse_address=self.reuse_address,
                reuse_port=self.reuse_port,
            )
        address = endpoint.address
        if isinstance(address, str):
            self.host, self.port = UNIX + address, 0
        elif self._given is not None:
            self.host, self.port = address
        else:  # a name stays one
            self.port = address[1]
        return endpoint

    def _run(self, running: Running, ending: AbstractContextManager[None]) -> None:
        try:
            with ending:
                running.run()
        finally:
            self._end(running)

    def _end(self, running: Running) -> None:
        try:
            running.close()
        finally:
            self._running = None
            running.stopped.set()

    def _context(self, certificates: dict[str, CertificateFiles]) -> ssl.SSLContext | None:
        """Return the SSLContext of new connections, made of the properties as they are now."""
        if not self.is_secure:
            return None
        if not certificates:
            raise HttpException("a secure server needs load_certs() before it listens")
        contexts = {
            name: server_context(files, self.verify_certs, self.client_ca_file)
            for name, files in certificates.items()
        }
        return choose_by_name(contexts.get(DEFAULT, next(iter(contexts.values()))), contexts)


_servers: weakref.WeakSet[HttpServer] = weakref.WeakSet()


def _abandon_all() -> None:
    """In a forked child no server runs; the parent's sockets are left to the parent."""
    for server in _servers:
        running, server._running = server._running, None
        if running is not None:
            running.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)


def _path(file: str | IO[Any]) -> str:
    return file if isinstance(file, str) else str(getattr(file, "name", file))
