"""What a body says: content codings undone; urlencoded, JSON and multipart content to plain data.

Called with whole bodies only. Every failure is the client's and a ProtocolError: a damaged coding,
broken JSON, truncated multipart and a charset that does not exist are 4xx, never 500.
"""

import io
import json
import math
import mmap
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import parse_qsl, unquote

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from bladehttp.decoders import CODINGS, MOST_CODINGS, ContentDecoder, codings_of
from bladehttp.exceptions import BodyTooLarge, DecodingError, ProtocolError
from bladehttp.pieces import through
from bladehttp.values import Values
from bladehttp.wire.body import BodySink
from bladehttp.wire.limits import Limits
from bladehttp.wire.reader import Request

BLOCK = 64 * 1024
"""Bytes given to a decoder or to the multipart parser at a time."""

CHARSETS = frozenset(
    "utf-8 utf8 us-ascii ascii iso-8859-1 latin-1 latin1 windows-1252 cp1252".split()
)
"""Charsets that text in a form may name: those browsers send. Python knows more, and codecs
such as idna or unicode_escape among them are not for strangers to choose."""

# RFC 9110 section 5.6.6:  parameters = *( OWS ";" OWS [ parameter ] )
# The multipart package knows no name that ends in "*".
parameter = re.compile(r';[ \t]*([^=;"\s]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^;"]*)').finditer

# RFC 9110 section 5.5, which RFC 7578 leaves as it is: none in a field's value, HTAB excepted.
control_character = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search


@dataclass(slots=True)
class Decoded:
    """What a body holds.

    Attributes:
        body: A Values of a form's fields, the value of JSON, bytes for anything else, {} for
            no body, and None for one that stays in its file.
        files: Name to {name, filename, mime, content, size}, and "file" in place of the
            content for one longer than `Limits.spool`.
    """

    body: Any
    files: Values[dict[str, Any]] = field(default_factory=Values)


def parse_query(query: str, limit: int = 1000) -> Values[str]:
    """Return the fields of a query or an urlencoded body; "+" is a space.

    Percent-encoding that is not valid stays; what is not UTF-8 becomes U+FFFD.

    Raises:
        ProtocolError: 413, more fields than the limit.
    """
    if not query:
        return Values()
    try:
        return Values(
            parse_qsl(query, keep_blank_values=True, max_num_fields=limit, errors="replace")
        )
    except ValueError as error:
        raise ProtocolError(f"more than {limit} fields", status=413) from error


def undo_encoding(message: Request, limits: Limits) -> None:
    """Replace a request's content by what it is with its Content-Encoding undone.

    The fields stay as they were sent.

    Raises:
        ProtocolError: 413 if it is longer than `Limits.body` then, 400 if it is not in the
            coding it names or ends early, 415 for a coding that cannot be undone here.
    """
    encoding = message.fields.index.get("content-encoding", "")
    codings = codings_of(encoding)
    if not codings or (not message.body and message.file is None):
        return
    if len(codings) > MOST_CODINGS:
        raise ProtocolError(f"more than {MOST_CODINGS} content codings")
    for coding in codings:
        if coding not in CODINGS:  # RFC 9110 section 8.4: a server MAY answer 415
            raise ProtocolError(f"unknown content coding {coding[:40]!r}", status=415)
    source = message.file or io.BytesIO(message.body)
    sink = BodySink(limits.spool)
    with source:
        try:
            _decode_into(sink, source, ContentDecoder(encoding, limits.body))
        except BodyTooLarge as error:
            sink.close()
            raise ProtocolError(
                f"the body is longer than {limits.body} bytes", status=413
            ) from error
        except DecodingError as error:
            sink.close()
            raise ProtocolError(f"the body's Content-Encoding: {error}") from error
        except BaseException:
            sink.close()
            raise
    message.body, message.file = sink.getvalue(), sink.file


def _decode_into(sink: BodySink, source: IO[bytes], decoder: ContentDecoder) -> None:
    for piece in through(decoder, iter(lambda: source.read(BLOCK), b"")):
        sink.write(piece)
    if sink.file is not None:
        sink.file.seek(0)


def decode(content_type: str, body: bytes, file: IO[bytes] | None, limits: Limits) -> Decoded:
    """Return what a body says, by its Content-Type.

    Args:
        content_type: The field's value, "" if there is none.
        body: The bytes, b"" for a body in ``file`` or none at all.
        file: A temporary file with the body, at its beginning and left there.
        limits: For the number of fields and parts.

    Raises:
        ProtocolError: 400 for what is not as the Content-Type says, 413 for too many parts,
            415 for a charset that is not known.
    """
    if not body and file is None:
        return Decoded({})
    media_type, parameters = parse_options_header(content_type)
    decoder = _decoder_of(media_type)
    if decoder is None:
        return Decoded(None if file else body)
    if file is None:
        return decoder(body, parameters, limits)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return decoder(content, parameters, limits)


Content = bytes | mmap.mmap


def _decode_urlencoded(content: Content, parameters: dict[str, str], limits: Limits) -> Decoded:
    text = content[:].decode(_charset(parameters), "replace")
    return Decoded(parse_query(text, limits.parts))


