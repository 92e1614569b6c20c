"""HttpClient: the synchronous client and its connections.

The default client: the one that the package's module functions share.
"""

import atexit
import os
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import sleep
from typing import Any, Self, Unpack

from bladehttp._data.event_stream import LONGEST_EVENT, Event
from bladehttp._message.response import HttpResponse
from bladehttp.client._arguments import (
    ClientOptions,
    Data,
    DownloadOptions,
    RequestItem,
    RequestOptions,
    StreamOptions,
)
from bladehttp.client._config.progress import Report
from bladehttp.client._config.validators import at_least_one
from bladehttp.client._curl.engine import Engine
from bladehttp.client._curl.pool import Pool
from bladehttp.client._download.download import download
from bladehttp.client._exchange.event_source import FAILURES, LONGEST_DELAY, EventSource
from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._exchange.hooks import active_hooks
from bladehttp.client._exchange.pages import Pages
from bladehttp.client._exchange.scheduler import Result, Scheduler
from bladehttp.client._exchange.send_many import Batch, check_requests, run_batch
from bladehttp.client._exchange.single import exchange
from bladehttp.client._exchange.stream import ResponseStream
from bladehttp.client._request.fields import RequestHeadersLike
from bladehttp.client._request.prepared import PreparedRequest
from bladehttp.client._verbs import Verbs
from bladehttp.exceptions import HttpException


