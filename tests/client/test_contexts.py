"""Context variables: whatever of the caller's is run is run in the context of its own request."""

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from support import run_async

from bladehttp import AsyncHttpClient, Retry
from bladehttp.client import HttpClient

pytestmark = pytest.mark.usefixtures("each_loop")

tenant: ContextVar[str] = ContextVar("tenant", default="none")

KINDS = (
    "on_request", "on_response", "on_redirect", "on_retry", "log", "wire log", "progress", "data",
)  # fmt: skip


class Seen(logging.Handler):
    """Notes for whom something of a request is run, and in whose context."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[str, str, str]] = set()

    def note(self, kind: str, whose: str) -> None:
        self.seen.add((kind, whose, tenant.get()))

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        for name in ("alice", "bob"):
            if f"/{name}" in text:
                self.note("wire log" if record.name.endswith("wire") else "log", name)

    @property
    def mixed(self) -> set[tuple[str, str, str]]:
        return {each for each in self.seen if each[1] != each[2]}

    @property
    def kinds(self) -> set[tuple[str, str]]:
        return {(kind, whose) for kind, whose, _ in self.seen}


@pytest.fixture
def seen() -> Iterator[Seen]:
    handler = Seen()
    logger = logging.getLogger("bladehttp.client")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)


@pytest.fixture
def busy(peers: Any, reply: Any) -> Any:
    """A peer that redirects once, says once that it is busy, and then answers."""

    def respond(request: Any) -> bytes:
        tries = [each.target for each in peer.requests].count(request.target)
        if request.target.startswith("/from/"):
            return reply(b"", "307 There", f"Location: {request.target[5:]}")
        return reply(b"", "503 Busy") if tries < 2 else reply(request.target.encode())

    peer = peers(respond)
    return peer


def hooks(seen: Seen) -> dict[str, Any]:
    def hook(name: str) -> Any:
        return lambda request, *_: seen.note(name, request.url.rpartition("/")[2])

    names = ("on_request", "on_response", "on_redirect", "on_retry", "on_error")
    return {name: [hook(name)] for name in names}


def request_of(seen: Seen, name: str) -> dict[str, Any]:
    """The arguments of a request whose every part notes where it is run."""

    class Data:
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(3):
                seen.note("data", name)
                yield bytes(1000)

    return {
        "url": f"/from/{name}",
        "method": "PUT",
        "data": Data(),
        "progress": lambda *_: seen.note("progress", name),
        "retry": Retry(backoff=0),
    }


WHOLE = {(kind, name) for kind in KINDS for name in ("alice", "bob")}


def test_requests_of_one_client_see_their_own_context(busy: Any, seen: Seen) -> None:
    async def main() -> None:
        async with AsyncHttpClient(busy.url, **hooks(seen)) as client:

            async def send(name: str) -> None:
                tenant.set(name)
                assert (await client.send_request(**request_of(seen, name))).status == 200

            await asyncio.gather(*(send(name) for name in ("alice", "bob") * 3))

    run_async(main())
    assert seen.mixed == set()
    assert seen.kinds == WHOLE


def test_streams_see_their_own_context(busy: Any, seen: Seen) -> None:
    async def main() -> None:
        async with AsyncHttpClient(busy.url, **hooks(seen)) as client:

            async def send(name: str) -> None:
                tenant.set(name)
                async with client.stream(**request_of(seen, name)) as response:
                    assert (await response.aread()) == f"/{name}".encode()

            await asyncio.gather(*(send(name) for name in ("alice", "bob")))

    run_async(main())
    assert seen.mixed == set()
    assert seen.kinds == WHOLE


async def awaited(requests: Iterator[Any]) -> AsyncIterator[Any]:
    for request in requests:
        await asyncio.sleep(0)
        yield request


@pytest.mark.parametrize("plain", [True, False], ids=["iterable", "asynchronous iterable"])
def test_requests_of_an_asynchronous_send_many_see_where_they_were_made(
    busy: Any, seen: Seen, plain: bool
) -> None:
    def requests() -> Iterator[Any]:
        for name in ("alice", "bob"):
            tenant.set(name)
            yield request_of(seen, name)

    async def main() -> None:
        async with AsyncHttpClient(busy.url, **hooks(seen)) as client:
            given = requests() if plain else awaited(requests())
            async for result in client.send_many(given):
                assert result.status == 200  # type: ignore[union-attr]

    run_async(main())
    assert seen.mixed == set()
    assert seen.kinds == WHOLE


def test_requests_of_send_many_see_where_they_were_made(
    busy: Any, seen: Seen, client: HttpClient
) -> None:
    def requests() -> Iterator[Any]:
        for name in ("alice", "bob"):
            tenant.set(name)
            yield request_of(seen, name)

    client.base_url = busy.url
    for name, value in hooks(seen).items():
        setattr(client, name, value)
    for result in client.send_many(requests()):
        tenant.set("whoever takes the results")
        assert result.status == 200  # type: ignore[union-attr]
    tenant.set("none")
    assert seen.mixed == set()
    assert seen.kinds == WHOLE


def test_on_error_of_a_cancelled_request_sees_its_context(peers: Any) -> None:
    over = threading.Event()
    peer = peers(lambda _: (over.wait(10), b"")[1])
    told: list[Any] = []

    async def main() -> None:
        client = AsyncHttpClient(peer.url)
        client.on_error = [lambda request, error: told.append((tenant.get(), type(error)))]

        async def send(name: str) -> None:
            tenant.set(name)
            await client.get("/" + name)

        tasks = {name: asyncio.create_task(send(name)) for name in ("alice", "bob")}
        while len(peer.requests) < 2:  # noqa: ASYNC110 - a thread cannot set an asyncio.Event
            await asyncio.sleep(0.001)
        tasks["alice"].cancel()
        await asyncio.wait([tasks["alice"]])
        await client.close()
        await asyncio.wait([tasks["bob"]])
        tasks["bob"].exception()

    run_async(main())
    over.set()
    assert [(name, error.__name__) for name, error in told] == [
        ("alice", "CancelledError"), ("bob", "ClientClosed"),
    ]  # fmt: skip


def test_what_a_hook_sets_is_seen_by_the_later_ones_and_by_no_other_request(peers: Any) -> None:
    peer = peers()
    told: list[Any] = []

    def data() -> Iterator[bytes]:
        told.append(("data", tenant.get()))
        yield b"x"

    async def main() -> None:
        async with AsyncHttpClient(peer.url) as client:
            client.on_request = [lambda request: tenant.set(request.url.rpartition("/")[2])]
            client.on_response = [lambda *_: told.append(("on_response", tenant.get()))]
            for name in ("alice", "bob"):
                await client.put("/" + name, data())
                told.append(("caller", tenant.get()))

    run_async(main())
    assert told == [
        ("data", "alice"), ("on_response", "alice"), ("caller", "none"),
        ("data", "bob"), ("on_response", "bob"), ("caller", "none"),
    ]  # fmt: skip


def test_the_loop_keeps_no_context_of_a_request(peers: Any) -> None:
    class Held:
        pass

    peer = peers()
    held: ContextVar[Any] = ContextVar("held")

    async def main() -> None:
        async with AsyncHttpClient(peer.url) as client:

            async def send() -> Any:
                thing = Held()
                held.set(thing)
                await client.get("/")
                return weakref.ref(thing)

            reference = await asyncio.create_task(send())
            await asyncio.sleep(0)
            gc.collect()
            assert reference() is None

    run_async(main())
