"""HttpServer: an application on sockets of its own, started and stopped."""

import os
import socket
import ssl
import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from math import inf
from types import TracebackType
from typing import IO, Any, Self, Unpack

from bladehttp._message.request import HttpRequest
from bladehttp.exceptions import HttpException
from bladehttp.server._application import Application
from bladehttp.server._config import ServerOptions
from bladehttp.server._connection.context import Stats
from bladehttp.server._dispatch.access_log import AccessLog
from bladehttp.server._dispatch.callbacks import check_runs
from bladehttp.server._dispatch.forwarded import TrustedProxies
from bladehttp.server._dispatch.loop_thread import EXITS
from bladehttp.server._dispatch.request_log import RequestLog
from bladehttp.server._dispatch.workers import Workers
from bladehttp.server._net.endpoint import UNIX, Endpoint, tell_ready
from bladehttp.server._net.loop import Loop, Timer
from bladehttp.server._net.signals import end_by_signals
from bladehttp.server._net.tls import CertificateFiles, choose_by_name, server_context
from bladehttp.server._runtime import Runtime

DEFAULT = ""
"""In place of a host name: the certificate for clients that name none of the others."""


class HttpServer(Application):
    """An HTTP/1.1 server on one thread. The properties are described in `ServerConfig`.

    Attributes:
        socket: The listening socket while it listens, else None.
        cert_file: The certificate of a secure server. Set by `load_certs` only.
        private_key_file: Its key. Set by `load_certs` only.
        stats: The counters, over every run.
    """

    __slots__ = ("__weakref__", "_certificates", "_given", "_runtime", "stats")

    def __init__(
        self,
        port: int,
        host: str = "127.0.0.1",
        is_secure: bool = False,
        *,
        socket: socket.socket | int | None = None,
        **properties: Unpack[ServerOptions],
    ) -> None:
        """Make a server; nothing is bound before `listen`, `start` or `step`.

        Args:
            port: See `ServerConfig`.
            host: See `ServerConfig`.
            is_secure: See `ServerConfig`.
            socket: A bound socket, or its descriptor, to listen on instead of host and port, which
                then have its address. The owner closes it. None: none, so
                ``socket=inherited_socket()`` works with and without systemd.
            **properties: Other properties by name.

        Raises:
            TypeError: The port is not an int, the host not a str, or a property does not exist.
            ValueError: The port is not 0 to 65535.
        """
        super().__init__(port, host, is_secure, **properties)
        self.stats: Stats = Stats()
        _servers.add(self)
        self._certificates: dict[str, CertificateFiles] = {}
        self._given = socket
        self._runtime: Runtime | None = None

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
        return self._runtime.listener.socket if self._runtime else None

    @property
    def requests(self) -> tuple[HttpRequest, ...]:
        """The requests since it began to listen, oldest first, if ``record`` was set then.

        Each is there before callbacks get it. The last 1,000 are kept, fewer if their bodies have
        more than 16 MiB together. A body that was longer than ``spool_size`` is gone.
        """
        log = self._dispatcher.log
        return log.requests() if log is not None else ()

    def load_certs(
        self,
        cert_file: str | os.PathLike[str] | IO[Any],
        private_key_file: str | os.PathLike[str] | IO[Any] | None = None,
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
            CertificateFileError: The files cannot be used; earlier certificates stay loaded.
        """
        if not self.is_secure:
            return False
        key = None if private_key_file is None else _path(private_key_file)
        files = CertificateFiles(_path(cert_file), key)
        certificates = {**self._certificates, (hostname or DEFAULT).lower(): files}
        context = self._context(certificates)
        self._certificates = certificates
        if self._runtime is not None:
            self._runtime.ssl_context = context
        return True

    def listen(
        self,
        signals: bool = False,
        shutdown_timeout: int | None = None,
        ready: Callable[[], object] | None = None,
    ) -> None:
        """Bind and serve on this thread until `close`.

        A service manager that asks for it (systemd's ``Type=notify``) is told when it is ready.

        Args:
            signals: Whether SIGINT and SIGTERM end it: the first as `shutdown`, the second as
                `close`, and SIGHUP opens access logs given by name again; a service without any
                ignores it. Main thread only.
                Without, SIGINT raises KeyboardInterrupt here, and everything is closed on the way.
            shutdown_timeout: Milliseconds the first signal waits at the most, as the argument of
                `shutdown`. None: the property.
            ready: Called once the server can be connected to; by then ``port`` is the port that it
                has got instead of 0. Exceptions go to on_error, as of `call_soon`.

        Raises:
            OSError: The address cannot be bound.
            HttpException: It is secure and has no certificate.
            RuntimeError: It is listening already.
            TypeError: ``ready`` is a coroutine function.
            ValueError: Signals are wanted in another thread than the main one.
        """
        if ready is not None:
            check_runs(ready, "listen")
        drain = partial(self.shutdown, shutdown_timeout)
        ending = end_by_signals(drain, self.close, self._reopening()) if signals else nullcontext()
        runtime = self._begin(threading.get_ident())
        runtime.loop.call_soon(tell_ready)  # by then signals are handled
        if ready is not None:
            self.call_soon(ready)
        self._run(runtime, ending)

    def _reopening(self) -> Callable[[], None] | None:
        """Return a function that reopens the log files, None if there are none."""
        callbacks = self._dispatcher.callbacks["answered"]
        logs = [each for each in callbacks if isinstance(each, AccessLog) and each.has_file]

        def reopen() -> None:
            for each in logs:
                each.reopen()

        return reopen if logs else None

    def start(self) -> Self:
        """Bind, serve on a thread of its own, and return once it can be connected to.

        Raises:
            OSError: The address cannot be bound.
            HttpException: It is secure and has no certificate.
            RuntimeError: It is listening already.
        """
        runtime = self._begin(owner=None)
        name = f"bladehttp-{self.port}"
        run = partial(self._run_on_thread, runtime)
        try:
            threading.Thread(target=run, name=name, daemon=True).start()
        except RuntimeError:  # no thread can be had
            self._end(runtime)
            raise
        return self

    def step(self, timeout: int | None = 0) -> bool:
        """Process pending events and return, for a program with a loop of its own.

        The first call binds. Between two calls nothing is served, deadlines are met by the next
        one, and a blocking request to the server itself would wait forever.

            while server.step(10):
                draw_the_next_frame()

        Args:
            timeout: Most milliseconds to wait for an event. 0: do not wait. None: no limit.

        Returns:
            Whether the server still runs: False after `close`, and after the last response of
            `shutdown`.

        Raises:
            OSError: The address cannot be bound.
            HttpException: It is secure and has no certificate.
            RuntimeError: The server runs on its own, or this is called within a step.
        """
        runtime = self._runtime
        if runtime is None:
            runtime = self._begin(threading.get_ident())
            runtime.stepping = threading.Lock()
        if runtime.stepping is None or not runtime.stepping.acquire(blocking=False):
            raise RuntimeError("the server runs by itself, or is within a step")
        goes_on = False
        try:
            if not runtime.stopped.is_set():  # by another thread just now
                goes_on = runtime.step(None if timeout is None else timeout / 1000)
        finally:
            if not (goes_on or runtime.stopped.is_set()):
                self._end(runtime)
            runtime.stepping.release()
        return goes_on

    def close(self) -> None:
        """Stop serving and close every connection. From any thread, handler or signal handler.

        Returns when all is closed, except within a callback, where that happens as soon as
        the callback returns. Again does no harm, and it can listen again afterwards.
        """
        runtime = self._runtime
        if runtime is None:
            self._dispatcher.coroutines.close()  # of `wsgi`
            return
        runtime.loop.stop()
        if runtime.stepping is None:
            runtime.wait()
        elif not (runtime.stepping.locked() and runtime.loop.is_own_thread()):  # within a step
            with runtime.stepping:
                if not runtime.stopped.is_set():
                    self._end(runtime)

    def shutdown(self, timeout: int | None = None) -> None:
        """Stop serving without losing requests. From any thread, handler or signal handler.

        Established connections are accepted, no new ones are; pending requests are answered, as the
        last on their connections; an idle connection stays open for a second, since a request may
        be on its way. Returns when that is done, in a handler at once; a program that calls `step`
        continues until it returns False. A handler that hangs on a worker thread is not waited for.

        Args:
            timeout: Milliseconds after which requests without a response get 503 and every
                connection is closed, half a second later at the latest. 0: as `close`. None:
                `shutdown_timeout`.
        """
        runtime = self._runtime
        if runtime is not None:
            seconds = (self.shutdown_timeout if timeout is None else timeout) / 1000
            runtime.loop.call_soon(lambda: runtime.drain(seconds))
            if not runtime.context.workers.is_own_thread():  # whose request is waited for
                runtime.wait()

    def call_soon(self, fn: Callable[[], object]) -> None:
        """Call a function on the server's thread, between requests. From any thread.

        Exceptions go to on_error, with None for the socket.

        Raises:
            RuntimeError: The server does not listen.
            TypeError: It is a coroutine function.
        """
        check_runs(fn, "call_soon")
        self._loop().call_soon(partial(self._dispatcher.notices.call_scheduled, "call_soon", fn))

    def call_later(self, ms: int, fn: Callable[[], object]) -> Timer:
        """Call a function on the server's thread after some time. From any thread.

        It is not called if the server stops before.

        Args:
            ms: Milliseconds until then.
            fn: As for `call_soon`.

        Returns:
            A timer, whose ``cancel()`` keeps it from being called.

        Raises:
            RuntimeError: The server does not listen.
            TypeError: It is a coroutine function.
        """
        check_runs(fn, "call_later")
        call = partial(self._dispatcher.notices.call_scheduled, "call_later", fn)
        return self._loop().call_later(ms / 1000, call)

    def _loop(self) -> Loop:
        runtime = self._runtime
        if runtime is None:
            raise RuntimeError("the server does not listen")
        return runtime.loop

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
        return f"<HttpServer {self.host if self.host.startswith(UNIX) else self.url_of(self.host)}>"

    def _begin(self, owner: int | None) -> Runtime:
        if self._runtime is not None:
            raise RuntimeError(f"the server is listening at {self.url} already")
        context, proxies = self._context(self._certificates), self._proxies()
        self._configure_dispatcher()
        endpoint = self._listen(self._given)
        try:
            self._runtime = self._run_at(endpoint, context, proxies, owner)
        except BaseException:  # no descriptor left for the loop
            endpoint.close()
            raise
        self._dispatcher.log = RequestLog() if self._is_recorded() else None
        self._dispatcher.thread.loop = self._runtime.loop
        self._dispatcher.notices.slow = self.slow_handler_time / 1000 or inf
        return self._runtime

    def _is_recorded(self) -> bool:
        """Return whether requests are recorded for `requests`."""
        return self.record

    def _run_at(
        self,
        endpoint: Endpoint,
        context: ssl.SSLContext | None,
        proxies: TrustedProxies,
        owner: int | None,
    ) -> Runtime:
        return Runtime(
            endpoint,
            context,
            self._dispatcher,
            self._limits(),
            self._clocks(),
            owner=owner,
            max_connections=self.max_connections,
            max_requests=self.max_requests_per_connection,
            stats=self.stats,
            proxies=proxies or None,
            proxy_protocol=self.proxy_protocol,
            decode_request_body=self.decode_request_body,
            workers=Workers(self.max_workers, self.max_offloaded),
            min_body_rate=self.min_body_rate or 0,
            slow=self.slow_handler_time / 1000 or inf,
        )

    def _run(self, runtime: Runtime, ending: AbstractContextManager[None]) -> None:
        try:
            with ending:
                runtime.run()
        finally:
            self._end(runtime)

    def _run_on_thread(self, runtime: Runtime) -> None:
        with suppress(*EXITS):  # it was reported; nobody else is here to be told
            self._run(runtime, nullcontext())

    def _end(self, runtime: Runtime) -> None:
        try:
            runtime.close()
        finally:
            self._runtime = self._dispatcher.thread.loop = None
            self._dispatcher.thread.call_waiting()
            runtime.stopped.set()

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


def _close_all_in_child() -> None:
    """In a forked child no server runs; the parent's sockets are left to the parent."""
    for server in _servers:
        runtime, server._runtime = server._runtime, None
        server._dispatcher.thread.loop = None
        server._dispatcher.coroutines.forget()
        if runtime is not None:
            runtime.close_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_all_in_child)


def _path(file: str | os.PathLike[str] | IO[Any]) -> str:
    return os.fspath(file) if isinstance(file, str | os.PathLike) else str(file.name)
