"""Retry: what is sent again, when, how often; and what never is."""

import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from bladehttp import Retry
from bladehttp.client import HttpClient
from bladehttp.client._config.retry import IDEMPOTENT, parse_retry_after
from bladehttp.exceptions import (
    CertificateError,
    ConnectError,
    HttpException,
    IncompleteBody,
    ProtocolError,
    ReadError,
    ReceiveTimeout,
    TotalTimeout,
)

AT_ONCE = Retry(backoff=0)


@pytest.fixture
def failing(peers: Any, reply: Any) -> Any:
    """Make a peer that gives each connection's request the next of some answers and hangs up."""

    def make(*answers: bytes | None) -> Any:
        left = list(answers)

        def handle(connection: Any) -> None:
            peer.requests.append(connection.read_request())
            data = left.pop(0) if left else reply(b"ok")
            if data is None:
                connection.reset()
                return
            connection.send(data)
            connection.hang_up()
            connection.socket.recv(1)

        peer = peers.raw(handle)
        return peer

    return make


def busy(*fields: str, status: str = "503 Service Unavailable") -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Length: 0", "Connection: close", *fields, "", ""]
    return "\r\n".join(lines).encode()


def test_nothing_is_retried_unless_asked(client: HttpClient, failing: Any) -> None:
    peer = failing(busy())
    assert client.get(peer.url).status == 503
    assert client.retry is None


@pytest.mark.parametrize(
    "first",
    [busy(), busy(status="429 Too Many Requests"), None, b"",
     b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"],
    ids=["503", "429", "reset", "closed without a byte", "incomplete"],
)  # fmt: skip
def test_a_failure_of_an_idempotent_request_is_tried_again(
    client: HttpClient, failing: Any, first: bytes | None
) -> None:
    peer = failing(first, first)
    client.retry = AT_ONCE
    assert client.put(peer.url, "data").body == b"ok"
    assert [seen.body for seen in peer.requests] == [b"data"] * 3


def test_after_the_last_attempt_its_result_is_given(client: HttpClient, failing: Any) -> None:
    peer = failing(None, busy("X: first"), busy("X: last"))
    response = client.get(peer.url, retry=Retry(2, backoff=0))
    assert (response.status, response.headers["X"], len(peer.requests)) == (503, "last", 3)
    peer = failing(busy(), b"")
    with pytest.raises(ProtocolError) as caught:
        client.get(peer.url, retry=Retry(1, backoff=0))
    assert caught.value.code_name == "E_GOT_NOTHING"


@pytest.mark.parametrize("method", ["POST", "PATCH", "PURGE"])
@pytest.mark.parametrize("first", [busy(), b""], ids=["503", "closed"])
def test_what_the_server_may_have_done_is_not_done_twice(
    client: HttpClient, failing: Any, method: str, first: bytes
) -> None:
    client.retry = AT_ONCE
    peer = failing(first)
    try:
        client.send_request(peer.url, method, "x")
    except HttpException:
        pass
    assert len(peer.requests) == 1
    peer = failing(first)
    again = Retry(backoff=0, methods=[*IDEMPOTENT, method])
    assert client.send_request(peer.url, method, "x", retry=again).body == b"ok"


def test_a_request_that_was_never_sent_is_tried_again_whatever_its_method(
    client: HttpClient, peers: Any
) -> None:
    peer = peers()
    told: list[type] = []
    client.on_retry = [lambda request, why, delay: told.append(type(why))]
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(ConnectError):
            client.post(
                f"http://127.0.0.1:{deaf.getsockname()[1]}/", iter([b"once"]), retry=AT_ONCE
            )
    assert told == [ConnectError] * 3
    assert client.post(peer.url, iter([b"once"]), retry=AT_ONCE).body == b"ok"


def test_a_body_that_cannot_be_read_again_is_not_sent_again(
    client: HttpClient, failing: Any
) -> None:
    peer = failing(busy(), busy())
    assert client.put(peer.url, iter([b"once"]), retry=AT_ONCE).status == 503
    assert client.put(peer.url, [b"ag", b"ain"], retry=AT_ONCE).body == b"ok"
    assert [seen.body for seen in peer.requests] == [b"once", b"again", b"again"]


def test_a_certificate_that_is_refused_stays_refused(
    client: HttpClient, peers: Any, server_context: Any
) -> None:
    peer = peers(context=server_context)
    told: list[object] = []
    client.on_retry.append(lambda *what: told.append(what))
    with pytest.raises(CertificateError):
        client.get(peer.url.replace("127.0.0.1", "localhost"), retry=AT_ONCE)
    assert told == []


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for(client: HttpClient, failing: Any, form: str) -> None:
    ahead = timedelta(seconds=2)  # whole seconds in the format, so at least one
    value = "1" if form == "seconds" else format_datetime(datetime.now(UTC) + ahead, usegmt=True)
    peer = failing(busy(f"Retry-After: {value}"))
    delays: list[float] = []
    client.on_retry = [lambda request, why, delay: delays.append(delay)]
    started = time.monotonic()
    assert client.get(peer.url, retry=AT_ONCE).body == b"ok"
    assert 900 <= delays[0] <= 2000
    assert time.monotonic() - started >= delays[0] / 1000


def test_a_retry_after_that_is_too_long_gives_the_answer(client: HttpClient, failing: Any) -> None:
    for value in ("61", "9" * 400):
        response = client.get(failing(busy(f"Retry-After: {value}")).url, retry=AT_ONCE)
        assert (response.status, response.headers["Retry-After"]) == (503, value)


def test_no_attempt_begins_after_total_timeout(client: HttpClient, failing: Any) -> None:
    peer = failing(busy("Retry-After: 5"))
    started = time.monotonic()
    assert client.get(peer.url, retry=AT_ONCE, total_timeout=3000).status == 503
    assert time.monotonic() - started < 3


def test_all_attempts_share_total_timeout(client: HttpClient, peers: Any) -> None:
    peer = peers.raw(lambda connection: connection.read_request() and connection.socket.recv(1))
    started = time.monotonic()
    with pytest.raises((TotalTimeout, ReceiveTimeout)) as caught:
        client.get(peer.url, retry=Retry(99, 0), receive_timeout=80, total_timeout=300)
    assert 0.22 <= time.monotonic() - started < 2
    assert isinstance(caught.value, TotalTimeout)


def test_redirects_and_retries_go_together(client: HttpClient, peers: Any, reply: Any) -> None:
    def respond(seen: Any) -> bytes:
        if seen.target == "/":
            return reply(b"", "302 Found", "Location: /there")
        return reply(b"", "502 Bad Gateway") if len(peer.requests) < 4 else reply(b"ok")

    peer = peers(respond)
    response = client.get(peer.url, retry=AT_ONCE)
    assert (response.body, response.redirects) == (b"ok", 1)
    assert [seen.target for seen in peer.requests] == ["/", "/there", "/there", "/there"]


def test_the_defaults() -> None:
    retry = Retry()
    assert (retry.total, retry.backoff, retry.longest) == (3, 500, 60_000)
    assert retry.statuses == {429, 502, 503, 504}
    # RFC 9110 section 9.2.2, but for CONNECT
    assert retry.methods == {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}


def test_the_backoff_is_full_jitter() -> None:
    retry = Retry(100, backoff=100, longest=1000)
    for retries, limit in ((0, 0.1), (1, 0.2), (2, 0.4), (99, 1.0)):
        delays = [retry.delay(retries, None) or 0 for _ in range(300)]
        assert 0 <= min(delays) < limit / 4
        assert limit * 3 / 4 < max(delays) <= limit
    assert retry.delay(100, None) is None
    assert Retry(2, longest=2000).delay(1, "2") == 2.0
    assert Retry(2, longest=1999).delay(1, "2") is None
    assert Retry(2, longest=2000).delay(2, "2") is None
    assert Retry(backoff=0).delay(0, None) == 0.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0), ("120", 120), (" 7 ", 7), ("-1", None), ("1.5", None), ("\xb2", None), ("", None),
     ("soon", None), ("Fri, 31 Dec 1999 23:59:59 GMT", 0), ("Fri, 31 Dec 1999 23:59:59 -0000", 0)],
)  # fmt: skip
def test_retry_after_has_two_forms(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value) == seconds


