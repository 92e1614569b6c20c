"""Output: a response to a pipe, as it is, or to a terminal, formatted."""

import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from io import IncrementalNewlineDecoder
from itertools import chain

from bladehttp._cli.colour import print_head, print_json
from bladehttp._cli.pretty import indented
from bladehttp._cli.terminal import printable, tell
from bladehttp._data.charsets import UTF_8, WIDE, charset_of, errors_of, without_bom
from bladehttp._message.response import HttpResponse

TEXTUAL = (
    "text/",
    "application/javascript",
    "application/json",
    "application/x-www-form-urlencoded",
    "application/xml",
)
"""Prefixes of the media types whose bodies are text, whatever bytes they hold."""


def show(
    response: HttpResponse,
    *,
    raw: bool,
    head: bool,
    body: bool = True,
    quiet: bool = False,
    colour: str = "auto",
) -> None:
    """Write a response to standard output.

    Args:
        response: The response; a streamed one is shown while it is received.
        raw: Whether the bytes are written unchanged, for a program to read.
        head: Whether the status and the fields come first.
        body: Whether the body comes after them.
        quiet: Whether to omit remarks about a body that is not shown.
        colour: As of `colour.print_head`.
    """
    if raw:
        begin = head_lines(response, "\r\n") if head else ()
        _copy(chain(begin, response.iter_bytes() if body else ()))
        return
    if head:
        # RFC 9110 section 5.5: what is not ASCII there is opaque; who sends it sends UTF-8
        text = b"".join(head_lines(response, "\n")).decode("utf-8", "replace")
        first, *fields = printable(text).split("\n")[:-1]
        print_head(first, fields, colour)
    if body:
        _show_body(response, quiet, colour)
    sys.stdout.flush()


def head_lines(response: HttpResponse, line_end: str) -> Iterator[bytes]:
    """Yield the head as it came, in the form of HTTP/1.1."""
    status = f"HTTP/{response.version} {response.status} {response.reason}"
    fields = (f"{name}: {value}" for name, value in response.headers.pairs())
    for line in (status, *fields, ""):
        yield f"{line}{line_end}".encode("latin-1")  # the bytes that came


def _copy(chunks: Iterable[bytes]) -> None:
    """Write chunks as they come, so that a reader sees each at once."""
    out = sys.stdout.buffer
    for chunk in chunks:
        out.write(chunk)
        out.flush()


def _show_body(response: HttpResponse, quiet: bool, colour: str) -> None:
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        response.read()
        text = indented(response.text)
        if text is not None:
            print_json(printable(text), colour)
            return
    chunks = response.iter_bytes()
    codec = charset_of(response.headers.get("Content-Type", ""))
    first, codec = without_bom(next(chunks, b""), codec)
    if is_text(kind, first, codec):
        _show_text(chain([first], chunks), codec)
    elif not quiet:
        length = response.headers.get("Content-Length")
        tell(
            f"{f'{length} bytes' if length else 'a body'} of {kind or 'no type'} not shown on a "
            "terminal: -o FILE keeps them, -o - shows them all the same"
        )


def is_text(kind: str, beginning: bytes, codec: str = UTF_8) -> bool:
    """Whether a body can be shown on a terminal.

    Args:
        kind: Its type, "" if it has none.
        beginning: Its first bytes.
        codec: Of its byte order mark or charset.
    """
    if codec in WIDE:
        return True
    if b"\0" in beginning:
        return False
    if kind.startswith(TEXTUAL) or kind.endswith(("+xml", "+json")):
        return True
    try:
        getincrementaldecoder("utf-8")().decode(beginning)  # may end within a character
    except UnicodeDecodeError:
        return False
    return True


def _show_text(chunks: Iterable[bytes], charset: str) -> None:
    """Write text as it comes, and have it end its last line."""
    decoder = getincrementaldecoder(charset)(errors_of(charset))
    lines = IncrementalNewlineDecoder(decoder, translate=True)
    last = "\n"
    for chunk in chain(chunks, [None]):
        text = lines.decode(b"", final=True) if chunk is None else lines.decode(chunk)
        if text:
            last = text
            sys.stdout.write(printable(text))
            sys.stdout.flush()
    if not last.endswith("\n"):
        sys.stdout.write("\n")
