"""What a handler gives after it has returned, from any thread: an answer, or a body's chunks.

Nothing here knows who waits for it. A server's loop asks to be told; what has a thread of its own
(a WSGI server's worker) waits or iterates.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError, wait
from threading import Condition
from typing import Any, Self

CHANNEL_LIMIT = 256 * 1024
"""Most bytes that wait in a channel: a client that takes less than it is sent is left."""

NOT_YET: Any = object()
"""In place of a chunk: none is here now."""

END: Any = object()
"""In place of a chunk: there will be none."""


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
    """An answer that is given later; see `HttpResponse.defer`.

    Attributes:
        timeout: Milliseconds until it is too late. 0: no limit.
    """

    __slots__ = ("_future", "timeout")

    def __init__(self, timeout: int) -> None:
        """Wait for `send` or `fail`."""
        self.timeout: int = timeout
        self._future: Future[None] = Future()

    def send(self) -> bool:
        """Send the response as it is now. From any thread.

        Returns:
            Whether it goes out: False if it is too late, was done before, or the client has gone.
        """
        try:
            self._future.set_result(None)
        except InvalidStateError:
            return False
        return True

    def fail(self, error: BaseException) -> bool:
        """Answer 500 and report an error, as if a handler had raised it. From any thread.

        An `Abort` is the answer itself, as it is when a handler raises it.

        Returns:
            As `send`.
        """
        try:
            self._future.set_exception(error)
        except InvalidStateError:
            return False
        return True

    def give_up(self) -> None:
        """Make what comes from now on too late."""
        self._future.cancel()

    def then(self, call: Callable[[], None]) -> None:
        """Call a function on whichever thread it is done, also if it was or is given up."""
        self._future.add_done_callback(lambda _: call())

    @property
    def given_up(self) -> bool:
        """Whether it is too late."""
        return self._future.cancelled()

    def wait(self) -> None:
        """Wait until it is done; when its time has passed, give it up."""
        wait([self._future], self.timeout / 1000 or None)
        self.give_up()

    def check(self) -> None:
        """Return if it was sent; to be called when it is done.

        Raises:
            CancelledError: It was given up; see `given_up`, as `fail` can be given one, too.
            BaseException: What `fail` was given.
        """
        self._future.result(0)


class Delay(Deferred):
    """An answer that is complete and waits until its time has passed; see `HttpResponse.delay`."""

    __slots__ = ()

    def give_up(self) -> None:
        """Send it: when its time has passed it is not too late, it is due."""
        self.send()


class Channel(Iterator[bytes]):
    """A body that is written chunk by chunk from any thread; see `HttpResponse.channel`.

    Iterated over it waits for each chunk. A loop uses `take` instead, which does not.

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
        self._quiet = False
        self._wake: Callable[[], None] = lambda: None

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written."""
        return self._closed

    def write(self, data: str | bytes) -> bool:
        """Send a chunk; a str as UTF-8. From any thread, without waiting.

        Returns:
            False if it does not go out: the channel was closed, the client has gone, or it is so
            slow that more than the limit waits. Such a client's connection is reset.

        Raises:
            TypeError: Neither str nor bytes.
        """
        chunk = data.encode() if isinstance(data, str) else bytes(memoryview(data))
        with self._changed:
            if self._closed:
                return False
            self._overflowed = self._size + len(chunk) > self._limit and bool(self._chunks)
            self._closed = self._overflowed
            if chunk and not self._overflowed:
                self._chunks.append(chunk)
                self._size += len(chunk)
            self._quiet = False
            self._changed.notify()
        self._wake()
        return not self._overflowed

    def close(self) -> None:
        """End the body after what was written. Again does no harm."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._wake()

    def beat(self) -> None:
        """Note that a heartbeat's time has passed; in a second one without a chunk send a sign."""
        if self._quiet:
            self.write(self.heartbeat_data())
        self._quiet = True

    def heartbeat_data(self) -> bytes:
        """Return what is sent as a sign of life."""
        return b""

    def attach(self, wake: Callable[[], None]) -> None:
        """Have a function called, on whichever thread, when `take` has something to give."""
        self._wake = wake

    def take(self) -> Any:
        """Return the next chunk, NOT_YET, or END.

        Raises:
            BufferError: The client was too slow.
        """
        with self._changed:
            if self._overflowed:
                raise BufferError(f"a client has left more than {self._limit} bytes waiting")
            if self._chunks:
                chunk = self._chunks.popleft()
                self._size -= len(chunk)
                return chunk
            return END if self._closed else NOT_YET

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
