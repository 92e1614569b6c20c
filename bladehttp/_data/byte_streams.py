"""Streams of byte chunks: transform them, and read them as blocks or lines, with or without await.

A `Transform` is fed chunks and yields its output; `transformed`, `TransformedStream` and
`AsyncTransformedStream` run one over an iterable. A `BodyReader` buffers a body that is being
received and returns it as blocks or lines.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from io import BytesIO
from typing import Any, Protocol, TypeVar

from bladehttp._data.charsets import BOMS, LINE_ENDS, NARROW_LINE_ENDS, WIDE, errors_of
from bladehttp.exceptions import HttpException, IncompleteBody

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

WINDOW = 8 * 1024
"""Bytes that are split into lines at a time. Blocks read in between discard the split."""


class Transform(Protocol[T_co]):
    """Transforms a stream of chunks: `feed` is called for each chunk, `finish` at the end."""

    def feed(self, chunk: bytes) -> Iterable[T_co]: ...
    def finish(self) -> Iterable[T_co]: ...


class UnreadBuffer:
    """Bytes of a body that were received and not read by the caller yet.

    Attributes:
        is_over: Whether the body is complete.
        has_given: Whether any bytes were read by an iterator.
    """

    __slots__ = (
        "_at", "_codec", "_cr", "_data", "_errors", "_find", "_has_begun", "_lf", "_lines",
        "_scanned", "_skip", "has_given", "is_over",
    )  # fmt: skip

    def __init__(self, codec: str) -> None:
        """Take the codec that lines are decoded with."""
        self._data: bytes | bytearray = b""
        self._at = 0  # start of the unread bytes
        self._scanned = 0  # no line ends before here
        self._skip = b""  # the LF of a CRLF whose CR has ended a line already
        self._has_begun = self.is_over = self.has_given = False
        self._use(codec)

    def _use(self, codec: str) -> None:
        self._codec = codec
        self._errors = errors_of(codec)
        self._lines: Iterator[bytes] = iter(())  # split lines at the start of the unread bytes
        self._find, self._cr, self._lf = LINE_ENDS.get(codec, NARROW_LINE_ENDS)

    def __len__(self) -> int:
        return len(self._data) - self._at

    def append(self, chunk: bytes) -> None:
        """Append received bytes; linear time in total."""
        if not self:
            self._data = chunk
            self._at = self._scanned = 0
        else:
            if not isinstance(self._data, bytearray):
                self._data = bytearray(memoryview(self._data)[self._at :])
            else:
                del self._data[: self._at]
            self._scanned = max(self._scanned - self._at, 0)
            self._at = 0
            self._data += chunk
        if self._skip and len(self) >= len(self._skip):
            if self._data.startswith(self._skip, self._at):
                self._at += len(self._skip)
            self._scanned = self._at
            self._skip = b""

    def copy(self, size: int) -> bytes:
        """Return the first bytes without removing them."""
        return bytes(self._data[self._at : self._at + size])

    def put_back(self, data: bytes, has_given: bool) -> None:
        """Put read bytes back to the front, and restore `has_given`."""
        self._lines = iter(())
        self._data = data + self.copy(len(self))
        self._at = self._scanned = 0
        self._has_begun = self.has_given = has_given

    def take(self, size: int | None) -> bytes | None:
        """Return a block, None if it is incomplete or the body is over.

        Args:
            size: In bytes; None for everything received.
        """
        here = len(self)
        if not here or (size is not None and here < size and not self.is_over):
            return None
        self._has_begun = self.has_given = True
        self._skip = b""
        self._lines = iter(())
        if size is None or size >= here:
            block = bytes(self._data if not self._at else memoryview(self._data)[self._at :])
            self._data = b""
            self._at = self._scanned = 0
            return block
        end = self._at + size
        block = bytes(self._data[self._at : end])
        self._at = self._scanned = end
        return block

    def take_line(self) -> str | None:
        """Return the next line without its end, None if it is incomplete or the body is over.

        A line ends in CRLF, CR or LF only: NEL, FF and U+2028 are part of the text. A CR ends it at
        once; a following LF is skipped.
        """
        for whole in self._lines:
            self._at += len(whole)
            return whole.rstrip(b"\r\n").decode(self._codec, self._errors)
        self._scanned = max(self._scanned, self._at)
        if not self._has_begun and not self._see_beginning():
            return None
        return self.take_line() if self._split() else self._single_line()

    def _split(self) -> bool:
        """Split the next lines at once, if they end in LF and characters are single bytes."""
        if self._codec in WIDE:
            return False
        end = self._data.rfind(b"\n", self._at, self._at + WINDOW) + 1
        if not end:
            return False
        self.has_given = True
        self._lines = iter(bytes(self._data[self._at : end]).splitlines(keepends=True))
        return True

    def _single_line(self) -> str | None:
        found = self._find(self._data, self._scanned)
        if found is not None:
            stop, end = found.span(1)
            if len(self._data) - end < len(self._lf) and found[1] == self._cr:
                self._skip = self._lf
        elif self.is_over and self:
            stop = end = len(self._data)
        else:
            here = len(self._data) - self._at
            self._scanned = self._at + here - here % len(self._lf)
            return None
        line = self._data[self._at : stop].decode(self._codec, self._errors)
        self._at = self._scanned = end
        self.has_given = True
        return line

    def _see_beginning(self) -> bool:
        """Remove a byte order mark, which sets the codec; False if more bytes are needed."""
        head = self.copy(3)
        if not self.is_over and any(bom.startswith(head) and bom != head for bom, _ in BOMS):
            return False
        self._has_begun = True
        for bom, codec in BOMS:
            if head.startswith(bom):
                self._at = self._scanned = self._at + len(bom)
                self._use(codec)
                break
        return True


class BodyReader:
    """Reads a body that is being received.

    Received, unread bytes are kept here and not in an iterator: abandoning an iterator loses
    nothing, and another of any kind continues. An exception that ended the body is raised again by
    every later read, until `forget_error`.

    Attributes:
        unread: The received bytes that were not read yet.
        events: The `EventReader` of a body that is read as events, None before.
    """

    __slots__ = ("_chunks", "_error", "_source", "events", "unread")

    def __init__(self, source: Any, codec: str) -> None:
        """Take an iterable of bytes, plain or asynchronous, and the codec of its lines."""
        self._source = source
        self._chunks: Any = None
        self._error: HttpException | None = None
        self.events: Any = None
        self.unread = UnreadBuffer(codec)

    def blocks(self, size: int | None) -> Callable[[], bytes | None]:
        """Return a function that takes blocks of `size` bytes, or chunks as they come for None.

        The last block may be shorter.

        Raises:
            ValueError: The size is 0 or less.
        """
        if size is not None and size < 1:
            raise ValueError(f"chunk_size is at least 1, not {size!r}")
        take = self.unread.take
        return lambda: take(size)

    def items(self, take: Callable[[], T | None]) -> Iterator[T]:
        """Yield the items ``take`` returns, and receive more whenever it returns None."""
        while True:
            item = take()
            if item is not None:
                yield item
            elif self.unread.is_over:
                return
            else:
                self.receive()

    def receive(self) -> None:
        """Receive the next chunk, or the end.

        Raises:
            HttpException: The body ends early or cannot be decoded.
        """
        if self._error is not None:
            raise self._error
        if self._chunks is None:
            self._chunks = iter(self._source)
        try:
            self._received(next(self._chunks, None))
        except HttpException as error:
            self._fail(error)
            raise

    async def areceive(self) -> None:
        """`receive`, awaited. Cancellation loses nothing."""
        if self._error is not None:
            raise self._error
        if self._chunks is None:
            self._chunks = as_async_iterator(self._source)
        try:
            self._received(await anext(self._chunks, None))
        except HttpException as error:
            self._fail(error)
            raise

    def _received(self, chunk: bytes | None) -> None:
        if chunk is None:
            self.unread.is_over = True
        elif chunk:
            self.unread.append(chunk)

    def _fail(self, error: HttpException) -> None:
        self._error = error
        if isinstance(error, IncompleteBody):
            error.partial = self.unread.copy(len(self.unread))

    def forget_error(self) -> None:
        """Release the exception that ended the body: its traceback refers to this reader."""
        self._error = None

    def read_all(self) -> bytes:
        """Return all unread bytes, received to the end. After an error they stay unread."""
        whole, before = BytesIO(), self.unread.has_given
        try:
            for chunk in self.items(self.blocks(None)):
                whole.write(chunk)
        except BaseException as error:
            self._restore(whole, before, error)
            raise
        self.unread.has_given = before
        return whole.getvalue()

    async def aread_all(self) -> bytes:
        """`read_all`, awaited. The event loop is not blocked by a copy of the whole body."""
        whole, before = BytesIO(), self.unread.has_given
        try:
            async for chunk in AsyncItems(self, self.blocks(None)):
                whole.write(chunk)
        except BaseException as error:
            self._restore(whole, before, error)
            raise
        self.unread.has_given = before
        return whole.getvalue()

    def _restore(self, whole: BytesIO, has_given: bool, error: BaseException) -> None:
        self.unread.put_back(whole.getvalue(), has_given)
        if self._error is not None and error is self._error:
            self._fail(self._error)

    def fill(self, size: int) -> None:
        """Receive until `size` bytes are buffered, or the end."""
        while len(self.unread) < size and not self.unread.is_over:
            self.receive()

    async def afill(self, size: int) -> None:
        """`fill`, awaited."""
        while len(self.unread) < size and not self.unread.is_over:
            await self.areceive()


class AsyncItems(AsyncIterator[T]):
    """The items of a `BodyReader`, received as needed."""

    def __init__(self, reader: BodyReader, take: Callable[[], T | None]) -> None:
        self._reader = reader
        self._take = take

    async def __anext__(self) -> T:
        while True:
            item = self._take()
            if item is not None:
                return item
            if self._reader.unread.is_over:
                raise StopAsyncIteration
            await self._reader.areceive()


def transformed(transform: Transform[T], chunks: Iterable[bytes]) -> Iterator[T]:
    """Yield the output of a transform over chunks."""
    for chunk in chunks:
        yield from transform.feed(chunk)
    yield from transform.finish()


class TransformedStream(Iterator[T]):
    """The output of a transform over chunks, as `transformed`.

    An exception from the chunks does not end it: a generator would be finished then, which looks
    like the end of the body to the next read.
    """

    def __init__(self, transform: Transform[T], chunks: Iterable[bytes]) -> None:
        """Take a transform and its input."""
        self._transform = transform
        self._chunks = iter(chunks)
        self._made: Iterator[T] = iter(())
        self._is_over = False

    def __next__(self) -> T:
        while True:
            for made in self._made:
                return made
            if self._is_over:
                raise StopIteration
            try:
                self._made = iter(self._transform.feed(next(self._chunks)))
            except StopIteration:
                self._is_over = True
                self._made = iter(self._transform.finish())


class AsyncTransformedStream(AsyncIterator[T]):
    """`TransformedStream` over an asynchronous iterable. A cancelled read loses nothing."""

    def __init__(self, transform: Transform[T], chunks: AsyncIterable[bytes]) -> None:
        """Take a transform and its input."""
        self._transform = transform
        self._chunks = aiter(chunks)
        self._made: Iterator[T] = iter(())
        self._is_over = False

    async def __anext__(self) -> T:
        while True:
            for made in self._made:
                return made
            if self._is_over:
                raise StopAsyncIteration
            try:
                self._made = iter(self._transform.feed(await anext(self._chunks)))
            except StopAsyncIteration:
                self._is_over = True
                self._made = iter(self._transform.finish())


class _AsyncAdapter(AsyncIterator[T]):
    """An asynchronous iterator over a plain iterable."""

    def __init__(self, things: Iterable[T]) -> None:
        self._things = iter(things)

    async def __anext__(self) -> T:
        for thing in self._things:
            return thing
        raise StopAsyncIteration


def as_async_iterator(things: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    """Return an asynchronous iterator over either kind of iterable.

    Raises:
        TypeError: It is neither.
    """
    return aiter(things) if isinstance(things, AsyncIterable) else _AsyncAdapter(things)
