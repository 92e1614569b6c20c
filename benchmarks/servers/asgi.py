"""The applications for ASGI: uvicorn, granian."""

from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.servers import HELLO, LARGE

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def _answer(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def hello(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Say hello."""
    await _answer(send, HELLO)


async def large(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Send 10 MB."""
    await _answer(send, LARGE)


async def sink(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Read the whole body, as one piece."""
    pieces = []
    while True:
        message = await receive()
        pieces.append(message["body"])
        if not message.get("more_body"):
            break
    await _answer(send, b"%d" % len(b"".join(pieces)))
