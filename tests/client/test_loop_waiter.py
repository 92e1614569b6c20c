"""Readiness: what stands for many descriptors says of each what poll(2) would."""

import asyncio
import os
import select
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pycurl
import pytest
from support import nothing_left

from bladehttp import AsyncHttpClient
from bladehttp.client._asyncio.waiter import LoopWaiter, Poller, SelectorPoller, make_poller

IN, OUT = select.POLLIN, select.POLLOUT


@pytest.mark.parametrize("make", [make_poller, SelectorPoller])
def test_each_descriptor_is_ready_for_what_it_is_asked_for(make: Callable[[], Poller]) -> None:
    watched, (ours, theirs) = make(), socket.socketpair()
    with ours, theirs:
        watched.register(ours.fileno(), IN)
        assert watched.poll(0) == []
        theirs.send(b"x")
        assert select.select([watched.fileno()], [], [], 1)[0]
        assert watched.poll(0) == [(ours.fileno(), IN)]
        watched.modify(ours.fileno(), IN | OUT)
        assert watched.poll(0) == [(ours.fileno(), IN | OUT)]
        watched.modify(ours.fileno(), OUT)
        assert watched.poll(0) == [(ours.fileno(), OUT)]
        watched.modify(ours.fileno(), 0)
        assert watched.poll(0) == []
        watched.unregister(ours.fileno())
        watched.register(ours.fileno(), 0)
        assert watched.poll(0) == []
        watched.unregister(ours.fileno())
        assert not select.select([watched.fileno()], [], [], 0)[0]
    watched.close()


def test_requests_are_answered_without_epoll(monkeypatch: pytest.MonkeyPatch, peers: Any) -> None:
    monkeypatch.delattr(select, "epoll", raising=False)
    with closing(make_poller()) as watched:
        assert isinstance(watched, SelectorPoller)
    url = peers().url

    async def main() -> list[bytes]:
        async with AsyncHttpClient() as client:
            requests = [{"url": url, "data": bytes(10**6)} for _ in range(10)]
            return [response.body async for response in client.send_many(requests)]

    with nothing_left():
        assert asyncio.run(main()) == [b"ok"] * 10


def test_a_descriptor_that_was_closed_is_forgotten() -> None:
    async def main() -> None:
        waiter, (reading, writing) = LoopWaiter(asyncio.get_running_loop(), nothing), os.pipe()
        waiter.note(pycurl.POLL_IN, reading)
        os.close(reading)
        waiter.note(pycurl.POLL_REMOVE, reading)
        reading = os.dup(writing)  # mostly the same number again
        waiter.note(pycurl.POLL_OUT, reading)
        waiter.note(pycurl.POLL_REMOVE, reading)
        os.close(reading)
        os.close(writing)
        waiter.close()

    with nothing_left():
        asyncio.run(main())


def nothing() -> None:
    """Do nothing: what is ready is not looked at."""
