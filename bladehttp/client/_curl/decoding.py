"""Decoding: the Content-Encoding of a body that was received as a whole."""

from collections.abc import Iterable, Iterator
from itertools import chain
from time import monotonic

from bladehttp._data.byte_streams import transformed
from bladehttp._data.decoders import ContentDecoder, blocks_of
from bladehttp._message.response import HttpResponse
from bladehttp.client._curl.engine import TOTAL
from bladehttp.client._curl.errors import annotate
from bladehttp.client._curl.response_head import coding_to_decode
from bladehttp.client._request.prepared import PreparedRequest
from bladehttp.exceptions import BodyTooLarge, DecodingError, HttpException, TotalTimeout


def partial_body(request: PreparedRequest, response: HttpResponse, deadline: float) -> bytes:
    """Return the received part of a body, decoded as far as possible."""
    coding = _coding(request, response)
    try:
        return _decoded(request, response, coding, deadline, is_whole=False)
    except HttpException:
        return response.body


def decode(request: PreparedRequest, response: HttpResponse, deadline: float) -> None:
    """Decode a body; see `coding_to_decode`."""
    coding = _coding(request, response)
    try:
        response.body = _decoded(request, response, coding, deadline, is_whole=True)
    except (DecodingError, BodyTooLarge, TotalTimeout) as error:
        raise annotate(error, request.info(), response) from error.__cause__


def _coding(request: PreparedRequest, response: HttpResponse) -> str:
    return coding_to_decode(request.settings.accept_encoding, response.status, response.headers)


def _decoded(
    request: PreparedRequest, response: HttpResponse, coding: str, deadline: float, is_whole: bool
) -> bytes:
    """Return the decoded body.

    Raises:
        DecodingError: The body does not match its coding, or the coding is not supported.
        BodyTooLarge: It is longer than ``max_body_size``.
        TotalTimeout: Decoding takes too long.
    """

    def in_time(chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if monotonic() > deadline:
                raise TotalTimeout(f"decoding the body from {request.url.host_port}: {over}")
            yield chunk

    body, settings = response.body, request.settings
    if not body or not coding:
        return body
    over = f"{TOTAL} is over ({settings.total_timeout} ms)"
    decoder = ContentDecoder(coding, settings.max_body_size)
    blocks = in_time(blocks_of(body))
    if is_whole:
        return b"".join(in_time(transformed(decoder, blocks)))
    return b"".join(in_time(chain.from_iterable(map(decoder.feed, blocks))))
