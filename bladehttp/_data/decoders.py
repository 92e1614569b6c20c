"""Content codings: coded bytes in, decoded bytes out, as they come (RFC 9110 section 8.4.1).

The only place that decodes Content-Encoding: whole bodies, streams, downloads and partial bodies of
the client, and request bodies of the server. libcurl could do it for the client, but it reports a
truncated gzip stream as success with short data and a second gzip member as an error (measured,
docs/decisions/0012).

Everything a peer can choose is bounded, against decompression bombs: the number of codings, the
output of one step, the number of members, and the output in all by ``max_body_size``, which the
client has no default for. Time and memory are linear in input and output.

    coding    library
    gzip      zlib; x-gzip is the same (RFC 9110 section 8.4.1.3)
    deflate   zlib; the zlib format (RFC 1950), or the bare stream that some servers send
    br        brotli or brotlicffi, from release 1.2 on, which can limit the output of a call
    zstd      compression.zstd (Python 3.14), backports.zstd or zstandard
"""

import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from typing import Any, Protocol

from bladehttp._data.byte_streams import transformed
from bladehttp.exceptions import BodyTooLarge, DecodingError

STEP = 256 * 1024
"""Most bytes that one step makes: a few KiB can hold a gigabyte."""

BLOCK = 16 * 1024
"""Most coded bytes given to a library at a time. The bytes after the end of a member are copied
once for each member, so that small members in large blocks would take quadratic time."""

MOST_CODINGS = 5
"""Codings applied one after another. More than two are of no use; curl takes five."""

MOST_EMPTY_MEMBERS = 100
"""Members or frames beyond one for each decoded byte. An empty gzip member has 20 bytes and takes
as long as one with content, so this bounds the work by the output. BGZF ends with one."""

ZSTD_WINDOW = 8 * 1024 * 1024
"""RFC 9659 section 3: a decoder supports a Window_Size of 8 MB, an encoder uses no larger one."""

EITHER_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32
RAW_DEFLATE = -zlib.MAX_WBITS

# https://www.iana.org/assignments/http-parameters, section Content Coding Registry
REGISTERED = frozenset(
    "aes128gcm br compress dcb dcz deflate exi gzip pack200-gzip zstd".split()
)  # fmt: skip
"""Names of codings. Any other name in Content-Encoding (none, utf-8, binary, aws-chunked) is no
coding: the body is as it came."""

ALIASES = {"x-gzip": "gzip", "x-compress": "compress"}  # RFC 9110 section 8.4.1.3


class Member(Protocol):
    """One member of a coded body; `zlib.decompressobj` is one.

    Attributes:
        eof: Whether the end of the member has been reached.
        unconsumed_tail: Input that `decompress` has left because of its limit.
        unused_data: Input after the end of the member.
    """

    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, limit: int, /) -> bytes: ...


Opener = Callable[[bytes], Member]
"""Makes a member, given its first two bytes or more."""


def open_gzip(_: bytes) -> Member:
    """Return a decoder of gzip (RFC 1952), or of zlib where that is sent in its place."""
    return zlib.decompressobj(EITHER_ZLIB_OR_GZIP)


def open_deflate(data: bytes) -> Member:
    """Return a decoder of deflate: zlib (RFC 1950), or the bare stream (RFC 1951)."""
    # RFC 1950 section 2.2: CM is 8, and the first two octets are a multiple of 31
    is_zlib = data[0] & 15 == 8 and int.from_bytes(data[:2]) % 31 == 0
    return zlib.decompressobj(EITHER_ZLIB_OR_GZIP if is_zlib else RAW_DEFLATE)


class Brotli:
    """A brotli stream (RFC 7932) as a `Member`. brotli keeps the input it has not come to."""

    unconsumed_tail = unused_data = b""  # brotli refuses what comes after the end

    def __init__(self, library: Any) -> None:
        self._stream = library.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._stream.is_finished())

    def decompress(self, data: bytes, limit: int, /) -> bytes:
        return bytes(self._stream.process(data, output_buffer_limit=limit))


class StandardZstd:
    """A zstd frame (RFC 8878) as a `Member`, by compression.zstd or backports.zstd (PEP 784)."""

    unconsumed_tail = b""  # ZstdDecompressor keeps the input it has not come to

    def __init__(self, library: Any) -> None:
        options = {library.DecompressionParameter.window_log_max: ZSTD_WINDOW.bit_length() - 1}
        self._frame = library.ZstdDecompressor(options=options)

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._frame.unused_data)

    def decompress(self, data: bytes, limit: int, /) -> bytes:
        return bytes(self._frame.decompress(data, limit))


