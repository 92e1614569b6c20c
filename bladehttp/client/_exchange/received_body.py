"""ReceivedBody: the body of a response that is received while it is read.

The streams of both clients have one: what becomes of the body of each response on the way to the
final one, the opening of that response, and the decoding of its chunks are the same for both.
"""

from collections.abc import AsyncIterable, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from functools import partial

from bladehttp._data.decoders import ContentDecoder
from bladehttp._message.response import HttpResponse
from bladehttp.client._curl.errors import annotate
from bladehttp.client._curl.response_head import coding_to_decode
from bladehttp.client._curl.stream_sink import StreamSink, ignored
from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._request.prepared import PreparedRequest
from bladehttp.exceptions import BodyTooLarge, DecodingError


class Use(Enum):
    """How the body of a response is used.

    It is read in chunks if the response is the final one, and not received if that of a redirect
    ends its connection. Else it is received, to be dropped or collected, and not decided yet.
    """

    READ = auto()
    NOT_RECEIVED = auto()
    OPEN = auto()


class ReceivedBody:
    """The body of one response of an exchange.

    Attributes:
        response: The response; None until its head was received, and when the stream is closed.
        sink: The sink that libcurl writes the body to.
    """

    __slots__ = ("response", "sink")

    def __init__(self, sink: StreamSink) -> None:
        """Create the body of the next response."""
        self.sink = sink
        self.response: HttpResponse | None = None

    def use(self, exchange: Exchange) -> Use:
        """Decide how the body is used, as far as the response is known."""
        sink = self.sink
        if exchange.is_final(sink.has_begun):
            return Use.READ
        if exchange.can_follow_now:
            return Use.NOT_RECEIVED
        if sink.has_begun:
            (sink.drop if exchange.is_redirect else sink.collect)()
        return Use.OPEN

    def open(
        self, exchange: Exchange, source: Iterable[bytes] | AsyncIterable[bytes]
    ) -> HttpResponse:
        """Return the final response, its body still to be received.

        Args:
            exchange: The exchange.
            source: The stream that the response reads its body from.

        Raises:
            ProtocolError: The head is not that of a response.
            BaseException: An exception of a hook.
        """
        self.sink.open()
        return exchange.open_response(partial(self._begin, source))

    def _begin(
        self, source: Iterable[bytes] | AsyncIterable[bytes], response: HttpResponse
    ) -> None:
        self.response = response
        response._open(source)

    def close(self) -> None:
        """Release the response, its exception, and the chunks that will not be read.

        The response refers to the stream that has this body: it would be kept, with its content,
        until the next collection of garbage.
        """
        if self.response is not None:
            self.response._forget_error()
        self.response = None
        self.sink.chunks.clear()


NO_BODY = ReceivedBody(StreamSink(ignored))
"""The body before a request is made."""


class DecodingStage:
    """A stage that decodes the Content-Encoding of a streamed body; see `ContentDecoder`."""

    def __init__(self, request: PreparedRequest, body: ReceivedBody) -> None:
        """Create a stage for the body of a response that is open."""
        self._request = request
        self._body = body
        settings, response, coding = request.settings, body.response, ""
        if response is not None:
            coding = coding_to_decode(settings.accept_encoding, response.status, response.headers)
        self._decoding = ContentDecoder(coding, settings.max_body_size)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the decoded content of a chunk.

        Raises:
            DecodingError: The body does not match its coding.
            BodyTooLarge: It becomes longer than ``max_body_size``.
        """
        with self._told():
            yield from self._decoding.feed(chunk)

    def finish(self) -> Iterator[bytes]:
        """Yield the rest of the decoded content; raises as `feed` does."""
        with self._told():
            yield from self._decoding.finish()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (DecodingError, BodyTooLarge) as error:
            raise annotate(error, self._request.info(), self._body.response) from error.__cause__
