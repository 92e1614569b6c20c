"""Every way to get a body with a client, each a function of URL, path and properties."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bladehttp import AsyncHttpClient
from bladehttp.client import HttpClient

Door = Callable[..., bytes]


def get(url: str, path: Path, **properties: Any) -> bytes:
    with HttpClient(**properties) as client:
        return client.get(url).body


def stream(url: str, path: Path, **properties: Any) -> bytes:
    with HttpClient(**properties) as client, client.stream(url) as response:
        return b"".join(response.iter_bytes())


def download(url: str, path: Path, **properties: Any) -> bytes:
    with HttpClient(**properties) as client:
        client.download(url, path)
    return path.read_bytes()


def send_many(url: str, path: Path, **properties: Any) -> bytes:
    with HttpClient(**properties) as client:
        (result,) = client.send_many([url])
    if isinstance(result, Exception):
        raise result
    return result.body


def awaited_get(url: str, path: Path, **properties: Any) -> bytes:
    async def main() -> bytes:
        async with AsyncHttpClient(**properties) as client:
            return (await client.get(url)).body

    return asyncio.run(main())


def awaited_stream(url: str, path: Path, **properties: Any) -> bytes:
    async def main() -> bytes:
        async with AsyncHttpClient(**properties) as client, client.stream(url) as response:
            return await response.aread()

    return asyncio.run(main())


def awaited_download(url: str, path: Path, **properties: Any) -> bytes:
    async def main() -> None:
        async with AsyncHttpClient(**properties) as client:
            await client.download(url, path)

    asyncio.run(main())
    return path.read_bytes()


DOORS = (get, stream, download, send_many, awaited_get, awaited_stream, awaited_download)
every_door = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
