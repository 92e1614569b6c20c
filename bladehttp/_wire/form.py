"""The content of a request decoded: urlencoded, JSON and multipart to plain data.

Takes complete bodies. Every failure is the client's and a ProtocolError: broken JSON, truncated
multipart and an unknown charset are 4xx, never 500.

The sender of a body determines the work of decoding it, and other clients wait meanwhile. So the
work is bounded before it starts: by the bytes to decode (`Limits.decoded`), by the values and
escapes in them (`Limits.values`), and for multipart by parts and the bytes of their heads.
"""

import json
import math
import mmap
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any, NoReturn

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from bladehttp._data.charsets import UTF_8, WIDE, codec_of, scan_json, text_of
from bladehttp._data.multidict import MultiDict
from bladehttp._data.uploads import Upload, read_content
from bladehttp._wire.body import StoredBody
from bladehttp._wire.limits import Limits
from bladehttp._wire.urlencoded import parse_fields, unquote
from bladehttp.exceptions import ProtocolError

BLOCK = 64 * 1024
"""Bytes given to the multipart parser at a time."""

LEGACY_CHARSET = "windows-1252"
"""Charset of the heads of a multipart body's parts if one of them is not UTF-8: forms of pages in
ISO 8859-1, for which browsers take windows-1252 (RFC 7578 section 5.1.2)."""

LONGEST_PADDING = 256
"""Most bytes of transport padding after a delimiter, with the line end."""

# RFC 9110 section 5.6.6:  parameters = *( OWS ";" OWS [ parameter ] )
# The multipart package knows no name that ends in "*".
parameter = re.compile(r';[ \t]*([^=;"\s]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^;"]*)').finditer

# RFC 9110 section 5.5, which RFC 7578 leaves as it is: none in a field's value, HTAB excepted.
control_character = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search


JSON_MARKS = b",:[{"
"""Before each value of JSON but the first is one of these; those in strings are counted too."""

NUMBERS_ALIKE = bytes.maketrans(b"123456789E", b"000000000e")
LONG_NUMBER = "0" * 200
"""Digits of a number that may be beyond a double (308, less an exponent of 2 digits) or slow to
convert (4,300)."""

MOST_LONG_NUMBERS = 200
"""Numbers of 200 digits, or as many digits of longer ones: conversion is quadratic."""

# An exponent of three digits, without which (or LONG_NUMBER) no number of JSON is infinite.
large_exponent = re.compile(rb"[0-9][eE]\+?0*[1-9][0-9]{2}").search

# RFC 9110 section 5.6.6 does not allow a name twice; which one counts depends on the reader.
ONCE = ("boundary", "charset")


NO_FILES: MultiDict[Upload] = MultiDict()


@dataclass(slots=True)
class Decoded:
    """The content of a request, decoded.

    Attributes:
        body: A MultiDict of a form's fields or of a JSON object, another value of JSON, bytes for
            any other type, {} for no body.
        files: Name to an Upload. `NO_FILES`, never to be changed, unless it is multipart.
    """

    body: Any
    files: MultiDict[Upload]


Content = bytes | mmap.mmap
Decoder = Callable[[Content, dict[str, str], Limits], Decoded]


def decode(content_type: str, body: bytes, file: IO[bytes] | None, limits: Limits) -> Decoded:
    """Return the content decoded by its Content-Type.

    Args:
        content_type: The field's value, "" if there is none.
        body: The bytes, b"" for a body in ``file`` or none at all.
        file: A temporary file with the body; it stays open.
        limits: For the number of fields, parts and values, and the bytes that are decoded.

    Raises:
        ProtocolError: 400 for malformed content, 413 beyond a limit, 415 for an unknown charset.
    """
    if not body and file is None:
        return Decoded(MultiDict(), NO_FILES)
    decoder, parameters = _decoder_of(content_type)
    if decoder is None:
        return Decoded(body if file is None else read_content(file), NO_FILES)
    if file is None:
        return decoder(body, parameters, limits)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return decoder(content, parameters, limits)


