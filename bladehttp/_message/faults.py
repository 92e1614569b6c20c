"""Faulty bodies, for testing clients.

See `HttpResponse.raw`, `HttpResponse.abort` and `HttpResponse.truncate`.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol


class BodyCut(Exception):  # noqa: N818 - nothing has failed
    """Raised by the chunks of a body to end it early, as when a server dies.

    Attributes:
        is_reset: Whether the connection is reset; otherwise it is closed after the bytes so far.
    """

    def __init__(self, is_reset: bool) -> None:
        super().__init__("the body is cut here on purpose")
        self.is_reset = is_reset


class Raw:
    """Chunks that are sent as they are, without a head of the server's."""

    __slots__ = ("chunks",)

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.chunks)

    def close(self) -> None:
        """Close the source of the chunks."""
        close = getattr(self.chunks, "close", None)
        if close is not None:
            close()


class HasBody(Protocol):
    """The attributes of a response that are used here."""

    @property
    def body(self) -> bytes: ...
    @property
    def source(self) -> Any: ...


def reset() -> Iterator[bytes]:
    """Return the chunks of a body that resets the connection."""
    yield from ()
    raise BodyCut(is_reset=True)


class Truncated:
    """The first bytes of a response's body, as it is when it is sent."""

    __slots__ = ("_count", "_response", "_source")

    def __init__(self, response: HasBody, count: int) -> None:
        self._count = count
        self._response = response
        self._source = response.source

    @property
    def declared_length(self) -> int | None:
        """Length of the whole body; None if it is streamed."""
        return len(self._response.body) if self._source is None else None

    def __iter__(self) -> Iterator[bytes]:
        left = self._count
        for chunk in (self._response.body,) if self._source is None else self._source:
            yield chunk[: max(left, 0)]
            left -= len(chunk)
            if left <= 0:
                break
        raise BodyCut(is_reset=False)

    def close(self) -> None:
        """Close the source of the body."""
        close = getattr(self._source, "close", None)
        if close is not None:
            close()


def length_of(source: Any) -> int | None:
    """Return the Content-Length of a streamed body; None if it is not known."""
    return source.declared_length if type(source) is Truncated else None
