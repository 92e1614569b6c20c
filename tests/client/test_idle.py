"""Connections that nobody uses are few, not old, and closed when the server has closed them."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import run_async, wait_until

from bladehttp import AsyncHttpClient
from bladehttp.client import HttpClient
from bladehttp.client._config.options import Settings

ESTABLISHED, CLOSE_WAIT = "01", "08"


class Host:
    """A peer that answers when as many requests are here as it waits for; closes when told."""

    def __init__(self, peers: Any) -> None:
        self.sockets: list[Any] = []
        self.served: list[int] = []
        self.wanted = threading.Barrier(1)
        self.peer = peers.raw(self._handle)
        self.url = self.peer.url

    def _handle(self, connection: Any) -> None:
        self.sockets.append(connection.socket)
        while True:
            connection.read_request()
            self.served.append(connection.number)
            self.wanted.wait(10)
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def expect(self, count: int) -> None:
        self.wanted = threading.Barrier(count)

    def hang_up(self) -> None:
        for each in self.sockets:
            try:
                each.shutdown(1)
            except OSError:
                pass

    def states(self) -> Counter[str]:
        """The states of this process's connections to it, as /proc/net/tcp has them."""
        port = f":{self.peer.port:04X}"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return Counter(line[3] for line in lines if line[2].endswith(port))

    def kept(self) -> int:
        states = self.states()
        return states[ESTABLISHED] + states[CLOSE_WAIT]


@pytest.fixture
def host(peers: Any) -> Host:
    return Host(peers)


async def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.01)


def at_once(client: HttpClient, url: str, count: int) -> None:
    """Send requests from as many threads."""
    threads = [threading.Thread(target=client.get, args=(url,)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("each_loop")
def test_after_a_burst_few_connections_are_kept(host: Host) -> None:
    async def main() -> None:
        async with AsyncHttpClient(max_idle_connections=5) as client:
            host.expect(40)
            await asyncio.gather(*(client.get(host.url) for _ in range(40)))
            await until(lambda: host.kept() <= 5)
            assert host.states()[ESTABLISHED] > 0
            host.expect(1)
            assert (await client.get(host.url)).body == b"ok"

    run_async(main())


@pytest.mark.usefixtures("each_loop")
def test_connections_that_the_server_closes_are_closed(host: Host) -> None:
    async def main() -> None:
        async with AsyncHttpClient() as client:
            host.expect(20)
            await asyncio.gather(*(client.get(host.url) for _ in range(20)))
            host.hang_up()
            await until(lambda: host.kept() == 0)

    run_async(main())


@pytest.mark.usefixtures("each_loop")
def test_connections_that_are_old_are_closed(host: Host) -> None:
    async def main() -> None:
        async with AsyncHttpClient(idle_timeout=1000) as client:
            host.expect(3)
            await asyncio.gather(*(client.get(host.url) for _ in range(3)))
            await until(lambda: host.kept() == 0)

    run_async(main())


def test_the_connection_that_was_used_last_is_used_next(host: Host, client: HttpClient) -> None:
    host.expect(3)
    at_once(client, host.url, 3)
    host.expect(1)
    host.served.clear()
    for _ in range(4):
        client.get(host.url)
    assert len(host.served) == 4
    assert len(set(host.served)) == 1  # the others may grow old


def test_of_the_connections_beyond_a_limit_the_oldest_is_closed(
    host: Host, client: HttpClient
) -> None:
    host.expect(2)
    at_once(client, host.url, 2)
    client.max_idle_connections = 1
    host.expect(1)
    client.get(host.url)
    last = host.served[-1]
    client.get(host.url)
    assert host.served[-1] == last
    wait_until(lambda: host.kept() == 1)


def test_of_many_threads_connections_few_are_kept(host: Host, client: HttpClient) -> None:
    client.max_idle_connections = 5
    host.expect(30)
    at_once(client, host.url, 30)
    wait_until(lambda: host.kept() == 5)


def test_of_send_many_few_are_kept(host: Host, client: HttpClient) -> None:
    client.max_idle_connections = 5
    host.expect(30)
    assert len(list(client.send_many([host.url] * 30))) == 30
    wait_until(lambda: host.kept() <= 5)
    host.expect(1)
    assert len(list(client.send_many([host.url] * 30))) == 30


@pytest.fixture
def looking(peers: Any, client: HttpClient) -> Iterator[Callable[[], None]]:
    """Uses the client for another host, as often as it takes to look at its connections."""
    other = peers()

    def look() -> None:
        client.get(other.url)
        time.sleep(0.05)

    return look


def closed(host: Host, looking: Callable[[], None]) -> bool:
    looking()
    return host.kept() == 0


def test_a_client_in_use_closes_what_servers_have_closed(
    host: Host, client: HttpClient, looking: Callable[[], None]
) -> None:
    host.expect(10)
    at_once(client, host.url, 10)
    host.expect(1)
    assert len(list(client.send_many([host.url] * 10))) == 10
    host.hang_up()
    wait_until(lambda: closed(host, looking))


def test_a_client_in_use_closes_what_is_old(
    host: Host, client: HttpClient, looking: Callable[[], None]
) -> None:
    client.idle_timeout = 1000
    host.expect(10)
    at_once(client, host.url, 10)
    host.expect(1)
    assert len(list(client.send_many([host.url] * 10))) == 10
    wait_until(lambda: closed(host, looking))


def test_connections_in_use_stay_however_many(host: Host, client: HttpClient) -> None:
    client.max_idle_connections = 1
    client.idle_timeout = 1000
    host.expect(8)
    for _ in range(3):
        at_once(client, host.url, 8)
    host.expect(1)
    with client.stream(host.url) as response:
        for _ in range(3):
            assert client.get(host.url).body == b"ok"
        assert response.read() == b"ok"


@pytest.mark.parametrize(("given", "seconds"), [(1, 1), (1500, 2), (90_000, 90)])
def test_a_time_is_given_to_libcurl_in_whole_seconds(given: int, seconds: int) -> None:
    assert seconds in dict(Settings().changed({"idle_timeout": given}).curl).values()


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_idle_connections", 0), ("max_idle_connections", "1"), ("idle_timeout", -1)],
)
def test_limits_are_checked(client: HttpClient, name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        setattr(client, name, value)
