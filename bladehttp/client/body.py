"""Bodies: what libcurl reads the content of a request from.

A body knows its length where that can be known, whether it can be sent again, and how to set a
handle up for itself and undo exactly that. What a caller gives becomes a body in encode.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Protocol, TypeVar

import pycurl

from bladehttp.client.source import Source

Call = TypeVar("Call", bound=Callable[..., Any])


class Bound(Protocol):
    """The type of `Handle.bound`."""

    def __call__(self, function: Call, /) -> Call: ...


def unbound(function: Call) -> Call:
    """Return a function as it is."""
    return function


class Body(ABC):
    """The content of a request.

    Attributes:
        content_type: The Content-Type to send where the caller gives none, or None for none.
        names_itself: Whether libcurl makes the Content-Type, so that the caller's must not be sent.
        suppress: Lines for CURLOPT_HTTPHEADER that take away what libcurl would add, where
            there is no Content-Type.
    """

    __slots__ = ("content_type",)
    names_itself: ClassVar[bool] = False
    suppress: ClassVar[tuple[bytes, ...]] = ()

    def __init__(self, content_type: str | None = None) -> None:
        self.content_type = content_type

    @property
    def length(self) -> int | None:
        """The number of bytes, None where it is not known."""
        return None

    @property
    def is_rewindable(self) -> bool:
        """Whether it can be sent twice."""
        return True

    @property
    def waits(self) -> bool:
        """Whether libcurl waits for the caller's data."""
        return False

    def announce(self, length: int) -> None:
        """Take the length the caller has announced by a Content-Length field of his own.

        Raises:
            ValueError: It is another than the body's own.
        """
        if length != self.length:
            raise ValueError(f"Content-Length is {length}, and the data has {self.length} bytes")

    @property
    def error(self) -> BaseException | None:
        """What the caller's own code raised while libcurl read from it."""
        return None

    @abstractmethod
    def attach(self, curl: Any, method: str, bound: Bound = unbound, /) -> None:
        """Set a handle up to send this with a method.

        Args:
            curl: The handle.
            method: The method.
            bound: `Handle.bound`, for functions that run the caller's code.
        """

    @abstractmethod
    def detach(self, curl: Any) -> None:
        """Undo what `attach` set, the method excepted, which the next request sets."""

    @abstractmethod
    def rewind(self) -> None:
        """Make it ready to be sent again.

        Raises:
            UnrewindableBody: Its source can be read only once.
        """


class Content(Body):
    """Bytes in memory. CURLOPT_POSTFIELDS."""

    __slots__ = ("_data",)
    suppress = (b"Content-Type:",)  # else application/x-www-form-urlencoded

    def __init__(self, data: bytes, content_type: str | None = None) -> None:
        super().__init__(content_type)
        self._data = data

    @property
    def length(self) -> int:
        return len(self._data)

    def attach(self, curl: Any, method: str, _bound: Bound = unbound) -> None:
        curl.setopt(pycurl.POSTFIELDS, self._data)  # makes it a POST
        if method != "POST":
            curl.setopt(pycurl.CUSTOMREQUEST, method)

    def detach(self, curl: Any) -> None:
        curl.setopt(pycurl.POSTFIELDS, b"")  # else the handle keeps the data alive

    def rewind(self) -> None:
        """Do nothing: the bytes are all there."""


class Stream(Body):
    """A source that is read as libcurl asks. CURLOPT_UPLOAD, CURLOPT_READFUNCTION."""

    __slots__ = ("_source",)

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source

    @property
    def length(self) -> int | None:
        return self._source.length

    @property
    def is_rewindable(self) -> bool:
        return self._source.is_rewindable

    def announce(self, length: int) -> None:
        if self._source.length is None:
            self._source.announce(length)
        super().announce(length)

    @property
    def error(self) -> BaseException | None:
        return self._source.error

    def attach(self, curl: Any, method: str, bound: Bound = unbound) -> None:
        source = self._source
        curl.setopt(pycurl.UPLOAD, 1)  # makes it a PUT
        curl.setopt(pycurl.READFUNCTION, bound(source.read))
        curl.setopt(pycurl.SEEKFUNCTION, bound(source.seek))
        curl.setopt(pycurl.INFILESIZE_LARGE, -1 if source.length is None else source.length)
        if method != "PUT":
            curl.setopt(pycurl.CUSTOMREQUEST, method)

    def detach(self, curl: Any) -> None:
        curl.setopt(pycurl.INFILESIZE_LARGE, -1)
        curl.unsetopt(pycurl.READFUNCTION)
        curl.unsetopt(pycurl.SEEKFUNCTION)
        self._source.restore()

    def rewind(self) -> None:
        self._source.rewind()
