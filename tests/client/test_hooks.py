"""Hooks and logs: what they are told, what they may change, and what is never shown."""

import asyncio
import copy
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ways import ASYNCHRONOUS, WAYS, Way

from bladehttp import AsyncHttpClient, Auth, Retry
from bladehttp.client import HttpClient
from bladehttp.client._config.redaction import redact, redact_line, redact_remark
from bladehttp.client._exchange.hooks import NAMES
from bladehttp.exceptions import IncompleteBody, InvalidHeader, UnrewindableBody


@pytest.fixture
def told(client: HttpClient) -> list[tuple[Any, ...]]:
    """Everything the client's hooks are told, the name of the hook first."""
    calls: list[tuple[Any, ...]] = []
    for name in NAMES:

        def note(request: Any, *rest: Any, name: str = name) -> None:
            calls.append((name, request.method, request.url.rpartition("/")[2], *rest))

        getattr(client, name).append(note)
    return calls


def test_a_plain_request(client: HttpClient, peers: Any, told: Any) -> None:
    response = client.get(peers().url + "/a")
    assert told == [("on_request", "GET", "a"), ("on_response", "GET", "a", response)]
    assert (response.request.method, response.request.given) == ("GET", None)


def test_every_step_is_told_and_each_request_ends_once(
    client: HttpClient, peers: Any, reply: Any, told: Any
) -> None:
    def respond(seen: Any) -> bytes:
        if seen.target == "/a":
            return reply(b"", "303 See Other", "Location: /b")
        return reply(b"", "503 Busy") if len(peer.requests) < 3 else reply(b"ok")

    peer = peers(respond)
    seen: list[Any] = []
    client.on_request.append(lambda request: seen.append((id(request), request.context)))
    client.on_request.append(lambda request: request.context.setdefault("number", len(seen)))
    counts: list[Any] = []
    client.on_request.append(lambda each: counts.append((each.redirects, each.retries)))
    response = client.post(peer.url + "/a", "data", retry=Retry(backoff=0))
    assert [call[:3] for call in told] == [
        ("on_request", "POST", "a"),
        ("on_redirect", "POST", "a"),
        ("on_request", "GET", "b"),
        ("on_retry", "GET", "b"),
        ("on_request", "GET", "b"),
        ("on_response", "GET", "b"),
    ]
    assert (told[1][3].status, told[3][3].status, told[3][4]) == (303, 503, 0)
    assert told[5][3] is response
    assert seen == [seen[0]] * 3
    assert seen[0][1] == {"number": 1}
    assert counts == [(0, 0), (1, 0), (1, 1)]
    assert response.request.url.endswith("/b")


