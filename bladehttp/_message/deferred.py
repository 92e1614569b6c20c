"""Deferred responses and channels: for handlers that respond after they have returned.

All may be used from any thread. The waiting side is not known here: a server's loop registers a
callback, a thread of its own (a WSGI server's worker) waits or iterates.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError, wait
from threading import Condition
from typing import Any, Self

from bladehttp._data.self_request import is_serving
from bladehttp._message.faults import BodyCut

CHANNEL_LIMIT = 256 * 1024
"""Most bytes that wait in a channel: a client that reads too slowly is disconnected."""

NOT_YET: Any = object()
"""Stands for a chunk: none is available now."""

END: Any = object()
"""Stands for a chunk: the channel is closed."""


def check_milliseconds(name: str, value: int) -> int:
    """Return a time in milliseconds; a fraction is most likely meant as seconds.

    Raises:
        TypeError: It is not an int.
        ValueError: It is negative.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is milliseconds, an int, not {value!r}"[:200])
    if value < 0:
        raise ValueError(f"{name} is not negative, but {value!r} is")
    return value


class Deferred:
    """A response that is sent later; see `HttpResponse.defer`.

    Attributes:
        timeout: Milliseconds until it expires. 0: no limit.
    """

    __slots__ = ("_future", "timeout")

    def __init__(self, timeout: int) -> None:
        """Wait for `send` or `fail`."""
        self.timeout: int = timeout
        self._future: Future[list[BaseException]] = Future()  # has the error it failed with, or []

    def send(self) -> bool:
        """Send the response as it is now. From any thread.

        The first of `send`, `fail`, the timeout and the client's leaving decides. Afterwards the
        response belongs to the server: a later change to it may be sent, or not.

        Returns:
            Whether this call decided: False if it has expired, was sent or failed before, or the
            client has left. True is no proof that the client receives it: see
            `HttpServer.on_answered`.
        """
        try:
            self._future.set_result([])
        except InvalidStateError:
            return False
        return True

    def fail(self, error: BaseException) -> bool:
        """Answer 500 and report an error, as if a handler had raised it. From any thread.

        An `Abort` is the response itself, as when a handler raises it.

        Returns:
            Whether this call decided, as `send`. If it did, on_error is called even if the client
            leaves or the server stops meanwhile; if not, the error is left to the caller.
        """
        try:
            self._future.set_result([error])
        except InvalidStateError:
            return False
        return True

    def give_up(self) -> None:
        """Expire: a later `send` or `fail` has no effect."""
        self._future.cancel()

    def then(self, call: Callable[[], None]) -> None:
        """Call a function when it is sent, has failed or expired, on the thread that did so."""
        calls = [call]  # taken out: a Future keeps its callbacks, and these refer to it
        self._future.add_done_callback(lambda _: calls.pop()())

    @property
    def given_up(self) -> bool:
        """Whether it has expired."""
        return self._future.cancelled()

    @property
    def is_decided(self) -> bool:
        """Whether it was sent, has failed or expired."""
        return self._future.done()

    @property
    def failure(self) -> BaseException | None:
        """The error given to `fail`, until it is answered; None if there is none."""
        return next(iter(self._errors), None)

    def take_failure(self) -> BaseException | None:
        """Return `failure`, and release it: its traceback may refer to this response."""
        errors = self._errors
        return errors.pop() if errors else None

    @property
    def _errors(self) -> list[BaseException]:
        future = self._future
        return future.result() if future.done() and not future.cancelled() else []

    def wait(self) -> None:
        """Wait for `send` or `fail`; expire after `timeout`."""
        wait([self._future], self.timeout / 1000 or None)
        self.give_up()

    def check(self) -> None:
        """Return if it was sent; call when it is done.

        Raises:
            CancelledError: It has expired; see `given_up`, since `fail` may be given one, too.
            BaseException: The error given to `fail`. It is raised once.
        """
        errors = self._future.result(0)
        if errors:
            raise errors.pop()


class Offloaded(Deferred):
    """The response of a handler on a worker thread: sent when the handler returns.

    One with a `Channel` is sent at the first write, since the handler may write for long.
    """

    __slots__ = ()


class OfCoroutine(Offloaded):
    """The response of a coroutine function.

    Attributes:
        ends_with_client: Whether a client that has sent its last byte counts as gone.
    """

    __slots__ = ("ends_with_client",)

    def __init__(self, timeout: int) -> None:
        super().__init__(timeout)
        self.ends_with_client: bool = False

    def expire(self, timeout: int) -> None:
        """Give up after so many milliseconds."""
        self.timeout = timeout
        self.give_up()


class Delay(Deferred):
    """A complete response that is sent after a time; see `HttpResponse.delay`."""

    __slots__ = ()

    def give_up(self) -> None:
        """Send it: its time has passed."""
        self.send()