class PackagedZstd:
    """A zstd frame (RFC 8878) as a `Member`, by the package zstandard.

    That package makes all that its input holds in one call: 4 bytes can hold 128 KiB. Its input is
    cut at the ends of blocks for that reason, and no block holds more than 128 KiB.
    """

    def __init__(self, library: Any) -> None:
        self._frame = library.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()
        self._cuts = zstd_cuts()
        self._missing = next(self._cuts)
        self._held = b""
        self.unconsumed_tail = self.unused_data = b""

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof)

    def decompress(self, data: bytes, _: int, /) -> bytes:
        """Return the content of the next block that has any: 128 KiB at most."""
        view, start, made = memoryview(data), 0, b""
        while start < len(data) and not made and not self._frame.eof:
            part = bytes(view[start : start + self._missing])
            start += len(part)
            made = self._frame.decompress(part)
            self._move(part)
        rest = bytes(view[start:])
        self.unconsumed_tail = b"" if self._frame.eof else rest
        self.unused_data = self._frame.unused_data + rest if self._frame.eof else b""
        return bytes(made)

    def _move(self, part: bytes) -> None:
        """Ask for the next cut once everything up to the last one is here."""
        self._missing -= len(part)
        if self._missing:
            self._held = (self._held + part)[:HEADER]  # only headers are looked at
            return
        part, self._held = self._held + part, b""
        while not self._missing:
            self._missing = self._cuts.send(part)


HEADER = 4
ZSTD_MAGIC = 0xFD2FB528
ZSTD_SKIPPABLE = 0x184D2A5  # and four bits of the application's
UNTIL_THE_END = 1 << 62
RLE_BLOCK = 1


def zstd_cuts() -> Generator[int, bytes, None]:
    """Yield the lengths of the parts of a zstd frame (RFC 8878 section 3.1.1).

    The caller sends each part back, whole if it has at most HEADER bytes.
    """
    magic = int.from_bytes((yield HEADER), "little")
    if magic >> 4 == ZSTD_SKIPPABLE:
        yield int.from_bytes((yield HEADER), "little")
    if magic != ZSTD_MAGIC:
        yield UNTIL_THE_END  # which is here, or the library refuses it
    descriptor = (yield 1)[0]
    has_window, dictionary = not descriptor & 0x20, (0, 1, 2, 4)[descriptor & 3]
    size = (0 if has_window else 1, 2, 4, 8)[descriptor >> 6]
    yield has_window + dictionary + size
    is_last = 0
    while not is_last:
        header = int.from_bytes((yield 3), "little")
        is_last, kind, size = header & 1, header >> 1 & 3, header >> 3
        yield 1 if kind == RLE_BLOCK else size
    yield UNTIL_THE_END  # the checksum, if there is one


DECODE_ERRORS: list[type[Exception]] = [zlib.error]
"""The exceptions that the libraries in use raise for malformed data."""


def _brotli() -> Any:
    """Return the library for br, None if there is none that makes a little at a time."""
    for name in ("brotli", "brotlicffi"):
        try:
            library = import_module(name)
        except ImportError:
            continue
        if hasattr(getattr(library, "Decompressor", None), "can_accept_more_data"):
            DECODE_ERRORS.append(library.error)
            return library
    return None


ZSTD_LIBRARIES = {
    "_zstd": "compression.zstd",  # not built into every Python
    "backports.zstd": "backports.zstd",
    "zstandard": "zstandard",
}
"""Module that has to exist -> the library for zstd."""


def zstd_library() -> str | None:
    """Return the name of the library for zstd, None if there is none. Importing it takes 20 ms."""
    for needed, name in ZSTD_LIBRARIES.items():
        try:
            if find_spec(needed) is not None:
                return name
        except (ImportError, ValueError):  # of the package that it is in; None in sys.modules
            continue
    return None


@cache
def _zstd(name: str) -> Callable[[], Member]:
    library = import_module(name)
    DECODE_ERRORS.append(library.ZstdError)
    frame = PackagedZstd if name == "zstandard" else StandardZstd
    return lambda: frame(library)


def _codings() -> dict[str, Opener]:
    codings: dict[str, Opener] = {"gzip": open_gzip, "deflate": open_deflate}
    brotli, zstd = _brotli(), zstd_library()
    if brotli is not None:
        codings["br"] = lambda _: Brotli(brotli)
    if zstd is not None:
        codings["zstd"] = lambda _: _zstd(zstd)()
    return codings


CODINGS = _codings()
"""Each supported coding -> the function that opens a member of it, in the order of
Accept-Encoding."""


def codings_of(content_encoding: str) -> list[str]:
    """Return the names in a Content-Encoding, in the order in which they were applied.

    They are lower case, aliases are resolved, and identity, which does nothing, is left out.
    """
    names = (name.strip(" \t") for name in content_encoding.lower().split(","))
    return [ALIASES.get(name, name) for name in names if name not in ("identity", "")]


