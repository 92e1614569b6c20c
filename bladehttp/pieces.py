"""Pieces: a body cut anew while it comes, for plain and for asynchronous iteration alike.

A stage is fed pieces and yields what it makes of them. `through` runs one over an iterable,
`Awaited` over what has to be awaited, so that both ways of reading share every stage.
"""

from codecs import getincrementaldecoder
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Stage(Protocol[T_co]):
    """What makes other pieces of pieces."""

    def feed(self, piece: bytes) -> Iterable[T_co]: ...
    def finish(self) -> Iterable[T_co]: ...


class Blocks:
    """Cuts a body into blocks of one size, the last excepted."""

    def __init__(self, size: int | None) -> None:
        """Take the size in bytes, None for pieces as they come.

        Raises:
            ValueError: It is 0 or less.
        """
        if size is not None and size < 1:
            raise ValueError(f"chunk_size is at least 1, not {size!r}")
        self._size = size
        self._held = bytearray()

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the blocks that are complete; an empty piece is none."""
        if self._size is None:
            if piece:
                yield piece
            return
        held = self._held
        held += piece
        while len(held) >= self._size:
            yield bytes(held[: self._size])
            del held[: self._size]

    def finish(self) -> Iterator[bytes]:
        """Yield what is left."""
        if self._held:
            yield bytes(self._held)


class Lines:
    """Decodes a body and cuts it into lines, without their ends (CRLF or LF)."""

    def __init__(self, charset: str) -> None:
        """Take the charset."""
        self._decode = getincrementaldecoder(charset)("replace").decode
        self._held: list[str] = []  # of the line that has not ended; joined once, however long

    def feed(self, piece: bytes) -> Iterator[str]:
        """Yield the lines that are complete."""
        first, *others = self._decode(piece).split("\n")
        self._held.append(first)
        if others:
            yield "".join(self._held).removesuffix("\r")
            yield from (line.removesuffix("\r") for line in others[:-1])
            self._held = [others[-1]]

    def finish(self) -> Iterator[str]:
        """Yield the last line, if it has no end."""
        rest = "".join(self._held) + self._decode(b"", True)
        if rest:
            yield rest.removesuffix("\r")


def through(stage: Stage[T], pieces: Iterable[bytes]) -> Iterator[T]:
    """Yield what a stage makes of pieces."""
    for piece in pieces:
        yield from stage.feed(piece)
    yield from stage.finish()


class Awaited(AsyncIterator[T]):
    """What a stage makes of pieces that are awaited.

    No generator: one that is left early would have to be closed, and a cancelled `anext` would
    end it. This one goes on where it was.
    """

    def __init__(self, stage: Stage[T], pieces: AsyncIterable[bytes]) -> None:
        """Take a stage and what it is fed."""
        self._stage = stage
        self._pieces = aiter(pieces)
        self._made: Iterator[T] = iter(())
        self._is_over = False

    async def __anext__(self) -> T:
        while True:
            for made in self._made:
                return made
            if self._is_over:
                raise StopAsyncIteration
            try:
                self._made = iter(self._stage.feed(await anext(self._pieces)))
            except StopAsyncIteration:
                self._is_over = True
                self._made = iter(self._stage.finish())


class _Plain(AsyncIterator[T]):
    """Things that need not be awaited."""

    def __init__(self, things: Iterable[T]) -> None:
        self._things = iter(things)

    async def __anext__(self) -> T:
        for thing in self._things:
            return thing
        raise StopAsyncIteration


def awaited(things: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    """Return an asynchronous iterator over either kind of iterable.

    Raises:
        TypeError: It is neither.
    """
    return aiter(things) if isinstance(things, AsyncIterable) else _Plain(things)