class HttpClient(Verbs[HttpResponse, Data]):
    """An HTTP client that keeps its connections.

    It may be used by any number of threads at once, and after a fork by parent and child. Close it,
    or use it in a ``with`` statement. Pickling and copying include the properties but not the
    connections. The properties are described in `Configured`.
    """

    __slots__ = ("__weakref__", "_pool", "_quiet", "_schedulers")

    def __init__(
        self,
        base_url: str | None = None,
        *,
        headers: RequestHeadersLike | None = None,
        **properties: Unpack[ClientOptions],
    ) -> None:
        """Create a client; properties can be given by name."""
        self._quiet = True  # no warning if the next line raises
        super().__init__(base_url, headers=headers, **properties)
        self._start()

    def _start(self) -> None:
        self._schedulers = Pool(Scheduler)
        self._pool = Pool(Engine, sibling=self._schedulers)
        self._quiet = False

    def _send(
        self,
        url: str,
        method: str,
        data: Data | None,
        headers: RequestHeadersLike | None,
        others: Mapping[str, Any],
    ) -> HttpResponse:
        return self._deliver(self._request(url, method, data, headers, others))

    def _deliver(self, request: PreparedRequest) -> HttpResponse:
        engine = self._pool.acquire()
        try:
            return exchange(engine, request, active_hooks(self._hooks, request))
        finally:
            self._pool.release(engine, self._settings)

    @contextmanager
    def stream(
        self,
        url: str,
        method: str = "GET",
        data: Data | None = None,
        **arguments: Unpack[StreamOptions],
    ) -> Iterator[HttpResponse]:
        """Send a request and return its response while the body is still being received.

            with client.stream("https://example.com/large") as response:
                for chunk in response.iter_bytes():
                    ...

        Memory use is constant: the body is received only while it is read. ``receive_timeout`` and
        ``total_timeout`` count only the time spent waiting. Leaving the context early closes this
        connection and no other. ``on_response`` is called when the head has been received.

        Args:
            url: The URL; see `send_request`.
            method: The method.
            data: The body; see `send_request`.
            arguments: The other arguments of `send_request`.

        Raises:
            HttpException: See `send_request`; a fault in the body is raised by the iterator.
        """
        with self._streamed(self._prepare(url, method, data, **arguments)) as response:
            yield response

    @contextmanager
    def _streamed(self, request: PreparedRequest) -> Iterator[HttpResponse]:
        engine = self._pool.acquire()
        body = ResponseStream(engine, Exchange(request, active_hooks(self._hooks, request)))
        try:
            yield body.open()
        except BaseException as error:
            body.close(error)
            raise
        finally:
            body.close()
            self._pool.release(engine, self._settings)

    def download(
        self,
        url: str,
        path: str | os.PathLike[str],
        progress: Report | None = None,
        resume: bool = False,
        *,
        checksum: str | None = None,
        **arguments: Unpack[DownloadOptions],
    ) -> HttpResponse:
        """Write the body of a response to a file, in constant memory.

        The file exists whole or not at all, whenever the program or the machine stops: the body is
        written to a temporary file in the same folder, which is renamed once its length is verified
        and its bytes are on disk. Only a 200, a 203 or a verified 206 is written. For any other
        status (304, 404) the file stays unchanged, and the response has the body.

        With ``retry``, of this call or of the client, a download that breaks off is continued: the
        missing bytes are requested (Range with If-Range), and are appended only if the answer has
        the same strong validator and the right Content-Range. Otherwise it starts from the
        beginning. A strong validator is an ETag without W/, or a Last-Modified that is older than
        the response's Date. ``Retry.total`` counts for all requests of the download together; each
        calls the hooks by itself.

        Content codings are not asked for, unless ``accept_encoding`` is among the arguments. A
        coding that the server applies nevertheless is decoded, as for any response; such a body is
        not continued.

        Args:
            url: The URL; see `send_request`.
            path: The file. An existing file is replaced.
            progress: Called with the bytes written and the total, None if the total is not known.
                The first number falls if the download starts from the beginning. An exception that
                it raises ends the download.
            resume: Whether to keep the received bytes when the download fails, in ``path`` +
                ".part", and to continue from there in a later call with the same URL. ``path`` +
                ".part.tag" records the URL and the validator. One call at a time can use a ".part".
            checksum: "ALGORITHM:HEXADECIMAL", such as "sha256:9f86d0...", of any algorithm of
                hashlib. The finished file is read again for it. None: not checked.
            arguments: The other arguments of `send_request`. With a Range header the file is that
                range, and ``resume`` cannot be set.

        Raises:
            HttpException: See `stream`. ProtocolError if a 206 cannot be used; IncompleteBody if
                there are more or fewer bytes than announced.
            ChecksumMismatch: The file has another checksum. No bytes are kept then.
            BlockingIOError: Another download with ``resume`` writes the same ".part".
            OSError: The file cannot be written. A directory in its place or a missing folder is
                reported before the request is sent.
            ValueError: ``checksum`` is not valid, or the method is HEAD.
        """
        return download(self._streamed, self._job(url, path, progress, resume, checksum, arguments))

    def send_many(
        self,
        requests: Iterable[str | RequestItem | Mapping[str, Any] | None],
        concurrency: int = 100,
        ordered: bool = False,
    ) -> Iterator[Result]:
        """Send many requests at once and yield the result of each.

        A failure is a result too: the exception of any class that `send_request` would have raised.
        Responses and exceptions have ``request``, and ``request.given`` is the object that was
        given for it. Each request has its own redirects, retries, hooks and clocks; time between
        two results, while the generator is suspended, does not count for ``receive_timeout`` and
        ``total_timeout``. HTTP/2 connections are shared, others kept, for the next `send_many` too.
        Closing the generator, or leaving a loop over it, aborts the requests under way.

        Args:
            requests: Each a URL, or a dict of arguments of `send_request`. They are taken one by
                one as there is room, so they may be endless. If there is no result for 0.1 s more
                are taken, up to 1,000 ahead, since some may go to another host. An exception of the
                iterable is raised here. None stands for no request now: they are asked for again
                after the next result, so results may lead to requests. None while no request is
                under way, and no result to be taken, is the end.
            concurrency: Most requests under way; at most as many results are held back. If a host
                that has more than its share of them does not answer, requests to others get up to
                as many again. ``max_host_connections`` limits the requests to one host.
            ordered: Whether results are in the order of the requests; otherwise as they arrive.

        Raises:
            ClientClosed: The client has been closed.
            TypeError: An argument has a wrong type: ``requests`` is a single URL or dict.
            ValueError: ``concurrency`` is 0 or less.
        """
        check_requests(requests)
        batch = Batch(self._making, at_least_one("concurrency", concurrency), ordered)
        return run_batch(self._schedulers, batch, iter(requests), self._settings)

    def pages(
        self,
        url: str,
        headers: RequestHeadersLike | None = None,
        *,
        limit: int | None = None,
        **options: Unpack[RequestOptions],
    ) -> Iterator[HttpResponse]:
        """Send a GET request, and one for each next page; yield the responses as they are received.

            for page in client.pages("https://api.example.com/items"):
                for item in page.json(): ...

        The next page is the target of the first link of the type "next" in the Link fields of a
        response (RFC 8288), whatever its status. The iteration ends with a response that has none,
        or one that leads to an earlier page. A page at another origin than ``url``, and every one
        after it, is requested without credentials, as after a redirect, and ``query`` is added to
        the first URL only.

        Args:
            url: The URL of the first page; see `send_request`.
            headers: Fields for all of the requests.
            limit: Most pages. None: 1,000, and one more raises an HttpException.
            options: The other arguments of `send_request`, for all of the requests.

        Raises:
            HttpException: See `send_request`; or the link cannot be followed.
            ValueError: ``limit`` is 0 or less.
        """
        return self._walk(Pages(self._prepare(url, "GET", None, headers, **options), limit))

    def _walk(self, pages: Pages) -> Iterator[HttpResponse]:
        request: PreparedRequest | None = pages.first
        while request is not None:
            response = self._deliver(request)
            yield response
            request = pages.after(response)

    def events(
        self,
        url: str,
        method: str = "GET",
        data: Data | None = None,
        *,
        last_event_id: str = "",
        failures: int | None = FAILURES,
        longest_delay: int = LONGEST_DELAY,
        max_event_size: int = LONGEST_EVENT,
        **arguments: Unpack[StreamOptions],
    ) -> Iterator[Event]:
        """Yield server-sent events as they are received, and connect again (HTML standard, 9.2).

            for event in client.events("https://api.example.com/changes"):
                print(event.event, event.data)

        When the connection is lost, ends, or is silent for ``receive_timeout``, the request is sent
        again with Last-Event-ID: after 3 s, or the time that the server has given (``retry``),
        doubled for each connection in a row without any byte. The server ends the stream by 204. A
        request whose method cannot be repeated, such as a POST, is sent once, and its events end
        with the body. Closing the generator closes the connection.

        Args:
            url: The URL; see `send_request`.
            method: The method.
            data: The body; see `send_request`.
            last_event_id: The Last-Event-ID of the first request, to continue an earlier stream. An
                ID with control characters is not sent.
            failures: Most connections in a row without any byte. 10; None: no limit.
            longest_delay: Longest time before connecting again, in milliseconds, whatever the
                server gives. 300000.
            max_event_size: Longest event, in bytes. 1 MiB.
            arguments: The other arguments of `send_request`.

        Raises:
            HttpStatusError: A response is one of 400 and above.
            ProtocolError: It is no 200 with text/event-stream.
            BodyTooLarge: An event is too long.
            HttpException: The first connection fails, a later one in a way that will not pass, or
                too many have failed.
        """
        request = self._prepare(url, method, data, **arguments)
        limits = (failures, longest_delay, max_event_size)
        return self._listen(EventSource(request, last_event_id, *limits))

    def _listen(self, source: EventSource) -> Iterator[Event]:
        delay: float | None = 0.0
        while delay is not None:
            sleep(delay)
            try:
                with self._streamed(source.next_request()) as response:
                    if source.is_over(response):
                        return
                    for chunk in response.iter_bytes():
                        source.received()
                        yield from source.parser.feed(chunk)
            except HttpException as error:
                delay = source.delay_after(error)
                if delay is None:
                    raise
            else:
                delay = source.delay_after(None)

    @property
    def closed(self) -> bool:
        """Whether the client has been closed."""
        return self._pool.closed

    def close(self) -> None:
        """Close idle connections now, and those in use when their requests end. Idempotent.

        Raises:
            OSError: ``cookie_file`` cannot be written.
        """
        if not self._pool.closed:
            self._pool.close()
            self._schedulers.close()
            if self.cookie_file is not None:
                self.save_cookies()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._quiet and not self.closed and (self._pool.idle or self._schedulers.idle):
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
            self.close()

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        self._start()


_lock = threading.Lock()
_client: HttpClient | None = None


def shared() -> HttpClient:
    """Return the shared client, created at the first call and again after it was closed.

    It is closed when the interpreter ends.
    """
    global _client  # noqa: PLW0603 - the one lazily made instance of the package
    with _lock:
        if _client is None:
            atexit.register(close_shared)
        if _client is None or _client.closed:
            _client = HttpClient()
        return _client


def close_shared() -> None:
    """Close the shared client if there is one."""
    if _client is not None:
        _client.close()
