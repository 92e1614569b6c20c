"""RequestReader: feed bytes, take complete requests.

The verdict on a byte stream depends on its bytes alone, not on how it was split: lines are judged
one by one in order, each by the first byte that decides. The one shortcut, for a head that came
whole, only ever accepts: what it does not take is judged line by line.
"""

from copy import copy
from dataclasses import dataclass
from enum import IntEnum
from typing import IO

from bladehttp._data.headers import Pairs
from bladehttp._wire import framing, grammar
from bladehttp._wire.body import Chunked, Decoder, FixedLength, StoredBody
from bladehttp._wire.buffer import ReceiveBuffer
from bladehttp._wire.head import NO_FIELDS, FieldBlock, HeadParser, check_together
from bladehttp._wire.limits import Limits
from bladehttp._wire.request_line import RequestLine, make_line
from bladehttp.exceptions import ProtocolError

NO_LINE = make_line("", "", 1, path="")
"""Stands for a request line that was not received, or was malformed."""

# As many bytes of a request line's beginning are looked at before its end is here: enough for
# any registered method and its space.
START_BYTES = 32


@dataclass(slots=True)
class Request:
    """One complete request as received.

    Attributes:
        line: The parsed request line.
        fields: The parsed fields.
        keep_alive: Whether the client lets the connection be used again (RFC 9112 section 9.3).
        body: The content, without chunked framing; b"" if there is none or it is in ``file``.
        file: A temporary file with the content, positioned at its beginning, if it is longer than
            `Limits.spool`. The receiver of the request closes it.
        trailers: The trailer fields of a chunked body.
    """

    line: RequestLine
    fields: FieldBlock
    keep_alive: bool
    body: bytes = b""
    file: IO[bytes] | None = None
    trailers: Pairs = ()

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for 100 (Continue); never in HTTP/1.0 (RFC 9110 10.1.1)."""
        return self.line.minor > 0 and "100-continue" in self.fields.expectations

    def close(self) -> None:
        """Close the temporary file, if there is one."""
        if self.file is not None:
            self.file.close()


@dataclass(slots=True)
class OpenBody:
    """A body that is arriving: its request, decoder and the bytes stored."""

    request: Request
    decoder: Decoder
    stored: StoredBody


class Phase(IntEnum):
    """The progress of a request."""

    IDLE = 0
    """No bytes were received."""
    HEAD = 1
    """Part of the head was received."""
    BODY = 2
    """The head was received, and possibly part of the body."""
    FAILED = 3
    """The bytes are not a request; later bytes are ignored."""


WITHIN_REQUEST = frozenset({Phase.HEAD, Phase.BODY})
"""The phases between the first byte of a request and its last."""

WholeRequest = tuple[RequestLine, FieldBlock, bool, bytes]
"""A request as `Request` has it: line, fields, keep_alive, body."""


def parse_whole_request(data: bytes, parser: HeadParser, last: FieldBlock) -> WholeRequest | None:
    """Return the request in some bytes, if they are exactly one, with its whole body.

    Most requests come like that, and need no `RequestReader`. Whatever is incomplete, chunked or
    malformed is for one: None.

    The verdict is the reader's, since the same functions check each part. Only what they do not
    see is to be checked here: the lengths of the parts.

    Args:
        data: Bytes received after a complete request, or as the first of a connection.
        parser: Parses heads.
        last: The fields of the connection's last request, which most likely repeat; `NO_FIELDS`
            before the first.
    """
    line_end = data.find(b"\r\n")
    fields: FieldBlock | None = last
    if last.lines and data.startswith(last.lines, line_end + 2):  # cheaper than by their hash
        end = line_end + 2 + len(last.lines)
    else:
        end = data.find(b"\r\n\r\n", line_end) + 4
        fields = parser.whole_block(data[line_end + 2 : end]) if end >= 4 else None
    if fields is None or end > parser.limits.head or len(data) - end != fields.body_length:
        return None
    start = data[:line_end]
    line = parser.lines.get(start) or parser.whole_line(start)
    if line is None:
        return None
    if fields.is_plain and line.minor:
        return line, fields, not fields.closes, b""
    limits = parser.limits_for(line, fields)
    try:
        keep_alive = check_together(line, fields, limits)
    except ProtocolError:
        return None
    body = data[end:]
    return (line, fields, keep_alive, body) if len(body) <= limits.spool else None


class RequestReader:
    """Turns the bytes of one connection into requests.

    Attributes:
        buffer: The received bytes that were not parsed yet. Read only.
        last: The fields of the last request, as for `parse_whole_request`.
        phase: The progress of the request that `take_request` will return next.
        received: Bytes that were fed so far.
        needs_continue: The head is complete, the client waits for 100 (Continue) and has sent
            nothing of the body.
    """

    __slots__ = (
        "_body",
        "_empty_lines",
        "_error",
        "_fields",
        "_head_bytes",
        "_line",
        "_lines",
        "_parser",
        "buffer",
        "last",
        "needs_continue",
        "phase",
        "received",
    )

    def __init__(self, parser: HeadParser, last: FieldBlock = NO_FIELDS) -> None:
        """Read with the limits of a parser, which may be shared."""
        self._parser = parser
        self.last = last
        self.received: int = 0
        self.buffer = ReceiveBuffer()
        self._error: ProtocolError | None = None
        self._start_request()

    def _start_request(self) -> None:
        self.phase = Phase.IDLE
        self.needs_continue = False
        self._empty_lines = 0
        self._line: RequestLine | None = None
        self._fields = NO_FIELDS
        self._head_bytes = 0
        self._lines: list[bytes] = []
        self._body: OpenBody | None = None

    @property
    def partial(self) -> Request:
        """The known part of the current request: its line and fields, or less.

        Its method and path are "" before the request line is known; it has no fields before all of
        them are.
        """
        if self._body is not None:
            return self._body.request
        return Request(self._line or NO_LINE, self._fields, keep_alive=False)

    def feed(self, data: bytes) -> None:
        """Append received bytes. After an error they are ignored."""
        self.received += len(data)
        if self._error is None:
            self.buffer.feed(data)

    @property
    def has_head(self) -> bool:
        """Whether the head of the current request is known: `partial` has its fields."""
        return self.partial.fields is not NO_FIELDS

    @property
    def is_within_request(self) -> bool:
        """Whether part of a request was received, and more of it has to come."""
        return self.phase in WITHIN_REQUEST

    def feed_eof(self) -> None:
        """Note the end of the bytes.

        Raises:
            ProtocolError: In the middle of a request (RFC 9112 section 8).
        """
        if self.is_within_request:
            raise self._fail(ProtocolError("the connection ended within a request"))

    def close(self) -> None:
        """Discard the buffer and a temporary file."""
        if self._body is not None:
            self._body.stored.close()
        self.buffer.clear()

    def take_request(self) -> Request | None:
        """Return the next complete request, None if bytes are missing.

        Raises:
            ProtocolError: The bytes are not a request, or exceed a limit; answer with ``status``.
                Every later call raises the same.
        """
        if self._error is not None:
            raise copy(self._error)
        try:
            if self._body is not None:
                return self._take_body(self._body)
            request = self._take_whole_head() if self._line is None else None
            request = request or self._take_head()
            if request is not None and request.fields.body_length:
                return self._take_body(self._open_body(request))
            if self._line is not None and request is not None:
                self._start_request()
            return request
        except ProtocolError as error:
            raise self._fail(error) from None

    def _fail(self, error: ProtocolError) -> ProtocolError:
        self.close()
        self.phase = Phase.FAILED
        self.needs_continue = False
        self._error = copy(error)  # the traceback of the error itself refers to the reader
        return error

    def _take_head(self) -> Request | None:
        while self._line is None:
            if not self._take_request_line():
                return None
        return self._take_fields(self._line)

    def _take_whole_head(self) -> Request | None:
        """Take a head of which all bytes are here, unless it has to be judged line by line."""
        parser, last = self._parser, self.last
        start = self.buffer.take_before(last.lines, parser.longest_line) if last.lines else None
        fields: FieldBlock | None = last
        if start is None:
            limits = parser.limits
            head = self.buffer.peek_head()
            if head is None:
                return None
            start, lines = head
            size = len(start) + 2 + len(lines)
            if size > limits.head or not 0 < len(start) <= limits.request_line - 2:
                return None
            fields = parser.whole_block(lines)
            if fields is None:
                return None
            self.buffer.skip(size)
        assert fields is not None
        line = parser.request_line(start)
        if fields.lines:
            self.last = fields
        if fields.is_plain and line.minor:
            self._empty_lines = 0
            return Request(line, fields, not fields.closes)
        self._line, self._fields = line, fields
        return Request(line, fields, check_together(line, fields, parser.limits_for(line, fields)))

    def _take_request_line(self) -> bool:
        """Take the request line or an empty line before it; False if neither was received."""
        limits = self._parser.limits
        start = self.buffer.peek(min(START_BYTES, limits.request_line))
        if start and start[0] not in b"\r\n" and not grammar.request_line_start(start):
            raise ProtocolError(f"not a request line: {start!r}")
        line = self.buffer.take_line(limits.request_line, too_long=414)
        if line is None:
            self.phase = Phase.HEAD if self.buffer else Phase.IDLE
            return False
        if line:
            self.phase = Phase.HEAD
            self._line = self._parser.request_line(line)
            self._head_bytes = len(line) + 2
            return True
        self._empty_lines += 1  # RFC 9112 section 2.2: ignore at least one before a request line
        if self._empty_lines > limits.empty_lines:
            raise ProtocolError("too many empty lines before a request")
        return True

    def _take_fields(self, start: RequestLine) -> Request | None:
        limits = self._parser.limits
        while True:
            longest = min(limits.field_line, limits.head - self._head_bytes)
            line = self.buffer.take_line(longest, too_long=431)
            if line is None:
                return None
            if not line:
                break
            self._head_bytes += len(line) + 2
            if len(self._lines) >= limits.fields:
                raise ProtocolError(f"more than {limits.fields} fields", status=431)
            self._parser.field(line)
            self._lines.append(line)
        fields = self._fields = self._parser.field_block(
            self._lines, b"\r\n".join([*self._lines, b"", b""])
        )
        keep_alive = check_together(start, fields, self._parser.limits_for(start, fields))
        if fields.lines:
            self.last = fields
        return Request(start, fields, keep_alive)

    def _open_body(self, request: Request) -> OpenBody:
        limits = self._parser.limits_for(request.line, request.fields)
        length = request.fields.body_length
        decoder: Decoder = (
            Chunked(limits, self._parser.field)
            if length == framing.CHUNKED
            else FixedLength(length)
        )
        self._body = OpenBody(request, decoder, StoredBody(limits.spool, length))
        self.phase = Phase.BODY
        # RFC 9110 section 10.1.1: 100 may be left out when the body is already coming.
        self.needs_continue = request.expects_continue and not self.buffer
        return self._body

    def _take_body(self, body: OpenBody) -> Request | None:
        if self.buffer:
            self.needs_continue = False
        if not body.decoder.take(self.buffer, body.stored):
            return None
        file = body.stored.file
        if file is not None:
            file.seek(0)
        request = body.request
        request.body, request.file = body.stored.getvalue(), file
        request.trailers = body.decoder.trailers
        self._start_request()
        return request


IDLE_READER = RequestReader(HeadParser(Limits()))
"""Shared by connections without a partial request. Never fed."""
