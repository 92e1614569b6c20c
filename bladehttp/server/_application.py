"""Application: the properties, callbacks and routes of a server; nothing of it runs by itself.

`HttpServer` runs it on sockets of its own; `Application.wsgi` lets a WSGI server run it.
"""

import os
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, Unpack, overload
from wsgiref.types import WSGIApplication

from bladehttp._message.request import ClientInfo
from bladehttp._message.response import HttpResponse
from bladehttp._message.response_head import DefaultHead
from bladehttp._wire.head import HeadParser
from bladehttp.server._config import (
    ANY as ANYWHERE,
    ServerConfig,
    ServerOptions,
    check_options,
    unbracketed,
)
from bladehttp.server._dispatch.access_log import Answered, access_log
from bladehttp.server._dispatch.callbacks import is_coroutine_function
from bladehttp.server._dispatch.dispatcher import Dispatcher
from bladehttp.server._dispatch.mount import Mount
from bladehttp.server._dispatch.routes import ANY, Handler, RouteOptions
from bladehttp.server._files.static import static_files
from bladehttp.server._net.endpoint import UNIX
from bladehttp.server.wsgi import WsgiApplication

F = TypeVar("F", bound=Callable[..., Any])
ConnectFunction = TypeVar("ConnectFunction", bound=Callable[[socket.socket], object])
DisconnectFunction = TypeVar("DisconnectFunction", bound=Callable[[ClientInfo], object])
ReplyFunction = TypeVar("ReplyFunction", bound=Callable[[HttpResponse], object])
AnsweredFunction = TypeVar("AnsweredFunction", bound=Callable[[Answered], object])
ErrorFunction = TypeVar("ErrorFunction", bound=Callable[[BaseException, Any], object])
H = TypeVar("H", bound=Handler)


