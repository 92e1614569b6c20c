"""What breaks into a request, in whatever line, leaves nothing of it for the next."""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import pycurl
import pytest

from bladehttp.client import HttpClient

SECRET = {"X-Key": "secret", "Proxy-Authorization": "secret"}


class Counter:
    """How many lines of the client have run."""

    def __init__(self) -> None:
        self.lines = 0


@contextmanager
def interrupted_at(line: int) -> Iterator[Counter]:
    """Press Ctrl-C before the client runs so many lines."""
    counter, before = Counter(), sys.gettrace()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if "bladehttp/client" not in frame.f_code.co_filename:
            return None
        counter.lines += event == "line"
        if event == "line" and counter.lines == line:
            raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        yield counter
    finally:
        sys.settrace(before)


def stream(client: HttpClient, url: str) -> None:
    with client.stream(url, headers=SECRET) as response:
        response.read()


@pytest.mark.parametrize(
    "send",
    [
        lambda client, url: client.get(url, headers=SECRET),
        lambda client, url: client.head(url, headers=SECRET),
        lambda client, url: client.post(url, b"secret", headers=SECRET),
        lambda client, url: client.post(url, iter([b"secret"]), headers=SECRET),
        lambda client, url: client.post(url, files={"name": b"secret"}, headers=SECRET),
        lambda client, url: list(client.send_many([{"url": url, "headers": SECRET}])),
        stream,
    ],
    ids=["get", "head", "post", "iterable", "multipart", "many", "stream"],
)
@pytest.mark.timeout(300)  # every line once, and each of them slowly
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_request_that_was_interrupted_leaves_nothing_for_the_next(
    client: HttpClient, peers: Any, send: Callable[[HttpClient, str], object]
) -> None:
    peer = peers()
    line = ran = 0
    while ran >= line:
        line += 1
        with suppress(BaseException), interrupted_at(line) as counter:
            send(client, peer.url)
        ran = counter.lines
        result = next(client.send_many([peer.url + "/next"]))
        assert result.body == client.get(peer.url + "/next").body == b"ok"
    assert line > 100
    following = [seen for seen in peer.requests if seen.target == "/next"]
    assert len(following) == 2 * line
    plain = following[0].fields
    assert {name for name, _ in plain} == {"Host", "User-Agent", "Accept", "Accept-Encoding"}
    sent = [(seen.method, seen.fields, seen.body) for seen in following]
    assert sent == [("GET", plain, b"")] * len(following)
    gc.collect()  # of what was lost between two lines


def test_curl_options_hold_for_what_comes_after_a_request_with_a_body(
    client: HttpClient, peers: Any
) -> None:
    peer = peers()
    client.curl_options = {pycurl.CUSTOMREQUEST: "PURGE"}
    client.get(peer.url)
    client.post(peer.url, b"data")
    client.get(peer.url)
    assert [seen.method for seen in peer.requests] == ["PURGE"] * 3
