"""Outbox: the bytes a connection still has to send, in order, with back-pressure.

A stream is asked for its next chunk only when the client has received most of the chunks before,
so a slow reader costs a bounded amount of memory.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from time import monotonic
from typing import Any

from bladehttp._message.deferred import END, NOT_YET, Channel
from bladehttp._message.faults import BodyCut
from bladehttp._message.file_body import FileBody, FileSlice
from bladehttp._message.sse import Events
from bladehttp._wire.writer import LAST_CHUNK, Coding, write_chunk
from bladehttp.server._net.transport import Transport

TURN = 1024 * 1024
"""Most bytes sent on one connection before other connections have their turn."""

TURN_S = 0.01
"""Seconds after which a turn ends early: a stream of short chunks costs much time per byte, and so
does a body that is received in such."""

JOINED = 64 * 1024
"""Chunks are joined into one send up to this size: one system call, one packet where possible.
Larger ones are sent as they are, since copying would cost more."""

LOW_WATER = 64 * 1024
"""A stream is asked for more when fewer bytes than this are waiting."""

MOST_CHUNKS = 1000
"""Most chunks taken from a stream at a time, however short they are."""


class StreamError(Exception):
    """The source of a streamed body raised an exception.

    Attributes:
        reason: The exception.
    """

    def __init__(self, reason: BaseException) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Outbox:
    """Bytes to send, optionally followed by a stream.

    Attributes:
        pending: Bytes waiting, those of the stream excluded.
        sent: Bytes the transport has taken so far.
    """

    __slots__ = (
        "_chunks",
        "_coding",
        "_file",
        "_missing",
        "_source",
        "_starved",
        "_stream",
        "_took",
        "pending",
        "sent",
    )

    def __init__(self, sent: int = 0) -> None:
        """Start empty, with what the connection has sent before."""
        # Few chunks at a time, so pop(0) is cheap. None while empty, as most outboxes are.
        self._chunks: list[bytes | memoryview] | None = None
        self._source: Iterable[Any] | None = None
        self._stream: Iterator[Any] | None = None
        self._file: FileSlice | None = None  # after the chunks, before more of the stream
        self._coding = Coding.NONE
        self._missing = 0
        self._starved = False
        self._took: Callable[[float], None] = _ignore
        self.pending = 0
        self.sent = sent

    @property
    def streaming(self) -> bool:
        """Whether the stream may yield more."""
        return self._stream is not None

    def is_sending(self, source: object) -> bool:
        """Whether the stream is this one."""
        return self._source is source

    @property
    def has_more(self) -> bool:
        """Whether bytes are waiting, or the stream may yield more."""
        return bool(self.pending) or self._stream is not None

    @property
    def starved(self) -> bool:
        """Whether everything available was sent and the stream continues later."""
        return self._starved and not self.pending

    @property
    def is_endless(self) -> bool:
        """Whether there is a stream that goes on until the client leaves: server-sent events."""
        return isinstance(self._source, Events)

    def close_event_stream(self) -> None:
        """Close a stream of server-sent events, which would last until the client leaves."""
        if isinstance(self._source, Events):
            self._source.close()

    def add(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        self.pending += len(data)
        if self._chunks is None:
            self._chunks = [data]
        else:
            self._chunks.append(data)

    def stream(
        self,
        source: Iterable[Any],
        coding: Coding,
        length: int,
        took: Callable[[float], None] | None = None,
    ) -> None:
        """Append a stream; nothing can be added until it ends.

        Args:
            source: Yields bytes-like chunks. Its ``close`` method, if any, is called at the end.
                Long slices of a `FileBody` are sent by the kernel (sendfile).
            coding: The framing that was announced; NONE closes the source unread.
            length: The length that was announced if the coding is LENGTH.
            took: Called with the seconds that the source took for some chunks.
        """
        self._source = source
        self._took = took or _ignore
        self._coding = coding
        self._missing = length
        if coding is Coding.NONE:
            self._end_stream()
        elif coding is Coding.LENGTH and isinstance(source, FileBody):
            self._stream = iter(source.parts)
        elif isinstance(source, Channel):
            self._stream = iter(source.take, None)
        else:
            self._stream = iter(source)

    def first(self) -> None:
        """Ask a stream for its first chunk, while there is still time for another answer.

        Raises:
            StreamError: The stream raised something, or its first chunk is not bytes.
        """
        stream = self._stream
        if stream is None or isinstance(self._source, Channel | FileBody):
            return
        begun, took = monotonic(), self._took
        try:
            chunk = next(stream, END)
            if chunk is not END:
                memoryview(chunk)
                self._stream = chain((chunk,), stream)
        except BodyCut as cut:
            self._stream = _Raising(cut)  # a requested fault comes after the head
        except BaseException as error:
            raise StreamError(error) from error
        finally:
            took(monotonic() - begun)

    def mark(self) -> tuple[int, int]:
        """Return the state that `take_back` restores: the number of waiting chunks and bytes."""
        return len(self._chunks or ()), self.pending

    def take_back(self, mark: tuple[int, int]) -> None:
        """Drop everything added since a mark, and close the stream."""
        if self._chunks is not None:
            del self._chunks[mark[0] :]
        self._chunks = self._chunks or None
        self.pending = mark[1]
        self._end_stream()

    def send(self, transport: Transport) -> bool:
        """Send as much as the transport takes, up to `TURN` and for `TURN_S`.

        Returns:
            Whether nothing is left, in the transport's own buffer included.

        Raises:
            OSError: The connection is lost.
            StreamError: The stream raised, or yielded more or less than announced.
        """
        if self._stream is not None or self.pending > JOINED or transport.blocked:
            return self._send_much(transport)
        chunks = self._chunks
        if chunks is None:
            return True
        # Complete responses, possibly of pipelined requests.
        whole = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        taken = transport.send(whole)
        self.sent += taken
        self.pending -= taken
        self._chunks = [memoryview(whole)[taken:]] if self.pending else None
        return not (self.pending or transport.blocked)

    def _send_much(self, transport: Transport) -> bool:
        if transport.blocked:
            transport.flush()
        budget, has_more, until = TURN, True, monotonic() + TURN_S
        while budget > 0:
            if self._stream is not None and has_more:
                self._refill(self._stream, until)
                has_more = not self._starved  # else it is asked again in another turn
            chunks = self._chunks
            if chunks:
                chunk = _joined(chunks)
                part = chunk if len(chunk) <= TURN else memoryview(chunk)[:TURN]
                taken = transport.send(part)
                self.pending -= taken
                if taken < len(chunk):
                    chunks.insert(0, memoryview(chunk)[taken:])
                is_full = taken < len(part)
            else:
                taken = 0 if self._file is None else self._send_file(transport, self._file, budget)
                is_full = not taken
            budget -= taken
            self.sent += taken
            if not self.pending and self._stream is None:
                self._chunks = None
                return not transport.blocked
            if is_full or monotonic() > until:
                break
        return False

    def close(self) -> None:
        """Drop the bytes and close the stream: the connection is lost."""
        self._chunks = None
        self.pending = 0
        self._file = None
        if isinstance(self._source, Channel):
            self._source.lose()
        self._end_stream()

    def _refill(self, stream: Iterator[Any], until: float) -> None:
        """Take more from the stream if few bytes are waiting."""
        self._starved = False
        begun, took = monotonic(), self._took
        try:
            self._take(stream, until)
        except BodyCut as cut:
            if cut.is_reset:  # closing resets the connection while a stream is open
                raise ConnectionAbortedError(str(cut)) from cut
            self._end_stream()
        except BaseException as error:
            raise StreamError(error) from error
        finally:
            took(monotonic() - begun)

    def _take(self, stream: Iterator[Any], until: float) -> None:
        for _ in range(MOST_CHUNKS):
            if self.pending >= LOW_WATER or self._file is not None or monotonic() > until:
                return
            chunk = next(stream, END)
            if chunk is END:
                self._finish_stream()
                return
            if chunk is NOT_YET:
                self._starved = True
                return
            if isinstance(chunk, FileSlice):
                self._add_slice(chunk)
            else:
                self._add_coded(bytes(memoryview(chunk)))

    def _add_slice(self, part: FileSlice) -> None:
        if part.length > JOINED:
            self._count(part.length)
            self._file = part
            return
        for block in part.blocks():
            self._add_coded(block)

    def _send_file(self, transport: Transport, part: FileSlice, budget: int) -> int:
        """Send part of a file with sendfile; return to the stream at its end."""
        file, offset, length = part
        try:
            taken = transport.send_file(file, offset, min(length, budget))
        except EOFError as error:
            raise StreamError(error) from error
        self._file = FileSlice(file, offset + taken, length - taken) if taken < length else None
        return taken

    def _add_coded(self, data: bytes) -> None:
        if not data:
            return
        if self._coding is Coding.CHUNKED:
            self.add(write_chunk(data))
            return
        if self._coding is Coding.LENGTH:
            self._count(len(data))
        self.add(data)

    def _count(self, length: int) -> None:
        self._missing -= length
        if self._missing < 0:
            raise ValueError("a streamed body is longer than its Content-Length")

    def _finish_stream(self) -> None:
        if self._coding is Coding.CHUNKED:
            self.add(LAST_CHUNK)
        elif self._coding is Coding.LENGTH and self._missing:
            raise ValueError(
                f"a streamed body is {self._missing} bytes short of its Content-Length"
            )
        self._end_stream()

    def _end_stream(self) -> None:
        source, self._source, self._stream, self._took = self._source, None, None, _ignore
        close = getattr(source, "close", None)
        if close is not None:
            close()


def _ignore(seconds: float) -> None:
    del seconds


class _Raising(Iterator[Any]):
    """A stream that raises instead of giving a chunk."""

    def __init__(self, cut: BodyCut) -> None:
        self._cut = cut

    def __next__(self) -> Any:
        raise self._cut


def _joined(chunks: list[bytes | memoryview]) -> bytes | memoryview:
    """Take the first chunk and the following ones short enough to be joined to it."""
    joined = [chunks.pop(0)]
    size = len(joined[0])
    while chunks and size + len(chunks[0]) <= JOINED:
        joined.append(chunks.pop(0))
        size += len(joined[-1])
    return b"".join(joined) if len(joined) > 1 else joined[0]