class Channel(Iterator[bytes]):
    """A body written chunk by chunk from any thread; see `HttpResponse.channel`.

    Iteration blocks for each chunk. A loop uses `take`, which does not block.

    Attributes:
        heartbeat: Milliseconds of silence after which `beat` is due. 0: never.
    """

    def __init__(self, heartbeat: int = 0, limit: int = CHANNEL_LIMIT) -> None:
        """Start empty.

        Args:
            heartbeat: See above.
            limit: Most bytes that may wait.
        """
        self.heartbeat = heartbeat
        self._limit = limit
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._changed = Condition()
        self._closed = False
        self._overflowed = False
        self._is_cut = False
        self._is_woken = False
        self._quiet = False
        self._wake: Callable[[], None] = _do_nothing
        self._begin: Callable[[], object] | None = None
        self._is_lost = False
        self._lost: Callable[[], None] | None = None

    @property
    def closed(self) -> bool:
        """Whether the channel is closed for writing."""
        return self._closed

    @property
    def has_overflowed(self) -> bool:
        """Whether more was written than the limit while the client took too little."""
        return self._overflowed

    def write(self, data: str | bytes, timeout: int = 0) -> bool:
        """Send a chunk; a str as UTF-8. From any thread.

        The first write of an offloaded handler sends the head of the response, too; an empty one
        sends just that.

        Args:
            data: The chunk.
            timeout: Most milliseconds to wait while as much as the limit is waiting. 0: do not
                wait.

        Returns:
            False if it is not sent: the channel is closed, the client has left, or more than the
            limit is waiting. The connection of such a slow client is reset.

        Raises:
            RuntimeError: There is a timeout, and this is a server's own thread, which would wait
                for itself to send the chunks.
            TypeError: The data is neither str nor bytes, or the timeout no int.
            ValueError: The timeout is negative.
        """
        chunk = bytes(as_chunk(data))
        if timeout and check_milliseconds("timeout", timeout) and is_serving():
            raise RuntimeError("a channel's timeout on the server's own thread, which sends chunks")
        begin, self._begin = self._begin, None
        if begin is not None:
            begin()
        with self._changed:
            if timeout:
                self._changed.wait_for(lambda: self._closed or self._fits(chunk), timeout / 1000)
            if self._closed:
                return False
            self._overflowed = not self._fits(chunk)
            self._closed = self._overflowed
            if chunk and not self._overflowed:
                self._chunks.append(chunk)
                self._size += len(chunk)
            self._quiet = False
            self._changed.notify_all()
        if self._overflowed:  # whatever the loop waits for
            self._wake()
            return False
        self._wake_once()
        return True

    def _wake_once(self) -> None:
        """Wake the loop unless it has been woken since it took all: a busy writer floods it."""
        if not self._is_woken:
            self._is_woken = True
            self._wake()

    def _fits(self, chunk: bytes) -> bool:
        return not self._chunks or self._size + len(chunk) <= self._limit

    def close(self) -> None:
        """End the body after the waiting chunks. Closing twice is harmless."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._wake_once()

    def cut(self) -> None:
        """Close after the waiting chunks, and reset the connection: the body is not complete."""
        self._is_cut = not self._closed
        self.close()

    def when_lost(self, call: Callable[[], None]) -> None:
        """Set a function to call, once, if the client leaves before the end, or has left."""
        with self._changed:
            is_lost = self._is_lost
            self._lost = None if is_lost else call
        if is_lost:
            call()

    def lose(self) -> None:
        """Close: the client has left."""
        with self._changed:
            self._is_lost = True
            call, self._lost = self._lost, None
        self.close()
        self._detach()
        if call is not None:
            call()

    def beat(self) -> None:
        """Note that a heartbeat interval has passed; send a heartbeat after a second silent one."""
        if self._quiet:
            self.write(self.heartbeat_data())
        self._quiet = True

    def heartbeat_data(self) -> bytes:
        """Return the bytes of a heartbeat."""
        return b""

    def begin_with(self, begin: Callable[[], object]) -> None:
        """Set a function to call, once and on the writing thread, before the first write."""
        self._begin = begin

    def attach(self, wake: Callable[[], None]) -> None:
        """Set a function to call, on any thread, when `take` has a chunk."""
        self._wake = wake
        self._is_woken = False
        if self._chunks or self._closed:
            self._wake_once()

    def _detach(self) -> None:
        """Release the function that was attached: it refers to the connection and this channel."""
        self._wake = _do_nothing

    def take(self) -> Any:
        """Return the waiting chunks as one, NOT_YET, or END.

        Raises:
            BodyCut: `cut` was called.
            BufferError: The client was too slow.
        """
        with self._changed:
            if self._overflowed:
                self._detach()
                raise BufferError(f"client is too slow: more than {self._limit} bytes are waiting")
            if self._chunks:  # all at once: a lock for each would be fought for with the writer
                chunk = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
                self._chunks.clear()
                self._size = 0
                self._changed.notify_all()
                return chunk
            if self._is_cut:
                self._detach()
                raise BodyCut(is_reset=True)
            self._is_woken = False
            if not self._closed:
                return NOT_YET
            self._detach()
            return END

    def __next__(self) -> bytes:
        while True:
            chunk = self.take()
            if chunk is END:
                raise StopIteration
            if chunk is not NOT_YET:
                return bytes(chunk)
            with self._changed:
                if not self._chunks and not self._closed:
                    timeout = self.heartbeat / 1000 if self.heartbeat else None
                    if not self._changed.wait(timeout):
                        return self.heartbeat_data()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _do_nothing() -> None:
    """Stand for a loop that there is not."""


def as_chunk(chunk: bytes | str) -> bytes:
    """Return a chunk of a stream as bytes, a str as UTF-8.

    Raises:
        TypeError: Neither str nor bytes.
    """
    if type(chunk) is bytes:
        return chunk
    if isinstance(chunk, str):
        return chunk.encode()
    try:
        memoryview(chunk)
    except TypeError:
        text = f"a chunk of a stream is str or bytes, not {chunk!r:.100}"
        raise TypeError(text) from None
    return chunk
