"""BodySender: has libcurl read the content of a request; for bytes see `Handle.set_message`."""

import os
from collections.abc import Callable, Iterable
from typing import Any

import pycurl

from bladehttp.client._curl.callbacks import unpause
from bladehttp.client._curl.handle import Handle, reset_method
from bladehttp.client._request.body import BodySource, Part
from bladehttp.exceptions import UnrewindableBody


class BodySender:
    """The options of one transfer that concern its content; see `Sender`.

    Attributes:
        curl: The easy handle.
    """

    __slots__ = ("_handle", "_method", "_mime", "_setopt", "_source", "curl")

    def __init__(self, handle: Handle, method: str) -> None:
        """Create a sender for a request with a method."""
        self._handle = handle
        self._method = method
        self._setopt = handle.setopt
        self.curl = handle.curl
        self._source: BodySource | None = None
        self._mime: Any = None

    def send_source(self, source: BodySource) -> None:
        """Send the bytes of a source. CURLOPT_UPLOAD, CURLOPT_READFUNCTION."""
        handle, length = self._handle, source.length
        self._source = source
        self._setopt(pycurl.UPLOAD, 1)  # makes it a PUT
        handle.set_callback(pycurl.READFUNCTION, handle.in_context(_reading(source)))
        handle.set_callback(pycurl.SEEKFUNCTION, handle.in_context(_seeking(source)))
        self._setopt(pycurl.INFILESIZE_LARGE, -1 if length is None else length)
        self._set_method("PUT")

    def send_form(self, parts: Iterable[Part]) -> None:
        """Send a form with files. CURLOPT_MIMEPOST."""
        self._mime = pycurl.CurlMime(self.curl)
        for part in parts:
            self._add(part)
        self._setopt(pycurl.MIMEPOST, self._mime)  # makes it a POST
        self._set_method("POST")

    def _add(self, part: Part) -> None:
        handle, added = self._handle, self._mime.addpart()
        added.name(part.name.encode())
        if isinstance(part.data, bytes):
            added.data(part.data)
        elif isinstance(part.data, str):
            added.filedata(os.fsencode(part.data))
        else:
            read, seek = _reading(part.data), _seeking(part.data)
            added.data_cb(
                part.data.length,
                handle.callback(pycurl.READFUNCTION, handle.in_context(lambda _, size: read(size))),
                handle.callback(
                    pycurl.SEEKFUNCTION,
                    handle.in_context(lambda _, offset, origin: seek(offset, origin)),
                ),
            )
        if part.filename is not None:
            added.filename(part.filename.encode())
        if part.content_type is not None:
            added.type(part.content_type.encode("latin-1"))

    def _set_method(self, usual: str) -> None:
        if self._method != usual:
            self._setopt(pycurl.CUSTOMREQUEST, self._method)

    def resume(self) -> None:
        """Have libcurl read again from a source that had no bytes yet."""
        unpause(self.curl)

    def reset(self) -> None:
        """Reset the options to those of a GET."""
        curl = self.curl
        if self._source is not None:
            self._setopt(pycurl.INFILESIZE_LARGE, -1)
            curl.unsetopt(pycurl.READFUNCTION)
            curl.unsetopt(pycurl.SEEKFUNCTION)
        elif self._mime is not None:
            curl.unsetopt(pycurl.MIMEPOST)
            self._mime.close()  # breaks the cycle with its handle
        reset_method(curl)


def _reading(source: BodySource) -> Callable[[int], bytes | int]:
    def read(size: int) -> bytes | int:
        """Read for libcurl. CURLOPT_READFUNCTION."""
        chunk = source.read(size)
        return int(pycurl.READFUNC_PAUSE) if chunk is None else chunk

    return read


def _seeking(source: BodySource) -> Callable[[int, int], int]:
    def seek(offset: int, origin: int) -> int:
        """Rewind for libcurl, which needs nothing else over HTTP. CURLOPT_SEEKFUNCTION."""
        try:
            source.rewind()
        except UnrewindableBody:
            return int(pycurl.SEEKFUNC_FAIL)  # libcurl's error 65 is the same exception
        return int(pycurl.SEEKFUNC_CANTSEEK if offset or origin else pycurl.SEEKFUNC_OK)

    return seek