def _decode_json(content: Content, _: dict[str, str], __: Limits) -> Decoded:
    # RFC 8259 section 8.1: UTF-8 always; a BOM may be ignored. Duplicate names: the last wins.
    try:
        text = content[:].decode("utf-8-sig")
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate cannot be written
        return Decoded(value)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the body is not JSON: {str(error)[:80]}") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    """RFC 8259 section 6 lets a range be set; infinity, which 1e999 makes, has no JSON form."""
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is beyond a double")
    return number


def _decode_multipart(content: Content, parameters: dict[str, str], limits: Limits) -> Decoded:
    boundary = parameters.get("boundary", "").encode("latin-1", "replace")
    # RFC 2046 section 5.1.1: boundary := 0*69<bchars> bcharsnospace
    if not 0 < len(boundary) <= 70:
        raise ProtocolError("multipart without a boundary of 1 to 70 characters")
    decoded = Decoded(Values())
    with ExitStack() as opened:
        try:
            for segment, sink in _parts(content, boundary, limits, opened):
                _add_part(decoded, segment, sink)
        except ParserLimitReached as error:
            raise ProtocolError(f"multipart body: {error}", status=413) from error
        except MultipartError as error:
            raise ProtocolError(f"multipart body: {error}") from error
        _check_end(content, boundary)
        opened.pop_all()  # the parts' files are the caller's now
    return decoded


def _parts(
    content: Content, boundary: bytes, limits: Limits, opened: ExitStack
) -> Iterator[tuple[MultipartSegment, BodySink]]:
    """Yield each part; what ``opened`` closes are the sinks of all of them."""
    parser = PushMultipartParser(
        boundary,
        max_header_count=limits.part_fields,
        max_segment_count=limits.parts,
        strict=True,
    )
    parts: list[tuple[MultipartSegment, BodySink]] = []  # the one that is open, if one is
    with parser:
        for start in range(0, len(content), BLOCK):
            for event in parser.parse(content[start : start + BLOCK]):
                if event is None:
                    yield parts.pop()
                elif isinstance(event, MultipartSegment):
                    parts.append((event, BodySink(limits.spool)))
                    opened.callback(parts[0][1].close)
                    _check_head(event)
                else:
                    parts[0][1].write(event)


def _check_head(segment: MultipartSegment) -> None:
    """Refuse control characters, which the multipart package takes: LF, and NUL in a filename."""
    for name, value in segment.headerlist:
        if control_character(value):
            raise ProtocolError(f"multipart body: control character in {name}: {value[:60]!r}")


def _check_end(content: Content, boundary: bytes) -> None:
    """Refuse what follows the close delimiter: other parsers may see parts there."""
    close = b"--" + boundary + b"--"
    at = 0 if content[: len(close)] == close else content.find(b"\r\n" + close) + 2
    if content[at + len(close) :] not in (b"", b"\r\n"):
        raise ProtocolError("multipart body: data after its end")


def _add_part(decoded: Decoded, segment: MultipartSegment, sink: BodySink) -> None:
    name = segment.name
    filename = _extended_filename(segment) or segment.filename
    if filename is None and segment.content_type is None:
        text = sink.getvalue() if sink.file is None else _read_all(sink.file)
        decoded.body.add(name, text.decode("utf-8", "replace"))
        return
    upload: dict[str, Any] = {
        "name": name,
        "filename": filename,
        "mime": segment.content_type or "application/octet-stream",
        "content": sink.getvalue(),
        "size": sink.size,
    }
    if sink.file is not None:
        sink.file.seek(0)
        upload["file"] = sink.file
    decoded.files.add(name, upload)


def _read_all(file: IO[bytes]) -> bytes:
    with file:
        file.seek(0)
        return file.read()


def _extended_filename(segment: MultipartSegment) -> str | None:
    """Return ``filename*`` decoded (RFC 8187), which RFC 7578 forbids and some clients send."""
    value = segment.header("Content-Disposition")
    if "*" not in value:
        return None
    for match in parameter(value):
        if match[1].lower() == "filename*":
            charset, quote, rest = match[2].strip(" \t").partition("'")
            _, second_quote, encoded = rest.partition("'")
            if quote and second_quote and charset.lower() in CHARSETS:
                return unquote(encoded, charset, "replace")
    return None


def _charset(parameters: dict[str, str]) -> str:
    charset = parameters.get("charset", "utf-8")
    if charset.lower() not in CHARSETS:
        raise ProtocolError(f"unknown charset {charset[:40]!r}", status=415)
    return charset


DECODERS: dict[str, Callable[[Content, dict[str, str], Limits], Decoded]] = {
    "application/x-www-form-urlencoded": _decode_urlencoded,
    "application/json": _decode_json,
    "multipart/form-data": _decode_multipart,
}
"""Media type to the decoder of its content; a type that ends in +json is JSON too (RFC 6839)."""


def _decoder_of(media_type: str) -> Callable[[Content, dict[str, str], Limits], Decoded] | None:
    if media_type.endswith("+json"):
        return _decode_json
    return DECODERS.get(media_type)