@lru_cache(maxsize=64)
def _decoder_of(value: str) -> tuple[Decoder | None, dict[str, str]]:
    """Return the decoder for a Content-Type, None for bytes, and the parameters of the type."""
    media_type, parameters = parse_options_header(value)
    if "," in media_type:  # two fields, which something in front has joined
        raise ProtocolError(f"more than one Content-Type: {value[:80]!r}")
    given = [(match[1].lower(), match[2].strip(" \t")) for match in parameter(value)]
    names = [name for name, _ in given]
    for name in ONCE:
        if names.count(name) > 1:
            raise ProtocolError(f"Content-Type has a {name} twice: {value[:80]!r}")
    for name, text in given:
        # "/" and others of RFC 2046's boundary characters have to be quoted, and often are not
        if name == "boundary" and not text.startswith('"'):
            parameters[name] = text
    return _decode_json if media_type.endswith("+json") else DECODERS.get(media_type), parameters


def _text_of(content: Content, limits: Limits) -> bytes:
    """Return a content that is decoded as a whole.

    Raises:
        ProtocolError: 413, it is longer than `Limits.decoded`.
    """
    _check_decoded(len(content), limits)
    return content if type(content) is bytes else content[:]


def _check_decoded(size: int, limits: Limits) -> None:
    if limits.decoded is not None and size > limits.decoded:
        raise ProtocolError(f"more than {limits.decoded} bytes to decode", status=413)


def _decode_urlencoded(content: Content, parameters: dict[str, str], limits: Limits) -> Decoded:
    charset = _charset(parameters)
    data = _text_of(content, limits)
    if limits.values is not None and data.count(b"%") > 2 * limits.values:
        raise ProtocolError(f"more than {2 * limits.values} escapes in a form", status=413)
    return Decoded(parse_fields(data, limits.parts, charset), NO_FILES)


def _decode_json(content: Content, parameters: dict[str, str], limits: Limits) -> Decoded:
    # RFC 8259 section 8.1: UTF-8; a BOM may be ignored. Duplicate names: the last wins.
    data = _text_of(content, limits)
    may_be_infinite = _check_json(data, limits)
    try:
        text = _json_text(data, parameters)
        decoder = FINITE if may_be_infinite else PLAIN
        value = scan_json(decoder, text)
        if "\\" in text and ("\\ud" in text or "\\uD" in text):
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate cannot be written
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the body is not JSON: {str(error)[:80]}") from error
    return Decoded(MultiDict.of(value) if type(value) is dict else value, NO_FILES)


def _json_text(data: bytes, parameters: dict[str, str]) -> str:
    """Return JSON as text: by its charset only where it is not UTF-8, which is often mislabelled.

    Raises:
        UnicodeDecodeError: It is not UTF-8 and names no other charset.
    """
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        codec = codec_of(parameters.get("charset", UTF_8))
        if codec is None or codec == UTF_8 or codec in WIDE:  # what was counted has one byte each
            raise
        return text_of(data, codec)


def _check_json(data: bytes, limits: Limits) -> bool:
    """Return whether there may be numbers in JSON that are beyond a double.

    Raises:
        ProtocolError: 413, there are more values than `Limits.values`, or long numbers.
    """
    size, most = len(data), limits.values
    if most is not None and size > most:  # else there is no room for so many
        marks = size - len(data.translate(None, JSON_MARKS))
        if marks > most:
            raise ProtocolError(f"more than {most} values in JSON", status=413)
    alike = data.translate(NUMBERS_ALIKE).decode("latin-1")  # whose "in" is cheaper
    long_numbers = alike.count(LONG_NUMBER) if size >= len(LONG_NUMBER) else 0
    if most is not None and long_numbers > MOST_LONG_NUMBERS:
        raise ProtocolError("too many long numbers in JSON", status=413)
    return long_numbers > 0 or ("0e" in alike and large_exponent(data) is not None)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    """RFC 8259 section 6 lets a range be set; infinity, which 1e999 makes, has no JSON form."""
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is beyond a double")
    return number


PLAIN = json.JSONDecoder(parse_constant=_no_constant)
"""A function called for each number would cost more than all the rest."""

FINITE = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)