class Application(ServerConfig):
    """The callbacks and routes of a server. Its properties are described in `ServerConfig`."""

    __slots__ = ("_dispatcher",)

    def __init__(
        self,
        port: int,
        host: str = "127.0.0.1",
        is_secure: bool = False,
        **properties: Unpack[ServerOptions],
    ) -> None:
        """Start without callbacks and routes; the arguments are those of `ServerConfig`."""
        super().__init__(port, host, is_secure, **properties)
        self._dispatcher = Dispatcher()

    # Blade's callbacks. Each registration returns the function, so that it decorates.

    def on_connect(self, fn: ConnectFunction) -> ConnectFunction:
        """Call ``fn(socket)`` when a client has connected, its TLS handshake complete."""
        return self._add("connect", fn)

    def on_disconnect(self, fn: DisconnectFunction) -> DisconnectFunction:
        """Call ``fn(client)`` once for each on_connect, when that client has left.

        Args:
            fn: Gets a ClientInfo: ``ip``, ``port``, ``ipv6``.
        """
        return self._add("disconnect", fn)

    def on_receive(self, fn: H) -> H:
        """Call ``fn(request, response)`` for each request, before its route.

        All of them are called, then the route: none can keep the next from running. To guard
        handlers, use `before_request` or `abort`.
        """
        return self._add("receive", fn)

    def before_request(self, fn: H) -> H:
        """Call ``fn(request, response)`` for each request, before on_receive and routes.

        For every well-formed request, also of unknown paths and static files. If it answers, only
        after_request functions are called afterwards. It answers by writing to the response,
        setting its status, streaming, deferring, or by `abort`. Headers alone are no answer: they
        are kept for the later response.
        """
        return self._add("before", fn)

    def after_request(self, fn: H) -> H:
        """Call ``fn(request, response)`` for each response, before its head is made.

        For every response: of routes, on_receive, before_request, none_handler and files, deferred
        ones, errors and refusals. The last registered is called first. It may change the response
        in every way except deferring it; `abort` replaces it. A response that cannot be sent
        afterwards is replaced by 500, for which they are called again.

        For a refused request it gets the part that was understood: `method` and `path` may be
        empty, headers may be missing.
        """
        return self._add("after", fn)

    def on_reply(self, fn: ReplyFunction) -> ReplyFunction:
        """Call ``fn(response)`` after each response, also for the server's own.

        The head has been sent: changes are too late, and reported as errors. See `after_request`.
        """
        return self._add("reply", fn)

    def on_answered(self, fn: AnsweredFunction) -> AnsweredFunction:
        """Call ``fn(answered)`` when a response is finished: received, or its client has left.

        For logs and counters: see `Answered` and `access_log`. The server's own responses are
        included. Under `wsgi` it is called when the WSGI server closes the response.

        Raises:
            TypeError: It does not take one argument, or is `access_log`, which returns a callback.
        """
        given: object = fn
        if given is access_log:
            raise TypeError("on_answered takes the callback that access_log() returns: call it")
        return self._add("answered", fn)

    def on_error(self, fn: ErrorFunction) -> ErrorFunction:
        """Call ``fn(exception, socket)`` when a handler or the server itself failed.

        The exception's attribute ``request`` is the request being answered, or None if there is
        none, as in on_connect and timers. (An exception with a property of that name keeps it.) It
        may be any BaseException. The socket is the client's, None under WSGI. Errors of clients are
        answered with a 4xx and not reported here.
        """
        return self._add("error", fn)

    @overload
    def handle(
        self,
        method: str,
        path: str,
        fn: H,
        offload: bool = False,
        **options: Unpack[RouteOptions],
    ) -> H: ...
    @overload
    def handle(
        self, method: str, path: str, *, offload: bool = False, **options: Unpack[RouteOptions]
    ) -> Callable[[H], H]: ...
    def handle(
        self,
        method: str,
        path: str,
        fn: H | None = None,
        offload: bool = False,
        **options: Unpack[RouteOptions],
    ) -> H | Callable[[H], H]:
        """Set the handler of a method and a path; without ``fn`` this decorates.

        It runs after every on_receive, on the same response. Of several matching routes the exact
        path comes first; then those with parameters, the more literal first; then the longest that
        ends in "/" and is a prefix of the path ("/" itself matches only "/"). HEAD is answered by
        the route of GET if it has none. Unless an on_receive has answered, OPTIONS is answered with
        the methods of the path, and other methods with 405.

        A coroutine function runs on an asyncio loop beside the server's; so may those of
        before_request, on_receive and none_handler. It is cancelled if its client leaves.

        Args:
            method: Such as "GET".
            path: Compared with ``request.path``. A segment ``{name}`` matches any one segment that
                is not empty; ``{name:path}``, as the last, matches the rest, which may be empty.
                The values are in ``request.params``.
            fn: Receives the request and the response.
            offload: Whether it runs on a worker thread (``max_workers``) because it takes long or
                blocks. Its connection takes no other request meanwhile.
            **options: ``max_body_size`` of requests for this route, as their path was sent;
                ``handler_timeout``, if it is offloaded or a coroutine function. Without: the
                server's.

        Raises:
            TypeError: The function does not take two arguments; or an option does not exist or is
                of another type.
            ValueError: The path does not begin with "/", is percent-encoded or has a query, its
                braces are not parameters, it has one in Flask's form (``<name>``), the method is
                none, method and path have a handler already, an option is out of range, or a
                coroutine function is offloaded.
        """
        if fn is None:
            return partial(self.handle, method, path, offload=offload, **options)
        if offload and is_coroutine_function(fn):
            raise ValueError("offload is for functions that block, not for coroutine functions")
        check_options(options, offload or is_coroutine_function(fn))
        self._dispatcher.add_route(method, path, fn, offload, options)
        return fn

    def none_handler(self, fn: H) -> H:
        """Set the handler for requests that nothing else answers; 404 unless set.

        It is called if there is no route for the path and, if there are routes for others, no
        on_receive has answered; without any routes only if there is no on_receive at all.

        Raises:
            TypeError: The function does not take two arguments.
        """
        self._dispatcher.set_none_handler(fn)
        return fn

    def serve_files(
        self,
        base_path: str,
        directory: str | os.PathLike[str],
        cache_age: int = 0,
        tag: bool | str | None = None,
        index: str | None = "index.html",
        *,
        listing: bool = False,
    ) -> None:
        """Answer GET and HEAD below a path with the files of a directory.

        Other routes come first unless their path is shorter. Missing files are answered by
        none_handler; a response that an on_receive has begun (a status, a body) is left alone.
        Ranges and conditions (304, 412) are supported, and ``name.br`` or ``name.gz`` is sent for
        ``name`` if the client accepts it and it is not older. Treated as missing: names that begin
        with "." (``.well-known`` excepted), names with control characters or a backslash, and links
        that lead out of the directory. Repeated "/" are redirected to one.

        Args:
            base_path: Such as "/static" or "/".
            directory: Opened for each request, so that a link can be switched to another directory.
            cache_age: Seconds for which a client need not revalidate. 0: it does so each time, and
                gets 304 if nothing has changed.
            tag: How the ETag is made, which is sent with Last-Modified. True: of size and time of
                modification. "content": of the content, for files whose times are reset by a build,
                or differ between machines; it is read once, up to 16 MiB. False: no ETag. None: as
                True.
            index: The file sent for a directory. None: there is none.
            listing: Whether a directory without an index is listed, in pages of 1,000 entries.

        Raises:
            NotADirectoryError: ``directory`` is not a directory.
            NotImplementedError: The system has no openat (Windows).
            TypeError: An argument is of another type.
            ValueError: ``cache_age`` is negative, the path has parameters, or GET has a handler for
                all paths below it already.
        """
        files = static_files(
            base_path, directory, cache_age, tag, index, listing, self._dispatcher.call_none_handler
        )
        self._dispatcher.mount(files.base, files)

    def mount(
        self, path: str, application: WSGIApplication, **options: Unpack[RouteOptions]
    ) -> None:
        """Answer a path, and every path below it, by a WSGI application (PEP 3333).

            server.mount("/shop", flask_app)

        It runs on worker threads (``max_workers``), one for each request until its body is sent,
        and is called for every method. Other routes come first unless their path is shorter. It
        gets the path as SCRIPT_NAME and the rest as PATH_INFO, a body of any size as a stream, and
        REMOTE_ADDR, scheme and host as callbacks see them: behind trusted proxies those of the
        client. Callbacks are called as for any route.

        ``wsgi.errors`` is the logger ``bladehttp.server.wsgi``.

        Args:
            path: Such as "/shop", or "/" for the whole server.
            application: The application, called with the environment and start_response.
            **options: As of `handle`.

        Raises:
            TypeError: It is not callable with two arguments, or an application of ASGI; or an
                option is of another type.
            ValueError: The path does not begin with "/" or has parameters, there is a handler for
                all paths below it already, or an option is out of range.
        """
        check_options(options, is_interruptible=True)
        handler = Mount(path, application, self._location)
        self._dispatcher.mount(path, handler, ANY, offload=True, options=options)

    @property
    def wsgi(self) -> WsgiApplication:
        """The callbacks and routes as a WSGI application, with the current limits.

        Connections are the WSGI server's: on_connect and on_disconnect are not called, and on_error
        gets None for the socket.
        """
        self._configure_dispatcher()
        return WsgiApplication(
            self._dispatcher,
            HeadParser(self._limits(), self._dispatcher.limits_of),
            self._proxies(),
            self.decode_request_body,
        )

    def _location(self) -> tuple[str, int]:
        """Return the name and the port that applications are told."""
        if self.host.startswith(UNIX):
            return "localhost", 80
        return unbracketed(self.host) or ANYWHERE, self.port

    def _add(self, kind: str, fn: F) -> F:
        self._dispatcher.add(kind, fn)
        return fn

    def _configure_dispatcher(self) -> None:
        """Let the dispatcher have the properties as they are now."""
        blank = DefaultHead(self.powered_by)
        self._dispatcher.configure(blank, self.handler_timeout, self.max_offloaded)