def test_an_error_is_told(client: HttpClient, peers: Any, told: Any) -> None:
    peer = peers.once(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")
    with pytest.raises(IncompleteBody) as caught:
        client.get(peer.url + "/a")
    assert told == [("on_request", "GET", "a"), ("on_error", "GET", "a", caught.value)]


def test_an_error_before_anything_is_sent_is_told(client: HttpClient, told: Any) -> None:
    with pytest.raises(OSError, match="does not exist") as caught:
        client.get("http://127.0.0.1:1/", ca_cert="/nowhere.pem")
    assert told[-1] == ("on_error", "GET", "", caught.value)


def test_a_redirect_that_cannot_be_followed_is_an_error(
    client: HttpClient, peers: Any, reply: Any, told: Any
) -> None:
    peer = peers(reply(b"", "307 Temporary Redirect", "Location: /"))
    with pytest.raises(UnrewindableBody):
        client.post(peer.url, iter([b"once"]))
    assert [call[0] for call in told] == ["on_request", "on_error"]


def test_a_hook_may_change_the_fields_of_one_message(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    peer = peers(
        lambda seen: (
            reply(b"", "302 Found", "Location: /b") if seen.target == "/a" else reply(b"ok")
        )
    )

    def trace(request: Any) -> None:
        request.headers.add("traceparent", f"00-{request.redirects}")
        request.headers.pop("X-Not", None)

    client.on_request = [trace]
    client.get(peer.url + "/a", {"X-Not": "1", "X": "2"})
    assert [seen.get_all("traceparent") for seen in peer.requests] == [["00-0"], ["00-1"]]
    assert [(seen.get("X"), seen.get("X-Not")) for seen in peer.requests] == [("2", None)] * 2


def test_a_hook_cannot_break_the_message(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.on_request = [lambda request: request.headers.add("X", "a\r\nb")]
    with pytest.raises(InvalidHeader):
        client.get(peer.url)
    client.on_request = [lambda request: request.headers.add("Content-Length", "7")]
    with pytest.raises(InvalidHeader):
        client.post(peer.url, "data")
    assert peer.requests == []


@pytest.mark.parametrize("name", ["on_request", "on_response", "on_redirect", "on_retry"])
def test_what_a_hook_raises_is_raised_and_the_client_goes_on(
    client: HttpClient, peers: Any, reply: Any, told: Any, name: str
) -> None:
    def respond(seen: Any) -> bytes:
        if seen.target == "/a":
            return reply(b"", "302 Found", "Location: /b")
        return reply(b"", "503 Busy") if len(peer.requests) < 3 else reply(b"ok")

    peer = peers(respond)
    client.retry = Retry(backoff=0)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    getattr(client, name).append(fail)
    with pytest.raises(ZeroDivisionError):
        client.get(peer.url + "/a")
    errors = 1 if name == "on_request" else 0  # nothing else would follow this one
    assert [call[0] for call in told].count("on_error") == errors
    getattr(client, name).remove(fail)
    assert client.get(peer.url + "/c").status in (200, 503)


def test_hooks_are_given_as_functions_and_lists_of_them(peers: Any) -> None:
    calls: list[Any] = []
    with HttpClient(on_request=[calls.append]) as client:
        client.get(peers().url)
        assert len(calls) == 1
        with pytest.raises(TypeError, match="list of functions"):
            client.on_error = [1]  # type: ignore[list-item]
        client.on_request = calls.append  # type: ignore[assignment]
        assert len(client.on_request) == 1


def note(*_: object) -> None:
    """Do nothing."""


@pytest.mark.parametrize("duplicate", [copy.copy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_copy_has_lists_of_its_own(client: HttpClient, duplicate: Any) -> None:
    client.on_request.append(note)
    with duplicate(client) as other:
        assert other.on_request == [note]
        other.on_request.clear()
    assert client.on_request == [note]


@pytest.fixture
def debug(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    logging.getLogger("bladehttp.client.wire").setLevel(logging.INFO)
    caplog.set_level(logging.DEBUG, "bladehttp.client")
    yield caplog
    logging.getLogger("bladehttp.client.wire").setLevel(logging.NOTSET)


def test_every_step_is_logged_without_secrets(
    client: HttpClient, peers: Any, reply: Any, debug: Any
) -> None:
    def respond(seen: Any) -> bytes:
        if seen.target.startswith("/a"):
            return reply(b"", "302 Found", "Location: /b?code=s3cret&page=2")
        if len(peer.requests) < 3:
            return reply(b"", "503 Busy")
        return reply(b"ok") if seen.target.startswith("/b") else b"nonsense\r\n\r\n"

    peer = peers(respond)
    place = peer.url.partition("://")[2]
    client.get(f"http://me:s3cret@{place}/a?api_key=s3cret&x=1", retry=Retry(backoff=0))
    with pytest.raises(Exception, match="invalid status line"):
        client.get(peer.url + "/c")
    lines = [record.getMessage().replace(peer.url, "") for record in debug.records]
    assert "s3cret" not in str(lines)
    assert lines[:5] == [
        "GET /a?api_key=[redacted]&x=1",
        "GET /a?api_key=[redacted]&x=1: 302 to '/b?code=[redacted]&page=2'",
        "GET /b?code=[redacted]&page=2",
        "GET /b?code=[redacted]&page=2: 503, again in 0 ms",
        "GET /b?code=[redacted]&page=2",
    ]
    assert lines[5].startswith("GET /b?code=[redacted]&page=2: 200 in ")
    assert lines[7].startswith("GET /c: ProtocolError: reading the response of ")


def test_hooks_are_called_before_the_log_is_written(
    client: HttpClient, peers: Any, told: Any, debug: Any, tmp_path: Path
) -> None:
    url = peers().url + "/a"
    logged: list[int] = []
    client.on_response.append(lambda *_: logged.append(len(debug.records)))
    ways = (
        lambda: client.get(url),
        lambda: next(client.send_many([url])),
        lambda: client.download(url, tmp_path / "file"),
        lambda: by_stream(client, url),
        lambda: asyncio.run(by_asyncio(client, url)),
    )
    for way in ways:
        told.clear()
        debug.clear()
        logged.clear()
        way()
        assert [call[0] for call in told] == ["on_request", "on_response"]
        assert [record.getMessage().split()[0] for record in debug.records[:2]] == ["GET", "GET"]
        assert logged == [1]  # the request's line


def by_stream(client: HttpClient, url: str) -> None:
    with client.stream(url) as response:
        response.read()


async def by_asyncio(client: HttpClient, url: str) -> None:
    hooks = {name: getattr(client, name) for name in NAMES}
    async with AsyncHttpClient(**hooks) as other:
        await other.get(url)


def test_the_wire_log_has_every_line_and_no_secret(
    client: HttpClient, peers: Any, reply: Any, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG, "bladehttp.client.wire")
    peer = peers(reply(b"s3cret", "200 OK", "Set-Cookie: id=s3cret", "X-Seen: yes"))
    client.auth, client.auth_method = ("me", "s3cret"), Auth.BASIC
    fields = {"X-Api-Key": "s3cret", "Cookie": "a=s3cret", "X-Mine": "yes"}
    client.post(peer.url + "/?token=s3cret&a=b", "s3cret", headers=fields)
    wire = [each for each in caplog.records if each.name == "bladehttp.client.wire"]
    lines = [record.getMessage() for record in wire]
    assert "s3cret" not in str(lines)
    assert "bWU6czNjcmV0" not in str(lines)
    for line in (
        "> POST /?token=[redacted]&a=b HTTP/1.1", "> Authorization: [redacted]",
        "> X-Api-Key: [redacted]", "> Cookie: [redacted]", "> X-Mine: yes",
        "> (6 bytes of a body)", "< HTTP/1.1 200 OK", "< Set-Cookie: [redacted]", "< X-Seen: yes",
        "< (6 bytes of a body)",
    ):  # fmt: skip
        assert line in lines
    caplog.clear()
    caplog.set_level(logging.INFO, "bladehttp.client.wire")
    client.get(peer.url)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://u:p@host/?X-Sig=a&b=c#f", "http://[redacted]@host/?X-Sig=[redacted]&b=c#f"),
        ("failed: 'http://host/?PASSWORD=x'", "failed: 'http://host/?PASSWORD=[redacted]'"),
        ("http://host/me@example", "http://host/me@example"),
    ],
)  # fmt: skip
def test_redaction_of_urls(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[HTTP/2] [1] [authorization: Basic x]", "[HTTP/2] [1] [authorization: [redacted]]"),
        ("[HTTP/2] [1] [:path: /?key=x]", "[HTTP/2] [1] [:path: /?key=[redacted]]"),
        ("[HTTP/2] [1] [x-my-token: abc]", "[HTTP/2] [1] [x-my-token: [redacted]]"),
        ("[HTTP/2] [1] [accept: */*]", "[HTTP/2] [1] [accept: */*]"),
        ('Added cookie a="b" for domain c', "Added cookie a=[redacted] for domain c"),
    ],
)
def test_redaction_of_what_libcurl_says(text: str, shown: str) -> None:
    assert redact_remark(text, ("*-token",)) == shown


def test_redaction_of_fields() -> None:
    assert redact_line("WWW-Authenticate: Basic", ()) == "WWW-Authenticate: [redacted]"
    assert redact_line("Location: http://a:b@c/", ()) == "Location: http://[redacted]@c/"
    assert redact_line("X-Key: a", ("*-key",)) == "X-Key: [redacted]"


@pytest.mark.parametrize("way", WAYS)
def test_hooks_of_a_request_come_after_those_of_its_client(
    peers: Any, way: Way, tmp_path: Path
) -> None:
    peer = peers()
    steps: list[Any] = []
    properties = {
        "on_request": lambda request: request.headers.add("X-Step", str(steps.append("client"))),
        "on_response": [lambda request, response: steps.append("client's")],
    }
    way(
        properties,
        peer.url,
        tmp_path,
        on_request=[
            lambda request: request.headers.__setitem__("X-Step", "own"),
            lambda request: steps.append("own"),
        ],
        on_response=lambda request, response: steps.append(response.status),
    )
    assert steps == ["client", "own", "client's", 200]
    assert peer.last.get_all("X-Step") == ["own"]


@pytest.mark.parametrize("way", ASYNCHRONOUS)
def test_hooks_of_an_awaited_request_are_awaited(peers: Any, way: Way, tmp_path: Path) -> None:
    peer = peers()
    steps: list[Any] = []

    async def before(request: Any) -> None:
        await asyncio.sleep(0)
        request.headers["X-Step"] = "own"

    async def after(request: Any, response: Any) -> None:
        await asyncio.sleep(0)
        steps.append(response.status)

    way({}, peer.url, tmp_path, on_request=before, on_response=[after])
    assert (steps, peer.last.get("X-Step")) == ([200], "own")


def test_hooks_of_a_request_are_told_of_its_redirects_and_retries(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    peer = peers(
        lambda seen: (
            reply(b"", "302 Found", "Location: /b")
            if seen.target == "/a"
            else reply(b"", "503 X" if len(peer.requests) < 3 else "200 OK")
        )
    )
    steps: list[Any] = []
    client.get(
        peer.url + "/a",
        retry=Retry(backoff=0),
        on_request=lambda request: steps.append((request.redirects, request.retries)),
        on_response=lambda request, response: steps.append(response.status),
    )
    client.get(peer.url + "/a")
    assert steps == [(0, 0), (1, 0), (1, 1), 200]


def test_no_hooks_are_none(client: HttpClient, peers: Any) -> None:
    assert client.get(peers().url, on_request=None, on_response=[]).status == 200


@pytest.mark.parametrize("name", ["on_request", "on_response"])
def test_hooks_of_a_request_are_checked(client: HttpClient, name: str) -> None:
    async def hook(*_: Any) -> None: ...

    for value, told in ((1, "a function or a list"), ([1], "functions"), (hook, "plain functions")):
        with pytest.raises(TypeError, match=told):
            client.get("http://127.0.0.1:1/", **{name: value})
    for name_of_another in ("on_redirect", "on_retry", "on_error"):
        with pytest.raises(TypeError, match="no property"):
            client.get("http://127.0.0.1:1/", **{name_of_another: print})