def test_a_retry_is_a_value(client: HttpClient) -> None:
    assert Retry(methods=["get"]) == Retry(methods=("GET",))
    assert hash(Retry()) == hash(Retry())
    with pytest.raises(TypeError):
        client.retry = 3  # type: ignore[assignment]


@pytest.fixture
def dying(peers: Any) -> Any:
    """A peer that answers once on each connection, reads another request and hangs up."""

    def handle(connection: Any) -> None:
        peer.requests.append(connection.read_request())
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        peer.requests.append(connection.read_request())

    peer = peers.raw(handle)
    return peer


def test_libcurl_does_not_send_a_post_twice_by_itself(client: HttpClient, dying: Any) -> None:
    client.get(dying.url)
    with pytest.raises(ReadError, match=r"kept connection was lost .* POST is not sent twice"):
        client.post(dying.url, "pay")
    assert [seen.method for seen in dying.requests] == ["GET", "POST"]
    assert client.post(dying.url, "pay").body == b"ok"


def test_libcurl_sends_an_idempotent_request_twice_by_itself(
    client: HttpClient, dying: Any
) -> None:
    client.get(dying.url)
    assert client.put(dying.url, "data").body == b"ok"
    assert [seen.method for seen in dying.requests] == ["GET", "PUT", "PUT"]


def test_a_round_of_authentication_is_not_taken_for_sending_twice(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'

    def respond(seen: Any) -> bytes:
        asked = seen.get("Authorization") is None
        return reply(b"", "401 Unauthorized", challenge) if asked else reply(b"in")

    peer = peers(respond)
    for _ in range(2):
        assert client.post(peer.url, "data", auth=("me", "pw")).body == b"in"
    assert peer.last.body == b"data"


def test_an_incomplete_body_is_not_retried_for_post(client: HttpClient, failing: Any) -> None:
    peer = failing(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")
    with pytest.raises(IncompleteBody):
        client.post(peer.url, "x", retry=AT_ONCE)
