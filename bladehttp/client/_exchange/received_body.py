"""ReceivedBody: the body of a response that is received while it is read.

The streams of both clients have one: what becomes of the body of each response on the way to the
final one, the opening of that response, and the decoding of its chunks are the same for both.
"""

from collections.abc import AsyncIterable, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum, auto

from bladehttp._data.decoders import ContentDecoder
from bladehttp._message.response import HttpResponse
from bladehttp.client._curl.errors import annotate
from bladehttp.client._curl.response_head import coding_to_decode
from bladehttp.client._curl.stream_sink import StreamSink
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
        response: The response; unset until its head was received.
        sink: The sink that libcurl writes the body to.
    """

    __slots__ = ("_exchange", "_source", "response", "sink")

    response: HttpResponse

    def __init__(
        self,
        exchange: Exchange,
        sink: StreamSink,
        source: Iterable[bytes] | AsyncIterable[bytes],
    ) -> None:
        """Create the body of the next response.

        Args:
            exchange: The exchange.
            sink: The sink of the body.
            source: The stream that the response reads its body from.
        """
        self._exchange = exchange
        self._source = source
        self.sink = sink

    def use(self) -> Use:
        """Decide how the body is used, as far as the response is known."""
        exchange, sink = self._exchange, self.sink
        if exchange.is_final(sink.has_begun):
            return Use.READ
        if exchange.can_follow_now:
            return Use.NOT_RECEIVED
        if sink.has_begun:
            (sink.drop if exchange.is_redirect else sink.collect)()
        return Use.OPEN

    def open(self) -> HttpResponse:
        """Return the final response, its body still to be received.

        Raises:
            ProtocolError: The head is not that of a response.
            BaseException: An exception of a hook.
        """
        self.sink.open()
        return self._exchange.open_response(self._begin)

    def _begin(self, response: HttpResponse) -> None:
        self.response = response
        response._open(self._source)

    def stage(self) -> "DecodingStage":
        """Return the stage that decodes the chunks."""
        return DecodingStage(self._exchange.request, self.response)


class DecodingStage:
    """A stage that decodes the Content-Encoding of a streamed body; see `ContentDecoder`."""

    def __init__(self, request: PreparedRequest, response: HttpResponse) -> None:
        """Create a stage for the body of a response."""
        self._request = request
        self._response = response
        settings = request.settings
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
            raise annotate(error, self._request.info(), self._response) from error.__cause__
