"""Callbacks: an exception in any function that libcurl calls ends the request and is raised."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pycurl
import pytest

from bladehttp import AsyncHttpClient, HttpClient
from bladehttp._message.response import HttpResponse
from bladehttp.client._curl.callbacks import FAILED, storing_errors


class CallbackError(Exception):
    """An exception of the caller's own."""


class StopTheWorldError(BaseException):
    """One that no `except Exception` catches, as KeyboardInterrupt."""


def fail(*_: object) -> Any:
    raise CallbackError("in a callback")


def stop(*_: object) -> Any:
    raise StopTheWorldError


def by_get(url: str, **options: Any) -> object:
    with HttpClient() as client:
        return client.send_request(url, **options)


def by_stream(url: str, **options: Any) -> object:
    with HttpClient() as client, client.stream(url, **options) as response:
        return response.read()


def by_send_many(url: str, **options: Any) -> object:
    with HttpClient() as client:
        result, other = client.send_many([{"url": url, **options}, url], ordered=True)
        assert isinstance(other, HttpResponse)  # its neighbour is not disturbed
    if isinstance(result, Exception):
        raise result
    return result


def by_asyncio(url: str, **options: Any) -> object:
    async def main() -> object:
        async with AsyncHttpClient() as client:
            try:
                return await client.send_request(url, **options)
            finally:
                assert (await client.get(url)).body == b"ok"

    return asyncio.run(main())


doors = pytest.mark.parametrize(
    "send",
    [by_get, by_stream, by_send_many, by_asyncio],
    ids=["get", "stream", "send_many", "asyncio"],
)


class Unreadable:
    """A file whose bytes cannot be read."""

    read = staticmethod(fail)


CALLBACKS: dict[str, dict[str, Any]] = {
    "socket": {"curl_options": {pycurl.SOCKOPTFUNCTION: fail}},
    "open": {"curl_options": {pycurl.OPENSOCKETFUNCTION: fail}},
    "request": {"curl_options": {pycurl.PREREQFUNCTION: fail}},
    "log": {"curl_options": {pycurl.VERBOSE: 1, pycurl.DEBUGFUNCTION: fail}},
    "progress": {"progress": fail},
    "body": {"method": "POST", "data": Unreadable()},
    "multipart": {"method": "POST", "files": {"name": Unreadable()}},
}


@doors
@pytest.mark.parametrize("options", CALLBACKS.values(), ids=list(CALLBACKS))
def test_an_exception_in_a_callback_is_the_callers(
    peers: Any,
    send: Callable[..., object],
    options: dict[str, Any],
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(CallbackError, match="in a callback"):
        send(peers().url, **options)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("send", [by_get, by_stream, by_send_many], ids=lambda send: send.__name__)
@pytest.mark.parametrize(
    "options",
    [{"curl_options": {pycurl.SOCKOPTFUNCTION: stop}}, {"progress": stop}],
    ids=["socket", "progress"],
)
def test_what_is_no_exception_ends_the_loop(
    peers: Any, send: Callable[..., object], options: dict[str, Any]
) -> None:
    with pytest.raises(StopTheWorldError):
        send(peers().url, **options)


def test_the_handle_serves_on_after_an_exception_in_a_callback(
    client: HttpClient, peers: Any
) -> None:
    peer = peers()
    for _ in range(3):
        with pytest.raises(CallbackError):
            client.get(peer.url, progress=fail)
        assert client.get(peer.url).body == b"ok"
    assert client._pool.idle == 1


def test_a_log_handler_that_raises_ends_the_request(
    client: HttpClient,
    peers: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG, "bladehttp.client.wire")
    monkeypatch.setattr(logging.getLogger("bladehttp.client.wire"), "filters", [fail])
    with pytest.raises(CallbackError):
        client.get(peers().url)


def test_the_result_for_libcurl_is_one_that_aborts() -> None:
    errors: list[BaseException] = []
    for option, failed in FAILED.items():
        assert storing_errors(fail, errors.append, failed)(option, 1, 2) == failed
    assert [type(error) for error in errors] == [CallbackError] * len(FAILED)
    assert storing_errors(max, errors.append, 0)(3, 4) == 4
