"""Download for asyncio: the loop of _download/download.py with awaits."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, closing
from functools import partial

from bladehttp._message.response import HttpResponse
from bladehttp.client._download.download import Download, Job
from bladehttp.client._download.resumption import Verdict
from bladehttp.client._request.prepared import PreparedRequest

AsyncStreaming = Callable[[PreparedRequest], AbstractAsyncContextManager[HttpResponse]]
"""Sends a request and returns its response while the body is still to be received."""


async def adownload(stream: AsyncStreaming, job: Job) -> HttpResponse:
    """Write a body to a file; see `AsyncHttpClient.download`."""
    with closing(Download(job)) as current:
        current.open()
        while True:
            try:
                response = await _aattempt(stream, current)
            except Exception as error:
                delay = current.delay_after(error)
                if delay is None:
                    raise
                await asyncio.sleep(delay)
            else:
                if response is not None:
                    return current.checked(response)


async def _aattempt(stream: AsyncStreaming, current: Download) -> HttpResponse | None:
    """Send a request and write its body; return None if another request is needed."""
    async with stream(current.next_request()) as response:
        verdict = current.judge(response)
        if verdict is Verdict.KEEP:
            await response.aread()
            return response
        if verdict is Verdict.ASK_AGAIN:
            return None
        current.prepare(verdict, response)
        async for chunk in response.aiter_bytes():
            current.write(chunk, response)
    if not current.is_whole(response):
        return None
    await in_thread(partial(current.finish, response))
    return response


async def in_thread(work: Callable[[], None]) -> None:
    """Run a function that waits for a disk in a thread; return when it is done.

    It is awaited when it is cancelled too: the file must not be closed under it. The thread is not
    one of the loop's default executor, all of which may wait for this download.
    """
    executor = ThreadPoolExecutor(1, "bladehttp download")
    future = asyncio.get_running_loop().run_in_executor(executor, work)
    executor.shutdown(wait=False)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError as error:
            cancelled = error
    try:
        if cancelled is not None:
            raise cancelled from future.exception()
        future.result()
    finally:
        del future, cancelled  # tracebacks refer to this frame
