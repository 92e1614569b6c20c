"""2,000 requests, 100 at a time: GETs, or of four kinds in turn if the job is ``mixed``."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from benchmarks.clients import Bit

Job = dict[str, Any]

REQUESTS = 2000
CONCURRENCY = 100


MIXED: tuple[dict[str, Any], ...] = (
    {},
    {"headers": {"X-Request-Id": "7"}},
    {"receive_timeout": 5_000},
    {"method": "POST", "data": "x"},
)
"""The kinds of a mixed job, as `HttpClient.send_many` takes them."""


def _mixed_options() -> tuple[list[tuple[int, Any]], ...]:
    """Return the same kinds as libcurl's options."""
    import pycurl

    return (
        [(pycurl.HTTPGET, 1)],
        [(pycurl.HTTPGET, 1), (pycurl.HTTPHEADER, ["X-Request-Id: 7"])],
        [(pycurl.HTTPGET, 1), (pycurl.TIMEOUT_MS, 5_000)],
        [(pycurl.POSTFIELDS, "x")],
    )


def bladehttp(job: Job) -> Bit:
    from bladehttp import HttpClient

    client, requests = HttpClient(ca_cert=job["authority"]), [job["url"]] * REQUESTS
    if job.get("mixed"):
        requests = [{"url": job["url"], **kind} for kind in MIXED] * (REQUESTS // len(MIXED))

    def run() -> int:
        for response in client.send_many(requests, concurrency=CONCURRENCY):
            assert response.status == 200
        return REQUESTS

    return run


def curl_multi(job: Job) -> Bit:
    """Loop over a CurlMulti and as many easy handles as there are requests at a time."""
    import pycurl

    multi = pycurl.CurlMulti()
    handles = [_easy(job) for _ in range(CONCURRENCY)]
    prepare = _preparing(job)

    def start(curl: Any) -> None:
        prepare(curl)
        multi.add_handle(curl)

    def run() -> int:
        for curl in handles:
            start(curl)
        left, running = REQUESTS - CONCURRENCY, CONCURRENCY
        while running:
            multi.perform()
            more = True
            while more:
                more, finished, failed = multi.info_read()
                assert not failed, failed
                for curl in finished:
                    assert curl.getinfo(pycurl.RESPONSE_CODE) == 200
                    multi.remove_handle(curl)
                    running -= 1
                    if left:
                        left -= 1
                        running += 1
                        start(curl)
            multi.select(_wait_s(multi.timeout()))
        return REQUESTS

    return run


def _wait_s(milliseconds: int) -> float:
    """Return the seconds until a timer of libcurl's, a second at most; -1 ms is none."""
    return milliseconds / 1000 if 0 <= milliseconds < 1000 else 1


def _preparing(job: Job) -> Callable[[Any], None]:
    """Return the function that sets a handle's options for its next request."""
    import pycurl

    kinds = itertools.cycle(_mixed_options() if job.get("mixed") else [[]])

    def prepare(curl: Any) -> None:
        if job.get("mixed"):
            curl.unsetopt(pycurl.HTTPHEADER)
            curl.setopt(pycurl.TIMEOUT_MS, 0)
            for option, value in next(kinds):
                curl.setopt(option, value)
        curl.setopt(pycurl.URL, job["url"])
        curl.setopt(pycurl.WRITEDATA, BytesIO())

    return prepare


def _easy(job: Job) -> Any:
    import pycurl

    curl = pycurl.Curl()
    curl.setopt(pycurl.CAINFO, job["authority"])
    curl.setopt(pycurl.PIPEWAIT, 1)
    return curl


def _workers(open_client: Callable[[], Awaitable[Callable[[], Awaitable[object]]]]) -> Bit:
    """Return the work of a hundred tasks that share the requests."""
    loop = asyncio.new_event_loop()
    get = loop.run_until_complete(open_client())

    async def worker() -> None:
        for _ in range(REQUESTS // CONCURRENCY):
            await get()

    async def run() -> int:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CONCURRENCY):
                tasks.create_task(worker())
        return REQUESTS

    return lambda: loop.run_until_complete(run())


def bladehttp_async(job: Job) -> Bit:
    from bladehttp import AsyncHttpClient

    async def open_client() -> Callable[[], Awaitable[object]]:
        client, url = AsyncHttpClient(ca_cert=job["authority"]), job["url"]

        async def get() -> None:
            response = await client.get(url)
            assert response.status == 200

        return get

    return _workers(open_client)


def async_curl_multi(job: Job) -> Bit:
    import pycurl

    async def open_client() -> Callable[[], Awaitable[object]]:
        multi = pycurl.AsyncCurlMulti()
        idle = [_easy(job) for _ in range(CONCURRENCY)]

        async def get() -> None:
            curl = idle.pop()
            curl.setopt(pycurl.URL, job["url"])
            curl.setopt(pycurl.WRITEDATA, BytesIO())
            await multi.perform(curl)
            assert curl.getinfo(pycurl.RESPONSE_CODE) == 200
            idle.append(curl)

        return get

    return _workers(open_client)


def aiohttp(job: Job) -> Bit:
    import ssl

    import aiohttp

    async def open_client() -> Callable[[], Awaitable[object]]:
        context = ssl.create_default_context(cafile=job["authority"])
        connector = aiohttp.TCPConnector(ssl=context, limit=CONCURRENCY)
        session, url = aiohttp.ClientSession(connector=connector), job["url"]

        async def get() -> None:
            async with session.get(url) as response:
                await response.read()

        return get

    return _workers(open_client)


def pyreqwest(job: Job) -> Bit:
    from pyreqwest.client import ClientBuilder

    pem = Path(job["authority"]).read_bytes()

    async def open_client() -> Callable[[], Awaitable[object]]:
        client = ClientBuilder().add_root_certificate_pem(pem).build()

        async def get() -> None:
            response = await client.get(job["url"]).build().send()
            await response.bytes()

        return get

    return _workers(open_client)


def primp(job: Job) -> Bit:
    import primp

    async def open_client() -> Callable[[], Awaitable[object]]:
        client = primp.AsyncClient(ca_cert_file=job["authority"])

        async def get() -> bytes:
            response = await client.get(job["url"])
            return response.content

        return get

    return _workers(open_client)
