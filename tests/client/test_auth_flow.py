"""auth as a function or a generator function: turns, origins, retries and bodies."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import run_async
from ways import ASYNCHRONOUS, SYNCHRONOUS, WAYS, Way, module

from bladehttp import AsyncHttpClient, Retry
from bladehttp.client import HttpClient
from bladehttp.client._exchange.auth_flow import MOST_TURNS
from bladehttp.exceptions import HttpException, HttpStatusError, UnrewindableBody


class Tokens:
    """A server that accepts one token and refuses others, in words."""

    def __init__(self, peers: Any, reply: Any, body: bytes = b"ok") -> None:
        self.valid = "new"

        def respond(seen: Any) -> bytes:
            if seen.get("Authorization") == f"Bearer {self.valid}":
                return reply(body)
            return reply(b"refused", "401 Unauthorized", "WWW-Authenticate: Bearer")

        self.peer = peers(respond)
        self.url = self.peer.url

    @property
    def sent(self) -> list[Any]:
        return [seen.get("Authorization") for seen in self.peer.requests]


@pytest.fixture
def tokens(peers: Any, reply: Any) -> Tokens:
    return Tokens(peers, reply)


def plain(request: Any) -> None:
    request.headers["Authorization"] = "Bearer new"


def renewing(request: Any) -> Iterator[Any]:
    request.headers["Authorization"] = "Bearer old"
    response = yield request
    if response.status == 401:
        assert response.text == "refused"
        request.headers["Authorization"] = "Bearer new"
        yield request


class Renewing:
    def __call__(self, request: Any) -> Iterator[Any]:
        return renewing(request)


async def coroutine(request: Any) -> None:
    await asyncio.sleep(0)
    request.headers["Authorization"] = "Bearer new"


async def asynchronous(request: Any) -> AsyncIterator[Any]:
    await asyncio.sleep(0)
    request.headers["Authorization"] = "Bearer old"
    response = yield request
    await asyncio.sleep(0)
    if response.status == 401:
        assert response.text == "refused"
        request.headers["Authorization"] = "Bearer new"
        yield request


def returns_it(request: Any) -> Any:
    plain(request)
    return request


OLD, NEW = "Bearer old", "Bearer new"


@pytest.mark.parametrize("way", [*WAYS, module])
@pytest.mark.parametrize(
    ("auth", "sent"), [(plain, [NEW]), (renewing, [OLD, NEW])], ids=["function", "generator"]
)
def test_auth_of_a_request(tokens: Tokens, way: Way, auth: Any, sent: Any, tmp_path: Path) -> None:
    response = way({}, tokens.url, tmp_path, auth=auth)
    assert (response.status, tokens.sent) == (200, sent)
    assert len({seen.connection for seen in tokens.peer.requests}) == 1


@pytest.mark.parametrize("way", ASYNCHRONOUS)
@pytest.mark.parametrize(("auth", "sent"), [(coroutine, [NEW]), (asynchronous, [OLD, NEW])])
def test_asynchronous_auth(tokens: Tokens, way: Way, auth: Any, sent: Any, tmp_path: Path) -> None:
    told: list[Any] = []

    async def note(request: Any, response: Any) -> None:
        told.append(response.status)

    response = way({"auth": auth, "on_response": note}, tokens.url, tmp_path)
    assert (response.status, tokens.sent, told) == (200, sent, [200])


@pytest.mark.parametrize("auth", [Renewing(), returns_it], ids=["object", "requests' way"])
def test_other_callables(tokens: Tokens, auth: Any) -> None:
    with HttpClient(auth=auth) as client:
        assert client.get(tokens.url).status == 200


def test_another_result_of_auth_is_refused(client: HttpClient) -> None:
    client.auth = lambda request: {"Authorization": "Bearer new"}
    with pytest.raises(TypeError, match="auth returns None or is a generator"):
        client.get("http://127.0.0.1:1/")


def test_a_generator_that_is_content_ends_the_turns(peers: Any) -> None:
    ended: list[str] = []

    def auth(request: Any) -> Iterator[Any]:
        try:
            yield request
            ended.append("after the response")
        finally:
            ended.append("closed")

    with HttpClient(auth=auth) as client:
        assert client.get(peers().url).status == 200
    assert ended == ["after the response", "closed"]


@pytest.mark.parametrize("way", [*SYNCHRONOUS[:2], *ASYNCHRONOUS[:2]])
def test_the_number_of_turns_is_bounded(tokens: Tokens, way: Way, tmp_path: Path) -> None:
    def stubborn(request: Any) -> Iterator[Any]:
        while True:
            yield request

    with pytest.raises(HttpException, match="more than 10 times, the last response is 401"):
        way({"auth": stubborn}, tokens.url, tmp_path)
    assert len(tokens.sent) == MOST_TURNS + 1


@pytest.mark.parametrize("way", [*SYNCHRONOUS[:2], *ASYNCHRONOUS[:2]])
@pytest.mark.parametrize("wrong", [None, "https://example.com"])
def test_nothing_but_the_request_is_yielded(
    tokens: Tokens, way: Way, wrong: Any, tmp_path: Path
) -> None:
    def auth(request: Any) -> Iterator[Any]:
        yield request
        yield wrong

    with pytest.raises(TypeError, match="yields the request that it was given"):
        way({"auth": auth}, tokens.url, tmp_path)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_exception_of_auth_is_raised_and_told(
    tokens: Tokens, way: Way, when: str, tmp_path: Path
) -> None:
    told: list[Any] = []

    def auth(request: Any) -> Iterator[Any]:
        if when == "before":
            raise LookupError("no token")
        yield request
        raise LookupError("no token")

    properties = {"auth": auth, "on_error": lambda request, error: told.append(error)}
    with pytest.raises(LookupError) as caught:
        way(properties, tokens.url, tmp_path)
    assert told == [caught.value]


def test_hooks_see_one_request_and_come_before_auth(tokens: Tokens) -> None:
    steps: list[Any] = []
    with HttpClient(auth=renewing) as client:
        client.on_request = lambda request: steps.append(request.headers.get("Authorization"))
        client.on_response = lambda request, response: steps.append(response.status)
        client.on_retry = lambda *_: steps.append("retry")
        client.get(tokens.url, on_request=lambda request: request.headers.add("X-Own", "1"))
    assert steps == [None, 200]
    assert [seen.get_all("X-Own") for seen in tokens.peer.requests] == [["1"], ["1"]]


def test_a_redirect_within_the_origin_starts_it_again(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    peer = peers(lambda seen: reply(b"", "302 Found", "Location: /b") if seen.target == "/a"
                 else reply(b"ok"))  # fmt: skip

    def sign(request: Any) -> Iterator[Any]:
        request.headers["X-Signature"] = request.url.rpartition("/")[2]
        yield request

    client.auth = sign
    client.get(peer.url + "/a")
    assert [seen.get("X-Signature") for seen in peer.requests] == ["a", "b"]


@pytest.mark.parametrize("way", WAYS)
def test_no_other_origin_gets_it(peers: Any, reply: Any, way: Way, tmp_path: Path) -> None:
    def asks(seen: Any) -> bytes:
        if seen.target == "/there":
            return reply(b"", "302 Found", f"Location: {peer.url}/back")
        return reply(b"", "401 Unauthorized", "WWW-Authenticate: Bearer")

    other = peers(asks)
    peer = peers(lambda seen: reply(b"", "302 Found", f"Location: {other.url}/there")
                 if seen.target == "/" else reply(b"", "401 Unauthorized"))  # fmt: skip
    called: list[str] = []

    def auth(request: Any) -> Iterator[Any]:
        called.append(request.url)
        request.headers["X-Signed"] = "secret"
        response = yield request
        raise AssertionError(response)

    assert way({"auth": auth}, peer.url, tmp_path).status == 401
    assert called == [peer.url + "/"]
    assert [seen.get("X-Signed") for seen in other.requests] == [None]
    assert [seen.get("X-Signed") for seen in peer.requests] == ["secret", None]


@pytest.mark.parametrize("way", [*SYNCHRONOUS, *ASYNCHRONOUS[:2]])
def test_a_retry_starts_it_again(peers: Any, reply: Any, way: Way, tmp_path: Path) -> None:
    peer = peers(lambda seen: reply(b"", "503 X") if len(peer.requests) < 3 else reply(b"ok"))
    numbers = iter(range(9))

    def auth(request: Any) -> Iterator[Any]:
        request.headers["X-Number"] = str(next(numbers))
        response = yield request
        assert response.status == 200

    assert way({"auth": auth, "retry": Retry(backoff=0)}, peer.url, tmp_path).status == 200
    assert [seen.get("X-Number") for seen in peer.requests] == ["0", "1", "2"]


@pytest.mark.parametrize("way", [*SYNCHRONOUS, *ASYNCHRONOUS])
def test_a_body_is_sent_again(tokens: Tokens, way: Way, tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"data")
    with file.open("rb") as data:
        way({"auth": renewing}, tokens.url, tmp_path, method="POST", data=data)
    assert [seen.body for seen in tokens.peer.requests] == [b"data", b"data"]


@pytest.mark.parametrize("way", [*SYNCHRONOUS, *ASYNCHRONOUS])
def test_a_body_that_cannot_be_sent_again_is_an_error(
    tokens: Tokens, way: Way, tmp_path: Path
) -> None:
    told: list[Any] = []
    properties = {"auth": renewing, "on_error": lambda request, error: told.append(error)}
    with pytest.raises(UnrewindableBody) as caught:
        way(properties, tokens.url, tmp_path, method="POST", data=iter([b"data"]))
    assert caught.value.response.status == 401
    assert told == [caught.value]


def test_a_signature_has_the_body(client: HttpClient, peers: Any) -> None:
    seen: list[Any] = []
    client.auth = lambda request: seen.append(request.body)
    url = peers().url
    client.get(url)
    client.post(url, json={"a": 1})
    client.post(url, iter([b"1"]))
    assert seen == [b"", b'{"a": 1}', None]


@pytest.mark.parametrize("way", [SYNCHRONOUS[1], ASYNCHRONOUS[1]])
def test_a_stream_that_opens_is_not_asked_for_again(peers: Any, way: Way) -> None:
    def auth(request: Any) -> Iterator[Any]:
        yield request
        yield request

    with pytest.raises(RuntimeError, match="auth asks for a stream again that has opened: 200"):
        way({"auth": auth}, peers().url, Path())


def test_an_awaited_auth_decides_on_a_stream_that_opens(peers: Any) -> None:
    async def auth(request: Any) -> AsyncIterator[Any]:
        yield request
        yield request

    with pytest.raises(RuntimeError, match="has opened: 200"):
        ASYNCHRONOUS[1]({"auth": auth}, peers().url, Path())


def test_what_wins_over_it(tokens: Tokens) -> None:
    with HttpClient(auth=plain) as client:
        client.get(tokens.url, {"Authorization": "Bearer own"})
        client.get(tokens.url, auth=None)
        client.get(tokens.url, {"Authorization": None})
        url = tokens.url.replace("//", "//ada:secret@")
        client.get(url, auth_method=1)
    assert tokens.sent == ["Bearer own", None, None, "Basic YWRhOnNlY3JldA=="]


def test_raise_for_status_comes_after_it(tokens: Tokens) -> None:
    with HttpClient(raise_for_status=True, auth=renewing) as client:
        assert client.get(tokens.url).status == 200
        tokens.valid = "other"
        with pytest.raises(HttpStatusError, match="401"):
            client.get(tokens.url)


@pytest.mark.parametrize("auth", [coroutine, asynchronous])
@pytest.mark.parametrize("way", SYNCHRONOUS)
def test_a_client_refuses_asynchronous_auth(way: Way, auth: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="auth of an HttpClient is a plain function"):
        way({"auth": auth}, "http://127.0.0.1:1/", tmp_path)


def test_many_requests_with_turns(tokens: Tokens) -> None:
    with HttpClient(auth=renewing) as client:
        results = list(client.send_many([tokens.url] * 20, concurrency=5))
    assert [result.status for result in results] == [200] * 20  # type: ignore[union-attr]
    assert (tokens.sent.count(OLD), tokens.sent.count(NEW)) == (20, 20)


def test_total_timeout_holds_while_it_is_awaited(tokens: Tokens) -> None:
    async def forever(request: Any) -> AsyncIterator[Any]:
        yield request
        await asyncio.Event().wait()

    async def main() -> None:
        async with AsyncHttpClient(auth=forever, total_timeout=50) as client:
            await client.get(tokens.url)

    with pytest.raises(HttpException, match="total_timeout is over"):
        run_async(main())


def test_cancelling_ends_an_auth_that_is_awaited(tokens: Tokens) -> None:
    ended: list[str] = []
    waiting = threading.Event()

    async def forever(request: Any) -> AsyncIterator[Any]:
        try:
            yield request
            waiting.set()
            await asyncio.Event().wait()
        finally:
            ended.append("closed")

    async def main() -> None:
        async with AsyncHttpClient(auth=forever) as client:
            task = asyncio.ensure_future(client.get(tokens.url))
            while not waiting.is_set():  # noqa: ASYNC110 - set in another turn of this loop
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            client.auth = None
            assert (await client.get(tokens.url)).status == 401

    run_async(main())
    assert ended == ["closed"]
