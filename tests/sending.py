"""The ways to send a request, each as a function of method, data and path."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bladehttp import AsyncHttpClient, HttpClient

Send = Callable[..., Any]


@contextmanager
def one(url: str, **properties: Any) -> Iterator[Send]:
    with HttpClient(url, **properties) as client:
        yield lambda method, data, path="/": client.send_request(path, method, data)


@contextmanager
def streamed(url: str, **properties: Any) -> Iterator[Send]:
    def send(method: str, data: Any, path: str = "/") -> Any:
        with client.stream(path, method, data) as response:
            response.read()
            return response

    with HttpClient(url, **properties) as client:
        yield send


@contextmanager
def many(url: str, **properties: Any) -> Iterator[Send]:
    def send(method: str, data: Any, path: str = "/") -> Any:
        (result,) = client.send_many([{"url": path, "method": method, "data": data}])
        if isinstance(result, Exception):
            raise result
        return result

    with HttpClient(url, **properties) as client:
        yield send


@contextmanager
def awaited(url: str, **properties: Any) -> Iterator[Send]:
    async def make() -> AsyncHttpClient:
        return AsyncHttpClient(url, **properties)

    with asyncio.Runner() as runner:
        client = runner.run(make())
        try:
            yield lambda method, data, path="/": runner.run(client.send_request(path, method, data))
        finally:
            runner.run(client.close())


@contextmanager
def awaited_stream(url: str, **properties: Any) -> Iterator[Send]:
    async def send(method: str, data: Any, path: str = "/") -> Any:
        async with client.stream(path, method, data) as response:
            await response.aread()
            return response

    async def make() -> AsyncHttpClient:
        return AsyncHttpClient(url, **properties)

    with asyncio.Runner() as runner:
        client = runner.run(make())
        try:
            yield lambda *what: runner.run(send(*what))
        finally:
            runner.run(client.close())


DOORS = [one, streamed, many, awaited, awaited_stream]
