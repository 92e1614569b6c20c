"""The applications for ASGI: uvicorn, granian."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks import servers
from benchmarks.servers import FIELD, HELLO, LARGE

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

NAME, VALUE = (text.lower().encode() for text in FIELD)


async def _answer(
    send: Send, body: bytes, content_type: bytes = b"text/plain", *fields: tuple[bytes, bytes]
) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *fields]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _answer_json(send: Send, value: object) -> None:
    await _answer(send, json.dumps(value).encode(), b"application/json")


async def hello(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Say hello."""
    if scope["path"]:
        await _answer(send, HELLO, b"text/plain", (NAME, VALUE))


async def bare(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Send 13 bytes."""
    await _answer(send, HELLO)


async def data(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Send a small dict."""
    await _answer_json(send, servers.data())


async def order(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Read an order and answer it."""
    await _answer_json(send, servers.taken(json.loads(await _body(receive))))


async def large(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Send 10 MB."""
    await _answer(send, LARGE)


async def sink(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Read the whole body, as one piece."""
    await _answer(send, b"%d" % len(await _body(receive)))


async def _body(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message["body"])
        if not message.get("more_body"):
            return b"".join(chunks)