def _decode_multipart(content: Content, parameters: dict[str, str], limits: Limits) -> Decoded:
    boundary = parameters.get("boundary", "").encode("latin-1", "replace")
    # RFC 2046 section 5.1.1: boundary := 0*69<bchars> bcharsnospace
    if not 0 < len(boundary) <= 70:
        raise ProtocolError("multipart without a boundary of 1 to 70 characters")
    end = _end_of_parts(content, boundary)
    try:
        try:
            return _decode_parts(content, end, boundary, UTF_8, limits)
        except MultipartError as error:
            if not isinstance(error.__context__, UnicodeDecodeError):
                raise
        return _decode_parts(content, end, boundary, LEGACY_CHARSET, limits)
    except ParserLimitReached as error:
        raise ProtocolError(f"multipart body: {error}", status=413) from error
    except MultipartError as error:
        raise ProtocolError(f"multipart body: {error}") from error


def _decode_parts(
    content: Content, end: int, boundary: bytes, charset: str, limits: Limits
) -> Decoded:
    """Return the parts of a multipart content whose heads are in a charset.

    Raises:
        MultipartError: It is malformed; caused by a UnicodeDecodeError if a head is not in that
            charset.
        ProtocolError: As `decode`.
    """
    decoded = Decoded(MultiDict(), MultiDict())
    text_size = 0
    with ExitStack() as opened:
        for segment, stored in _parts(content, end, boundary, charset, limits, opened):
            if segment.filename is None:
                text_size += stored.size
                _check_decoded(text_size, limits)
            _add_part(decoded, segment, stored)
        opened.pop_all()  # the parts' files are the caller's now
    return decoded


def _end_of_parts(content: Content, boundary: bytes) -> int:
    """Return the end of the close delimiter, or of the content if there is none.

    RFC 2046 section 5.1.1: the epilogue follows, and is ignored: clients end with CRLF, with two,
    or with a text for people. A further delimiter is refused, since other parsers may see parts
    there.

    Raises:
        ProtocolError: There is one.
    """
    delimiter = b"--" + boundary
    close = delimiter + b"--"
    at = 0 if content[: len(close)] == close else content.find(b"\r\n" + close)
    if at < 0:
        return len(content)
    end = content.find(close, at) + len(close)
    if content.find(b"\n" + delimiter, end) >= 0:
        raise ProtocolError("multipart body: a delimiter after its end")
    return end


def _spans(content: Content, end: int, boundary: bytes) -> Iterator[tuple[int, int]]:
    """Yield the spans of a content between the transport padding after its delimiters.

    RFC 2046 section 5.1.1: receivers MUST handle it, and the multipart package does not. Without
    any, as nearly always, it is one span.
    """
    delimiter = b"\r\n--" + boundary
    at = 0
    if any(content.find(delimiter[2:] + space, 0, end) >= 0 for space in (b" ", b"\t")):
        for after in _delimiter_ends(content, end, delimiter):
            yield at, after  # each at once: the parser's limit of parts is that of this loop
            at = after + _padding(content, after)
    yield at, end


def _delimiter_ends(content: Content, end: int, delimiter: bytes) -> Iterator[int]:
    """Yield the end of each delimiter; the first needs no line end before it."""
    after = len(delimiter) - 2
    if content[:after] == delimiter[2:]:
        yield after
    else:
        after = 0
    while (found := content.find(delimiter, after, end)) >= 0:
        after = found + len(delimiter)
        yield after


def _padding(content: Content, at: int) -> int:
    """Return the number of spaces and tabs up to a line end, 0 if another byte comes before it."""
    line = content[at : at + LONGEST_PADDING]
    rest = line.lstrip(b" \t")
    return len(line) - len(rest) if rest.startswith(b"\r\n") else 0


