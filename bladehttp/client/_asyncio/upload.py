"""AsyncBody: the body of a request from an asynchronous iterable.

libcurl asks for bytes with a plain call. If there are none yet it is told to pause, and a task in
the caller's context awaits the next chunk; the iterable is not asked before libcurl needs it.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextvars import copy_context
from typing import Any

from bladehttp.client._request.body import BodySource, Sender, StreamedBody, view_of


class AsyncSource(BodySource):
    """The bytes of a body that have to be awaited.

    Attributes:
        waits: Whether libcurl waits for the iterable.
    """

    __slots__ = (
        "_chunks",
        "_context",
        "_error",
        "_go_on",
        "_is_over",
        "_iterable",
        "_rest",
        "_task",
        "_wanted",
        "waits",
    )  # fmt: skip

    def __init__(self, iterable: AsyncIterable[bytes]) -> None:
        """Create a source; a generator cannot be sent again, an iterable that can restart can."""
        self._iterable = iterable
        self._chunks = aiter(iterable)
        reopen = None if self._chunks is iterable else self._reopened
        super().__init__(self._take, None, reopen)
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self.waits = False

    def start(self, go_on: Callable[[], None]) -> None:
        """Start awaiting, in the context of the caller; ``go_on`` ends libcurl's pause."""
        self._go_on = go_on
        self._context = copy_context()
        self._begin()

    def _begin(self) -> None:
        self._rest = memoryview(b"")
        self._is_over = False
        self._wanted = asyncio.Event()
        feeding = self._feed(self._chunks, self._wanted)
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(feeding, context=self._context)

    def stop(self) -> None:
        """Cancel the task; the iterable gets a CancelledError if it is being awaited."""
        task, self._task, self._error = self._task, None, None
        if task is not None:
            task.cancel()

    def _reopened(self) -> Callable[[int], Any]:
        self.stop()
        self._chunks = aiter(self._iterable)
        self._begin()
        return self._take

    def read(self, size: int) -> bytes | None:
        if self._error is not None:
            raise self._error
        if self._rest or self._is_over:
            return super().read(size)
        self.waits = True
        self._wanted.set()
        return None

    def _take(self, size: int) -> memoryview:
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    async def _feed(self, chunks: AsyncIterator[bytes], wanted: asyncio.Event) -> None:
        """Await chunks, the next one when libcurl has read the last."""
        try:
            await wanted.wait()
            async for chunk in chunks:
                if not self._is_current():
                    return
                self._rest = view_of(chunk)
                if self._rest:  # an empty one is no end
                    wanted.clear()
                    self._resume()
                    await wanted.wait()
            self._is_over = True
        except asyncio.CancelledError:
            if not self._is_current():
                raise
            self._error = RuntimeError("an awaitable of data was cancelled")
        except Exception as error:  # noqa: BLE001 - raised again by the transfer
            self._error = error
        self._resume()

    def _is_current(self) -> bool:
        """Whether the calling task has not been stopped; an iterable may refuse to end."""
        return self._task is asyncio.current_task()

    def _resume(self) -> None:
        self.waits = False
        self._go_on()


class AsyncBody(StreamedBody):
    """A body whose bytes have to be awaited."""

    __slots__ = ("_awaited", "_sender", "_touch")

    def __init__(self, iterable: AsyncIterable[bytes]) -> None:
        self._awaited = AsyncSource(iterable)
        self._sender: Sender | None = None
        super().__init__(self._awaited)

    @property
    def waits(self) -> bool:
        return self._awaited.waits

    def start(self, touch: Callable[[Any], None]) -> None:
        """Start awaiting; ``touch`` is called with the handle after its pause has ended."""
        self._touch = touch
        self._awaited.start(self._go_on)

    def stop(self) -> None:
        """Cancel the task that `start` has created."""
        self._awaited.stop()

    def attach(self, sender: Sender) -> None:
        super().attach(sender)
        self._sender = sender

    def detach(self) -> None:
        super().detach()
        self._sender = None

    def _go_on(self) -> None:
        if self._sender is not None:
            self._sender.resume()
            self._touch(self._sender.curl)
