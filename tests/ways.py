"""Every way to send a request, each a function of the client's properties, a URL and arguments."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from support import run_async

import bladehttp as http
from bladehttp import AsyncHttpClient, HttpClient
from bladehttp.client._client import close_shared

Way = Callable[..., Any]


def get(properties: dict[str, Any], url: str, path: Path, **arguments: Any) -> Any:
    with HttpClient(**properties) as client:
        return client.send_request(url, **arguments)


def stream(properties: dict[str, Any], url: str, path: Path, **arguments: Any) -> Any:
    with HttpClient(**properties) as client, client.stream(url, **arguments) as response:
        response.read()
        return response


def download(properties: dict[str, Any], url: str, path: Path, **arguments: Any) -> Any:
    with HttpClient(**properties) as client:
        return client.download(url, path / "file", **arguments)


def send_many(properties: dict[str, Any], url: str, path: Path, **arguments: Any) -> Any:
    with HttpClient(**properties) as client:
        (result,) = client.send_many([{"url": url, **arguments}])
    if isinstance(result, Exception):
        raise result
    return result


def module(properties: dict[str, Any], url: str, path: Path, **arguments: Any) -> Any:
    try:
        return http.get(url, **properties, **arguments)
    finally:
        close_shared()


def awaited(properties: dict[str, Any], url: str, path: Path, **arguments: Any) -> Any:
    async def main() -> Any:
        async with AsyncHttpClient(**properties) as client:
            return await client.send_request(url, **arguments)

    return run_async(main())


def awaited_stream(properties: dict[str, Any], url: str, path: Path, **arguments: Any) -> Any:
    async def main() -> Any:
        async with AsyncHttpClient(**properties) as client, client.stream(url, **arguments) as it:
            await it.aread()
            return it

    return run_async(main())


def awaited_download(properties: dict[str, Any], url: str, path: Path, **arguments: Any) -> Any:
    async def main() -> Any:
        async with AsyncHttpClient(**properties) as client:
            return await client.download(url, path / "file", **arguments)

    return run_async(main())


def awaited_many(properties: dict[str, Any], url: str, path: Path, **arguments: Any) -> Any:
    async def main() -> list[Any]:
        async with AsyncHttpClient(**properties) as client:
            return [each async for each in client.send_many([{"url": url, **arguments}])]

    (result,) = run_async(main())
    if isinstance(result, Exception):
        raise result
    return result


SYNCHRONOUS: list[Way] = [get, stream, download, send_many]
ASYNCHRONOUS: list[Way] = [awaited, awaited_stream, awaited_download, awaited_many]
WAYS = SYNCHRONOUS + ASYNCHRONOUS
"""Those that take the properties of a client of its own; `module` has the shared one."""
