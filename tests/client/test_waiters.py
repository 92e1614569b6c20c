"""Descriptors of 1024 and more, which select(2) cannot wait for: all is as below."""

import contextlib
import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pycurl
import pytest

from bladehttp.client import HttpClient
from bladehttp.client._curl.multi import Multi
from bladehttp.client._curl.shared_multi import FEW, OFTEN
from bladehttp.client._curl.waiters import LONGEST_WAIT
from bladehttp.exceptions import ReceiveTimeout, ResolveError, SocketException


@contextmanager
def descriptors_in_use(count: int = 1100) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count + 200)), hard))
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(count):
            stack.callback(os.close, os.open("/dev/null", os.O_RDONLY))
        yield


def test_a_descriptor_beyond_1024_is_no_trouble(peers: Any) -> None:
    with descriptors_in_use(), HttpClient() as client:
        assert client.get(peers().url).body == b"ok"


def test_a_name_is_looked_up_beyond_1024() -> None:
    with descriptors_in_use(), HttpClient() as client, pytest.raises(ResolveError):
        client.get("http://nosuch.invalid/")


@pytest.mark.parametrize(
    "options", [{}, {pycurl.SOCKOPTFUNCTION: lambda *_: 0}], ids=["ours", "the caller's"]
)
def test_nor_is_one_that_a_kept_engine_opens(
    client: HttpClient, peers: Any, reply: Any, options: dict[int, Any]
) -> None:
    client.curl_options = options
    client.get(peers().url)  # its descriptors are small ones
    pause = threading.Event()
    peer = peers(lambda _: (pause.wait(0.05), reply(b"late"))[1])
    with descriptors_in_use():
        start = time.monotonic()
        assert client.get(peer.url).body == b"late"
        assert time.monotonic() - start < LONGEST_WAIT  # which it would take if nobody listened
        assert client.post(peer.url, bytes(10**6)).body == b"late"
        with client.stream(peer.url) as response:
            assert response.read() == b"late"
        client.close()


def test_clocks_run_beyond_1024(client: HttpClient, peers: Any) -> None:
    client.get(peers().url)
    over = threading.Event()
    silent = peers(lambda _: (over.wait(5), b"")[1])
    with descriptors_in_use():
        for _ in range(2):
            with pytest.raises(ReceiveTimeout):
                client.get(silent.url, receive_timeout=50)
        client.close()
    over.set()


def test_the_engine_goes_on_when_there_is_room_again(client: HttpClient, peers: Any) -> None:
    one, other = peers(), peers()
    client.get(one.url)
    with descriptors_in_use():
        client.get(other.url)
    for _ in range(3):
        assert [client.get(peer.url).body for peer in (one, other)] == [b"ok"] * 2
    assert (one.connections, other.connections) == (1, 1)


@pytest.mark.parametrize(
    "options", [{}, {pycurl.SOCKOPTFUNCTION: lambda *_: 0}], ids=["ours", "the caller's"]
)
def test_nor_are_those_of_many_requests(
    client: HttpClient, peers: Any, reply: Any, options: dict[int, Any]
) -> None:
    client.curl_options = options
    asked, over, pause = (threading.Event() for _ in range(3))
    small = peers(lambda _: (asked.is_set() and over.wait(5), asked.set(), reply(b"small"))[-1])
    large = peers(lambda _: (pause.wait(0.05), reply(b"large"))[1])
    assert [each.body for each in client.send_many([small.url])] == [b"small"]
    with descriptors_in_use(), contextlib.ExitStack() as stack:
        stack.callback(over.set)
        start = time.monotonic()
        results = client.send_many([small.url] + [large.url] * 16, 5)  # select hears the first
        assert [next(results).body for _ in range(16)] == [b"large"] * 16
        assert time.monotonic() - start < 2 * LONGEST_WAIT
        over.set()
        assert [each.body for each in results] == [b"small"]
        client.close()


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What has changed from select to poll since."""
    made: list[object] = []
    change = Multi.change_to_poll

    def noted(self: Multi, seconds: float = 0.0) -> int:
        made.append(self)
        return change(self, seconds)

    monkeypatch.setattr(Multi, "change_to_poll", noted)
    return made


@pytest.mark.parametrize(
    "get",
    [lambda client, url: client.get(url), lambda client, url: next(client.send_many([url]))],
    ids=["one", "many"],
)
def test_only_a_descriptor_that_is_too_large_has_the_way_changed(
    client: HttpClient, peers: Any, changes: list[object], get: Any
) -> None:
    for _ in range(3):
        assert get(client, peers().url).body == b"ok"
    assert changes == []
    with descriptors_in_use():
        for _ in range(3):
            assert get(client, peers().url).body == b"ok"
        client.close()
    assert len(changes) == 1


def test_many_requests_of_which_few_are_ready_change_to_poll(
    client: HttpClient, peers: Any, reply: Any, changes: list[object]
) -> None:
    over = threading.Event()
    silent = peers(lambda _: (over.wait(20), reply(b"at last"))[1])
    quick = peers(lambda _: (over.wait(0.001), reply(b"quick"))[1])

    def one_after_another() -> Iterator[str | None]:
        yield from [silent.url] * 3 * FEW
        for _ in range(4 * OFTEN):
            yield quick.url
            yield None  # not more of them where the machine is so slow that a host seems to stall

    results = client.send_many(one_after_another(), 3 * FEW + 1)
    assert [next(results).body for _ in range(4 * OFTEN)] == [b"quick"] * 4 * OFTEN
    assert len(changes) == 1
    over.set()
    assert [each.body for each in results] == [b"at last"] * 3 * FEW


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 20, hard)
        )
        with contextlib.suppress(OSError):
            while True:
                stack.callback(os.close, os.open("/dev/null", os.O_RDONLY))
        yield


def test_want_of_descriptors_is_an_exception_of_the_tree(peers: Any) -> None:
    url = peers().url
    with HttpClient() as client:
        with no_descriptor_left():
            with pytest.raises(SocketException):
                client.get(url)
            with pytest.raises(SocketException):
                list(client.send_many([url]))
        assert client.get(url).status == 200
