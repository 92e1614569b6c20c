"""Descriptors of 1024 and more, which select(2) cannot wait for: all is as below."""

import contextlib
import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pycurl
import pytest

from bladehttp.client import HttpClient
from bladehttp.client.engine import LONGEST_POLL
from bladehttp.exceptions import ReceiveTimeout, ResolveError


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
        assert time.monotonic() - start < LONGEST_POLL  # which it would take if nobody listened
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
