"""Content codings: plain bytes in, coded bytes out, as they come (RFC 9110 section 8.4.1).

coding    library
gzip      zlib
zstd      compression.zstd (Python 3.14), backports.zstd or zstandard
"""

import zlib
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from typing import Any, Protocol

from bladehttp._data.decoders import zstd_library

GZIP_LEVEL = 6
"""zlib's default. nginx takes 1, Starlette 9: twice the time of 6 for 1 % less."""

ZSTD_LEVEL = 3
"""The library's default; its window of 2 MiB is one every client takes (RFC 9659)."""

GZIP = zlib.MAX_WBITS | 16


Data = bytes | memoryview


class Encoder(Protocol):
    """Encodes one body."""

    def feed(self, data: Data) -> bytes:
        """Take the next bytes and return coded ones, which may lag behind."""
        raise NotImplementedError

    def flush(self) -> bytes:
        """Return the coded bytes of everything that was taken."""
        raise NotImplementedError

    def finish(self) -> bytes:
        """Return the end of the body."""
        raise NotImplementedError


class Gzip:
    """A gzip member (RFC 1952) as an `Encoder`, with no time in it: it depends on the body only."""

    __slots__ = ("_deflate",)

    def __init__(self) -> None:
        """Begin a body."""
        self._deflate = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP)

    def feed(self, data: Data) -> bytes:
        return self._deflate.compress(data)

    def flush(self) -> bytes:
        return self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._deflate.flush()


class StandardZstd:
    """A zstd frame (RFC 8878) as an `Encoder`, by compression.zstd or backports.zstd (PEP 784)."""

    __slots__ = ("_frame",)

    def __init__(self, library: Any) -> None:
        """Begin a body."""
        self._frame = library.ZstdCompressor(level=ZSTD_LEVEL)

    def feed(self, data: Data) -> bytes:
        coded: bytes = self._frame.compress(data)
        return coded

    def flush(self) -> bytes:
        coded: bytes = self._frame.flush(self._frame.FLUSH_BLOCK)
        return coded

    def finish(self) -> bytes:
        coded: bytes = self._frame.flush(self._frame.FLUSH_FRAME)
        return coded


class PackagedZstd:
    """A zstd frame as an `Encoder`, by the package zstandard."""

    __slots__ = ("_block", "_frame")

    def __init__(self, library: Any) -> None:
        """Begin a body."""
        self._frame = library.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
        self._block = library.COMPRESSOBJ_FLUSH_BLOCK

    def feed(self, data: Data) -> bytes:
        coded: bytes = self._frame.compress(data)
        return coded

    def flush(self) -> bytes:
        coded: bytes = self._frame.flush(self._block)
        return coded

    def finish(self) -> bytes:
        coded: bytes = self._frame.flush()
        return coded


@cache
def encoders() -> dict[str, Callable[[], Encoder]]:
    """Return each supported coding and the function that begins a body, the fastest first."""
    found: dict[str, Callable[[], Encoder]] = {}
    name = zstd_library()
    if name is not None:
        library = import_module(name)
        frame: Callable[[Any], Encoder] = PackagedZstd if name == "zstandard" else StandardZstd
        found["zstd"] = partial(frame, library)
    return {**found, "gzip": Gzip}
