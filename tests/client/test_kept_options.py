"""What a request sets on a kept handle does not go with the next one."""

from collections.abc import Iterator
from io import BytesIO
from itertools import product
from typing import Any

from support import run_async

from bladehttp.client import AsyncHttpClient, Auth, HttpClient

KINDS: dict[str, dict[str, Any]] = {
    "get": {},
    "get with a field": {"headers": {"X-Key": "secret"}},
    "get with another": {"headers": {"X-Key": "other", "Accept": None}},
    "get with a cookie": {"headers": {"Cookie": "a=b"}},
    "get with a password": {"auth": ("name", "secret"), "auth_method": Auth.BASIC},
    "head": {"method": "HEAD"},
    "options": {"method": "OPTIONS"},
    "post": {"method": "POST", "data": b"secret"},
    "post of nothing": {"method": "POST"},
    "post of JSON": {"method": "POST", "json": ["secret"]},
    "post with a field": {"method": "POST", "data": b"secret", "headers": {"X-Key": "secret"}},
    "put": {"method": "PUT", "data": b"other"},
    "delete with content": {"method": "DELETE", "data": b"secret"},
    "get with content": {"method": "GET", "data": b"secret"},
    "iterable": {"method": "POST", "data": lambda: iter([b"secret"])},
    "put of a file": {"method": "PUT", "data": lambda: BytesIO(b"secret")},
    "form with a file": {"method": "POST", "files": {"name": b"secret"}},
}


def arguments(kind: str) -> dict[str, Any]:
    given = KINDS[kind]
    data = given.get("data")
    return {**given, "data": data() if callable(data) else data}


def as_seen(seen: Any) -> tuple[Any, ...]:
    """Return a request without the boundary of its form, which is another each time."""
    boundary = (seen.get("Content-Type") or "").partition("boundary=")[2]
    fields = [(name, value.replace(boundary, "")) if boundary else (name, value)
              for name, value in seen.fields]  # fmt: skip
    body = seen.body.replace(boundary.encode(), b"") if boundary else seen.body
    return seen.method, fields, body


def pairs() -> Iterator[str]:
    for pair in product(KINDS, repeat=2):
        yield from pair


def test_a_request_is_the_same_whatever_came_before(peers: Any) -> None:
    peer, alone = peers(), {}
    for kind in KINDS:
        with HttpClient() as client:
            client.send_request(peer.url, **arguments(kind))
        alone[kind] = as_seen(peer.requests.pop())
    with HttpClient() as client:
        for kind in pairs():
            client.send_request(peer.url, **arguments(kind))
            assert as_seen(peer.requests.pop()) == alone[kind], kind


def test_so_it_is_in_send_many_and_with_asyncio(peers: Any) -> None:
    peer = peers()
    with HttpClient() as client:
        for kind in KINDS:
            client.send_request(peer.url, **arguments(kind))
        alone = dict(zip(KINDS, map(as_seen, peer.requests), strict=True))
        peer.requests.clear()
        items = ({"url": peer.url, **arguments(kind)} for kind in pairs())
        assert all(result.ok for result in client.send_many(items, concurrency=1))
    for kind, seen in zip(pairs(), peer.requests, strict=True):
        assert as_seen(seen) == alone[kind], kind
    peer.requests.clear()

    async def send_all() -> None:
        async with AsyncHttpClient() as client:
            for kind in pairs():
                await client.send_request(peer.url, **arguments(kind))

    run_async(send_all())
    for kind, seen in zip(pairs(), peer.requests, strict=True):
        assert as_seen(seen) == alone[kind], kind