def _parts(
    content: Content, end: int, boundary: bytes, charset: str, limits: Limits, opened: ExitStack
) -> Iterator[tuple[MultipartSegment, StoredBody]]:
    """Yield each part; ``opened`` closes what all of them are stored in."""
    parser = PushMultipartParser(
        boundary,
        max_header_count=limits.part_fields,
        max_segment_count=limits.parts,
        header_charset=charset,
        strict=True,
    )
    parts: list[tuple[MultipartSegment, StoredBody]] = []  # the one that is open, if one is
    heads = 0
    with parser:
        for start, stop in _blocks(_spans(content, end, boundary)):
            for event in parser.parse(content[start:stop]):
                if event is None:
                    yield parts.pop()
                elif isinstance(event, MultipartSegment):
                    parts.append((event, StoredBody(limits.spool)))
                    opened.callback(parts[0][1].close)
                    heads += _check_head(event)
                    if heads > limits.part_heads:
                        raise ProtocolError("multipart body: its heads are too long", status=413)
                else:
                    parts[0][1].write(event)


def _blocks(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for start, stop in spans:
        for at in range(start, stop, BLOCK):
            yield at, min(at + BLOCK, stop)


def _check_head(segment: MultipartSegment) -> int:
    """Return the length of a part's head.

    Raises:
        ProtocolError: It has a control character, which the multipart package accepts: LF, NUL in a
            filename, or the ones browsers encode as %0D and %0A.
    """
    for name, value in segment.headerlist:
        if control_character(value):
            raise ProtocolError(f"multipart body: control character in {name}: {value[:60]!r}")
    for value in (segment.name, segment.filename or ""):
        if control_character(value):
            raise ProtocolError(f"multipart body: control character in a name: {value[:60]!r}")
    return sum(len(name) + len(value) for name, value in segment.headerlist)


def _add_part(decoded: Decoded, segment: MultipartSegment, stored: StoredBody) -> None:
    name = segment.name
    filename = _extended_filename(segment) or segment.filename
    if filename is None:
        _add_text(decoded, segment, stored)
        if segment.content_type is None:
            stored.close()
            return
    upload = Upload(
        name=name,
        filename=filename,
        mime=segment.content_type or "application/octet-stream",
        content=stored.getvalue() if stored.file is None else None,
        size=stored.size,
    )
    if stored.file is not None:
        stored.file.seek(0)
        upload["file"] = stored.file
    decoded.files.add(name, upload)


def _add_text(decoded: Decoded, segment: MultipartSegment, stored: StoredBody) -> None:
    """Add the value of a field, which a part without a filename is (RFC 7578 section 4.4).

    One with a Content-Type of its own may hold something else than text. That is only in
    ``files``.
    """
    data = stored.getvalue() if stored.file is None else read_content(stored.file)
    if segment.content_type is None:
        decoded.body.add(segment.name, data.decode("utf-8", "replace"))
        return
    _, parameters = parse_options_header(segment.header("Content-Type"))
    codec = codec_of(parameters.get("charset", UTF_8))
    if codec is not None:
        with suppress(UnicodeDecodeError):
            decoded.body.add(segment.name, data.decode(codec))


def _extended_filename(segment: MultipartSegment) -> str | None:
    """Return ``filename*`` decoded (RFC 8187), which RFC 7578 forbids and some clients send."""
    value = segment.header("Content-Disposition")
    if "*" not in value:
        return None
    for match in parameter(value):
        if match[1].lower() == "filename*":
            text = match[2].strip(" \t")
            if len(text) > 1 and text[0] == text[-1] == '"':  # Postman sends it quoted
                text = text[1:-1]
            charset, quote, rest = text.partition("'")
            _, second_quote, encoded = rest.partition("'")
            codec = codec_of(charset)
            if quote and second_quote and codec is not None:
                filename = text_of(unquote(encoded.encode()), codec)
                if control_character(filename):
                    raise ProtocolError(f"multipart body: control character in {value[:60]!r}")
                return filename
    return None


def _charset(parameters: dict[str, str]) -> str:
    charset = parameters.get("charset", UTF_8)
    codec = codec_of(charset)
    if codec is None or codec in WIDE:  # "&" and "=" have one byte each
        raise ProtocolError(f"unknown charset {charset[:40]!r}", status=415)
    return codec


DECODERS: dict[str, Decoder] = {
    "application/x-www-form-urlencoded": _decode_urlencoded,
    "application/json": _decode_json,
    "multipart/form-data": _decode_multipart,
}
"""Media type to the decoder of its content; a type that ends in +json is JSON too (RFC 6839)."""