class CodingDecoder:
    """Decode one coding of a body as it arrives. A `Transform`."""

    def __init__(self, coding: str, limit: int | None) -> None:
        """Take the name of the coding, and the most bytes to make, None for no limit."""
        self._coding = coding
        self._limit = limit
        self._size = 0
        self._members = 0
        self._member: Member | None = None
        self._waiting = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the decoded bytes, about STEP bytes at a time at most.

        Raises:
            DecodingError: The chunk is malformed, or there are too many empty members.
            BodyTooLarge: The output exceeds the limit.
        """
        if len(chunk) <= BLOCK:
            yield from self._fed(chunk)
            return
        for start in range(0, len(chunk), BLOCK):
            yield from self._fed(chunk[start : start + BLOCK])

    def _fed(self, data: bytes) -> Iterator[bytes]:
        data, self._waiting = self._waiting + data, b""
        while data:
            member = self._member or self._opened(data)
            if member is None:
                return
            made = self._made(member, data)
            while made:
                yield made
                made = self._made(member, member.unconsumed_tail)
            data = self._ended(member) if member.eof else b""

    def _opened(self, data: bytes) -> Member | None:
        """Open a member, unless more bytes are needed to tell its format."""
        if self._members:
            data = data.lstrip(b"\0")  # gzip allows padding with zeros
        if not data or (len(data) == 1 and self._coding == "deflate"):
            self._waiting = data
            return None
        self._member = member = CODINGS[self._coding](data)
        return member

    def _ended(self, member: Member) -> bytes:
        """Count a finished member, and return the bytes after it."""
        self._member = None
        self._members += 1
        if self._members > MOST_EMPTY_MEMBERS + self._size:
            raise DecodingError(f"too many empty members in a {self._coding} body")
        return member.unused_data.lstrip(b"\0")

    def _made(self, member: Member, data: bytes) -> bytes:
        if member.eof:
            return b""
        try:
            made = member.decompress(data, STEP)
        except tuple(DECODE_ERRORS) as error:
            raise DecodingError(f"body is not {self._coding}: {error}") from error
        self._size += len(made)
        if self._limit is not None and self._size > self._limit:
            text = f"decoded body is longer than max_body_size ({self._limit} bytes)"
            raise BodyTooLarge(text)
        return made

    def finish(self) -> Iterator[bytes]:
        """Yield nothing: all output was yielded.

        Raises:
            DecodingError: The coding ends early.
        """
        if self._member is not None or self._waiting:
            raise DecodingError(f"compressed body ends early, after {self._size} decoded bytes")
        yield from ()


class UnsupportedCoding:
    """Stands in for unsupported codings: an error as soon as there is content. A `Transform`."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield nothing.

        Raises:
            DecodingError: There is content.
        """
        if chunk:
            raise DecodingError(self._reason)
        yield from ()

    def finish(self) -> Iterator[bytes]:
        """Yield nothing."""
        yield from ()


class ContentDecoder:
    """Decode every coding of a body as it arrives, the last applied first. A `Transform`."""

    def __init__(self, content_encoding: str, limit: int | None = None) -> None:
        """Make a decoder.

        Args:
            content_encoding: The value of Content-Encoding. Names that are not registered are no
                codings; with "" the body passes as it is.
            limit: The most bytes that any coding may make, None for no limit.
        """
        codings = [name for name in codings_of(content_encoding) if name in REGISTERED]
        missing = next((name for name in codings if name not in CODINGS), None)
        self._steps: list[CodingDecoder | UnsupportedCoding]
        if missing is not None:
            self._steps = [UnsupportedCoding(f"{_unsupported(missing)}; {AS_IT_COMES}")]
        elif len(codings) > MOST_CODINGS:
            self._steps = [
                UnsupportedCoding(f"more than {MOST_CODINGS} content codings; {AS_IT_COMES}")
            ]
        else:
            self._steps = [CodingDecoder(coding, limit) for coding in reversed(codings)]

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the decoded bytes, about STEP bytes at a time at most.

        Raises:
            DecodingError: The chunk is malformed, or a coding is not supported.
            BodyTooLarge: The output of a coding exceeds the limit.
        """
        chunks: Iterator[bytes] = iter((chunk,))
        for step in self._steps:
            chunks = chain.from_iterable(map(step.feed, chunks))
        return chunks

    def finish(self) -> Iterator[bytes]:
        """Yield the remaining bytes.

        Raises:
            DecodingError: A coding ends early.
            BodyTooLarge: The output of a coding exceeds the limit.
        """
        chunks: Iterator[bytes] = iter(())
        for step in self._steps:
            chunks = transformed(step, chunks)
        return chunks


AS_IT_COMES = "accept_encoding=None leaves the body as it comes"


def _unsupported(coding: str) -> str:
    package = {"br": "brotli", "zstd": "zstandard"}.get(coding)
    hint = f" without the package {package}" if package else ""
    return f"Content-Encoding {coding!r} is not supported{hint}"


def blocks_of(body: bytes) -> Iterable[bytes]:
    """Return a body in blocks, between which a caller can look at its clock."""
    size = 4 * BLOCK
    if len(body) <= size:
        return (body,)
    return (body[start : start + size] for start in range(0, len(body), size))
