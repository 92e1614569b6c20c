"""send_many: every request has its result, its clocks and its errors; nothing is left behind."""

import asyncio
import gc
import itertools
import pickle
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from support import nothing_left, wait_until
from werkzeug import Response

from bladehttp import AsyncHttpClient, HttpResponse, HttpServer, Retry
from bladehttp.client import HttpClient
from bladehttp.client._config.options import Settings
from bladehttp.client._exchange import send_many
from bladehttp.client._exchange.exchange import Exchange
from bladehttp.client._exchange.scheduler import Scheduler
from bladehttp.client._exchange.send_many import Batch
from bladehttp.client._exchange.slots import STALL
from bladehttp.client._request.prepared import prepare_request
from bladehttp.client._request.url import parse_url
from bladehttp.exceptions import (
    ClientClosed,
    ConnectError,
    ConnectTimeout,
    IncompleteBody,
    InvalidUrl,
    ReceiveTimeout,
    TotalTimeout,
)

LATE = 2
"""Seconds a clock may be late on a busy machine before a test fails."""


@pytest.fixture
def echo() -> Iterator[HttpServer]:
    """Our own server: the path and the body come back."""
    server = HttpServer(0)
    server.on_receive(
        lambda request, response: response.write(request.path.encode() + request.raw_body)
    )
    with server:
        yield server


@pytest.fixture
def silent(peers: Any) -> Any:
    """A peer that answers /ok and lets everything else wait."""

    def handle(connection: Any) -> None:
        while True:
            request = connection.read_request()
            peer.requests.append(request)
            if request.target != "/ok":
                connection.socket.recv(1)
                return
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    peer = peers.raw(handle)
    return peer


def test_every_request_has_its_response(client: HttpClient, echo: HttpServer) -> None:
    requests = [
        {"url": f"{echo.url}/{number}", "method": "POST", "data": f"-{number}"}
        for number in range(300)
    ]
    seen = set()
    for response in client.send_many(requests, concurrency=20):
        given = response.request.given
        assert response.body.decode() == f"/{given['url'].rpartition('/')[2]}{given['data']}"
        seen.add(id(given))
    assert seen == set(map(id, requests))


def test_in_order_when_asked(client: HttpClient, httpserver: HTTPServer) -> None:
    gates = [threading.Event() for _ in range(3)]

    def slow(request: Any) -> Any:
        gates[int(request.path[1:])].wait(5)
        return Response(request.path)

    httpserver.expect_request("/2").respond_with_data("/2")
    for path in ("/0", "/1"):
        httpserver.expect_request(path).respond_with_handler(slow)
    urls = [httpserver.url_for(f"/{number}") for number in range(3)]
    gates[0].set()
    gates[1].set()
    results = client.send_many(urls, ordered=True)
    assert [result.text for result in results] == ["/0", "/1", "/2"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_in_the_order_of_completion_otherwise(
    client: HttpClient, peers: Any, reply: Any, server_context: Any, certificates: Any, scheme: str
) -> None:
    client.ca_cert = certificates.ca_file
    server_context.set_alpn_protocols(["http/1.1"])
    second = threading.Event()

    def respond(seen: Any) -> bytes:
        if seen.target == "/first":
            second.wait(10)
        return reply(seen.target.encode())

    peer = peers(respond, server_context if scheme == "https" else None)
    results = client.send_many([peer.url + "/first", peer.url + "/second"])
    assert next(results).text == "/second"
    second.set()
    assert [each.text for each in results] == ["/first"]


def test_failures_are_values(client: HttpClient, peers: Any) -> None:
    peer = peers()
    bad = peers.once(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))

        def broken() -> Iterator[bytes]:
            yield b"x"
            raise ZeroDivisionError

        requests: list[Any] = [
            peer.url, f"http://127.0.0.1:{deaf.getsockname()[1]}/", "http://", 7, {"method": "GET"},
            {"url": peer.url, "recieve_timeout": 1}, {"url": peer.url, "headers": {"a b": "c"}},
            {"url": peer.url, "data": broken()}, bad.url, {"url": peer.url, "ca_cert": "/nowhere"},
        ]  # fmt: skip
        results = list(client.send_many(requests, ordered=True))
    assert [type(result).__name__ for result in results] == [
        "HttpResponse", "ConnectError", "InvalidUrl", "TypeError", "TypeError",
        "TypeError", "InvalidHeader", "ZeroDivisionError", "IncompleteBody", "CertificateFileError",
    ]  # fmt: skip
    assert all(each.request.given is given for each, given in zip(results, requests, strict=True))
    assert results[1].request.method == "GET"
    assert isinstance(results[1], ConnectError)
    assert isinstance(results[2], InvalidUrl)


def test_redirects_retries_and_hooks_work_as_ever(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    def respond(seen: Any) -> bytes:
        if seen.target.startswith("/from"):
            return reply(b"", "302 Found", f"Location: /to{seen.target[5:]}")
        tries = [each.target for each in peer.requests].count(seen.target)
        return reply(b"", "503 Busy") if tries < 2 else reply(seen.target.encode())

    peer = peers(respond)
    given: list[Any] = []
    client.on_response = [lambda request, response: given.append((request.given, response.text))]
    urls = [f"{peer.url}/from{number}" for number in range(20)]
    results = list(
        client.send_many(
            urls,
            5,
            ordered=True,
        )
    )
    assert {result.status for result in results} == {503}
    client.retry = Retry(backoff=20)
    peer.requests.clear()
    given.clear()
    results = list(client.send_many(urls, 5, ordered=True))
    assert [(each.text, each.redirects) for each in results] == [(f"/to{n}", 1) for n in range(20)]
    assert sorted(given) == sorted((url, f"/to{n}") for n, url in enumerate(urls))


@pytest.fixture
def never_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """More is taken when nothing ends for 0.1 s, which a busy machine takes for one answer."""
    monkeypatch.setattr(send_many, "STALL", 60)


@pytest.mark.usefixtures("never_stalled")
def test_an_endless_iterable_is_taken_as_there_is_room(client: HttpClient, peers: Any) -> None:
    peer = peers()
    for ordered in (False, True):
        taken = itertools.count()
        results = client.send_many((f"{peer.url}/{next(taken)}" for _ in iter(int, 1)), 10, ordered)
        for count in range(50):
            assert next(results).status == 200
            assert next(taken) < 20 + count * 2  # this look takes one too
        results.close()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("never_stalled")
def test_waiting_for_the_first_does_not_pile_up_the_others(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    enough = threading.Event()
    taken: list[int] = []

    def respond(seen: Any) -> bytes:
        if seen.target == "/0":
            enough.wait(10)
        return reply(seen.target.encode())

    def requests() -> Iterator[str]:
        for number in range(100):
            taken.append(number)
            yield f"{peer.url}/{number}"

    peer = peers(respond)
    timer = threading.Timer(0.3, enough.set)
    timer.start()
    results = client.send_many(requests(), 4, ordered=True)
    assert next(results).text == "/0"
    assert len(taken) <= 8
    assert [each.text for each in results] == [f"/{number}" for number in range(1, 100)]
    timer.join()


@pytest.mark.parametrize("ordered", [False, True])
def test_a_stall_takes_more_and_results_that_are_held_back_do_not(ordered: bool) -> None:
    batch, taken = Batch(lambda: None, 4, ordered), []  # type: ignore[arg-type, return-value]

    def take() -> int:
        while batch.free_capacity:
            taken.append(batch.take(len(taken), lambda _: object()))  # type: ignore[arg-type]
        return len(taken)

    batch.has_ended(0)
    assert take() == 4
    for look, expected in enumerate([8, 16], 1):
        batch.look_ahead(look * STALL - 0.01)
        assert take() == expected // 2
        batch.look_ahead(look * STALL)
        assert take() == expected
    for exchange in taken[1:5]:
        batch.put([(exchange, HttpResponse())], 0)
    batch.look_ahead(STALL)
    assert take() == 16
    batch.ready.clear()
    assert take() == (16 if ordered else 4 + 32)


def test_bad_requests_alone_do_not_pile_up_either(client: HttpClient) -> None:
    taken = itertools.count()
    results = client.send_many((next(taken) for _ in iter(int, 1)), 10)
    assert isinstance(next(results), TypeError)
    assert next(taken) <= 20


@pytest.mark.parametrize(
    "given",
    ["http://127.0.0.1:1/", b"http://127.0.0.1:1/", {"url": "http://127.0.0.1:1/"}],
    ids=["str", "bytes", "dict"],
)
def test_a_single_request_is_no_list_of_them(client: HttpClient, given: Any) -> None:
    async def main() -> None:
        async with AsyncHttpClient() as other:
            async for _ in other.send_many(given):
                raise AssertionError("it was sent")

    told = "requests is a list of URLs and dicts, not"
    with pytest.raises(TypeError, match=told):
        client.send_many(given)
    with pytest.raises(TypeError, match=told):
        asyncio.run(main())


def test_concurrency_is_kept_to(client: HttpClient, peers: Any) -> None:
    peer = peers()
    assert {each.status for each in client.send_many([peer.url] * 100, 7)} == {200}
    assert peer.connections <= 7
    for concurrency, error in ((0, ValueError), ("7", TypeError), (True, TypeError)):
        with pytest.raises(error):
            client.send_many([], concurrency)  # type: ignore[arg-type]


def test_max_host_connections_is_kept_to(client: HttpClient, peers: Any, reply: Any) -> None:
    pause = threading.Event()

    def respond(_: Any) -> bytes:
        pause.wait(0.05)
        return reply(b"ok")

    peer, other = peers(respond), peers()
    client.max_host_connections = 2
    client.connect_timeout = 500  # which the wait for one of the two does not use up
    client.receive_timeout = 600
    results = client.send_many([peer.url] * 30 + [other.url] * 5, 35)
    assert [getattr(each, "body", each) for each in results] == [b"ok"] * 35
    assert (peer.connections, other.connections) == (2, 2)


def test_a_request_costs_the_same_however_many_run(client: HttpClient) -> None:
    def cost(concurrency: int) -> float:
        began = time.thread_time()
        bodies = [each.body for each in client.send_many([server.url] * 500, concurrency)]
        assert bodies == [b"ok"] * 500
        return time.thread_time() - began

    server = HttpServer(0)
    server.on_receive(lambda request, response: response.write(b"ok"))
    with server:
        cost(200)
        assert min(cost(200) for _ in range(2)) < 3 * min(cost(10) for _ in range(2))


def test_requests_of_every_outcome_leave_nothing_behind(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    cut = peers.once(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").url
    there = peers(lambda seen: reply(b"", "302 Go", f"Location: {okay}")).url
    okay = peers(reply(b"ok")).url

    def all_of_them() -> None:
        given = [cut, there, okay, "http://127.0.0.1:1/", "no url",
                 {"url": okay, "method": "POST", "data": iter([b"x"])},
                 {"url": okay, "method": "POST", "files": {"f": b"x"}}]  # fmt: skip
        for _ in client.send_many(given):
            pass
        next(client.send_many([okay] * 5))
        with pytest.raises(IncompleteBody):
            client.get(cut)
        with client.stream(okay):
            pass
        client.post(there, {"a": 1})

    def alive() -> int:
        gc.collect()
        return sum(str(type(each).__module__).startswith(("bladehttp", "pycurl")) for each in
                   gc.get_objects())  # fmt: skip

    for _ in range(3):
        all_of_them()
    before = alive()
    for _ in range(10):
        all_of_them()
    assert alive() <= before + 2  # an engine more or less


def test_connections_are_kept_for_the_next_time(client: HttpClient, peers: Any) -> None:
    peer = peers()
    for _ in range(3):
        assert len(list(client.send_many([peer.url] * 20, 4))) == 20
    assert peer.connections <= 4


def test_clocks_are_those_of_each_request(client: HttpClient, silent: Any) -> None:
    requests = [
        {"url": silent.url, "receive_timeout": 100},
        {"url": silent.url, "total_timeout": 200},
        *[{"url": silent.url + "/ok"}] * 10,
    ]
    started = time.monotonic()
    ends = {}
    for result in client.send_many(requests):
        ends.setdefault(type(result), time.monotonic() - started)
    assert 0.1 <= ends[ReceiveTimeout] < 0.1 + LATE
    assert 0.2 <= ends[TotalTimeout] < 0.2 + LATE
    assert len(ends) == 3


def test_silence_is_exact_while_others_talk(client: HttpClient, peers: Any) -> None:
    tick = threading.Event()

    def handle(connection: Any) -> None:
        target = connection.read_request().target
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for count in range(100):
            tick.wait(0.005)
            if target == "/talk" or count < 10:
                connection.send(b"x")
        connection.socket.recv(1)

    peer = peers.raw(handle)
    for _ in range(20):  # again on a busy machine
        requests = [{"url": peer.url + path, "receive_timeout": 150} for path in ("/talk", "/fall")]
        started = time.monotonic()
        first = next(iter(client.send_many(requests)))
        late = time.monotonic() - started - 0.2
        assert isinstance(first, ReceiveTimeout)
        received = len(first.response.body) if first.response else 0
        assert late >= 0 or received < 10  # a peer that was kept from sending was silent earlier
        if received == 10 and late < 0.06:
            return
    pytest.fail(f"{late} s late after {received} of 10 bytes")


def test_a_connect_timeout_is_a_value(client: HttpClient) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        requests = [{"url": url, "connect_timeout": 100, "receive_timeout": 20}]
        assert [type(each) for each in client.send_many(requests)] == [ConnectTimeout]
        for filler in fillers:
            filler.close()


def test_a_slow_caller_does_not_use_up_the_clocks(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    gate = threading.Event()

    def respond(seen: Any) -> bytes:
        if seen.target == "/late":
            gate.wait(10)
        return reply(b"ok")

    peer = peers(respond)
    clocks = {"receive_timeout": 500, "total_timeout": 600}
    requests = [{"url": peer.url + path, **clocks} for path in ("/now", "/late")]
    results = client.send_many(requests)
    assert next(results).status == 200
    threading.Event().wait(0.8)
    gate.set()
    assert next(results).status == 200


@pytest.mark.parametrize("clock", ["receive_timeout", "total_timeout"])
@pytest.mark.parametrize("first", ["now", "never"])
def test_no_clock_runs_while_the_caller_is_away(
    client: HttpClient, peers: Any, reply: Any, clock: str, first: str
) -> None:
    gate = threading.Event()

    def respond(seen: Any) -> bytes:
        if seen.target != "/now":
            gate.wait(10)
        return reply(b"ok")

    peer = peers(respond)
    requests = [
        {"url": f"{peer.url}/{first}", "receive_timeout": 100},
        {"url": peer.url + "/never", "receive_timeout": 300},
        {"url": peer.url + "/late", clock: 800},
    ]
    results = client.send_many(requests)
    assert isinstance(next(results), HttpResponse if first == "now" else ReceiveTimeout)
    threading.Event().wait(0.9)
    assert isinstance(next(results), ReceiveTimeout)  # so that every clock has been looked at
    gate.set()
    assert getattr(next(results), "status", None) == 200


def test_closing_early_aborts_what_is_under_way(client: HttpClient, silent: Any) -> None:
    with nothing_left():
        results = client.send_many([silent.url + "/ok"] + [silent.url] * 20, 5)
        assert next(results).body == b"ok"
        wait_until(lambda: len(silent.requests) >= 2)
        results.close()  # type: ignore[attr-defined]
        client.close()


def test_dropping_the_generator_closes_it(silent: Any) -> None:
    with nothing_left(), HttpClient() as client:
        for result in client.send_many([silent.url + "/ok"] + [silent.url] * 20, 5):
            assert result.body == b"ok"
            break
        del result
        gc.collect()


def test_after_an_early_close_the_kept_connections_are_sound(
    client: HttpClient, silent: Any
) -> None:
    for _ in range(5):
        results = client.send_many([silent.url + "/ok", silent.url, silent.url], 3)
        assert next(results).body == b"ok"
        results.close()  # type: ignore[attr-defined]
    urls = [silent.url + "/ok"] * 20
    assert [each.body for each in client.send_many(urls, 3)] == [b"ok"] * 20


def test_ctrl_c_ends_it_at_once(client: HttpClient, silent: Any) -> None:
    pressed: list[float] = []

    def press() -> None:
        wait_until(lambda: len(silent.requests) >= 3)
        pressed.append(time.monotonic())
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        list(client.send_many([silent.url] * 3))
    assert time.monotonic() - pressed[0] < 0.1 + LATE
    thread.join()
    assert next(client.send_many([silent.url + "/ok"])).body == b"ok"  # type: ignore[union-attr]


def test_what_the_iterable_raises_is_raised(client: HttpClient, silent: Any) -> None:
    def requests() -> Iterator[str]:
        yield silent.url
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(client.send_many(requests()))
    assert next(client.send_many([silent.url + "/ok"])).body == b"ok"  # type: ignore[union-attr]


def test_what_a_hook_raises_belongs_to_its_request(client: HttpClient, peers: Any) -> None:
    def fail(request: Any) -> None:
        if request.given.endswith("/bad"):
            raise ZeroDivisionError

    client.on_request = [fail]
    peer = peers()
    results = list(client.send_many([peer.url + "/a", peer.url + "/bad"], ordered=True))
    assert [type(each).__name__ for each in results] == ["HttpResponse", "ZeroDivisionError"]
    assert results[1].request.given == peer.url + "/bad"


class Stubborn(Exception):  # noqa: N818
    """An exception that has a request of its own."""

    @property
    def request(self) -> str:
        return "mine"


def test_an_exception_with_a_request_of_its_own_keeps_it(client: HttpClient, peers: Any) -> None:
    def fail(*_: Any) -> None:
        raise Stubborn

    client.on_response = [fail]
    assert [each.request for each in client.send_many([peers().url])] == ["mine"]


def test_a_handle_that_could_not_be_set_up_is_not_kept(
    client: HttpClient, peers: Any, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"data")
    client.on_request = [lambda request: file.unlink(missing_ok=True)]
    peer = peers()
    requests = [{"url": peer.url, "method": "POST", "files": {"f": file}}, peer.url, peer.url]
    results = list(client.send_many(requests, 1, ordered=True))
    assert isinstance(results[0], Exception)
    assert [each.status for each in results[1:]] == [200, 200]


def test_results_pickle_without_what_was_given(client: HttpClient, peers: Any) -> None:
    given = [{"url": peers().url, "retry": Retry()}, {"url": "/no", "data": lambda: b""}]
    for result in client.send_many(given):
        assert result.request.given in given
        again = pickle.loads(pickle.dumps(result))
        assert (again.request.url, again.request.given) == (result.request.url, None)


def test_a_closed_client_sends_nothing(peers: Any) -> None:
    client = HttpClient()
    client.close()
    with pytest.raises(ClientClosed):
        next(client.send_many([peers().url]))


def test_closing_the_client_in_between_lets_it_end(peers: Any) -> None:
    peer = peers()
    with nothing_left():
        client = HttpClient()
        results = client.send_many([peer.url] * 50, 5)
        next(results)
        client.close()
        assert len(list(results)) == 49


def test_a_client_left_open_after_it_warns(peers: Any) -> None:
    clients = [HttpClient()]
    list(clients[0].send_many([peers().url]))
    with pytest.warns(ResourceWarning, match="unclosed <HttpClient"):
        clients.clear()


def test_32_threads_over_one_client_do_not_disturb_each_other(
    client: HttpClient, echo: HttpServer
) -> None:
    barrier = threading.Barrier(32)
    opened: list[int] = []
    echo.on_connect(lambda *_: opened.append(1))

    def single(thread: int) -> None:
        barrier.wait(10)
        for number in range(30):
            token = f"/{thread}-{number}"
            got = client.send_request(
                echo.url + token, "PUT" if number % 2 else "GET", "x" if number % 2 else None
            )
            assert got.text == token + ("x" if number % 2 else "")

    with ThreadPoolExecutor(32) as executor:
        list(executor.map(single, range(32)))
    assert 1 <= len(opened) <= 32


def test_several_threads_may_each_send_many(client: HttpClient, echo: HttpServer) -> None:
    def many(thread: int) -> None:
        urls = [f"{echo.url}/{thread}-{number}" for number in range(50)]
        results = client.send_many(urls, 5, ordered=True)
        assert [each.text for each in results] == [url[len(echo.url) :] for url in urls]

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(many, range(8)))


def test_what_is_begun_is_sent_in_the_next_turn(silent: Any) -> None:
    scheduler = Scheduler()
    url = parse_url(silent.url + "/ok")
    for _ in range(100):  # of so many at once libcurl says that they begin in a millisecond
        scheduler.start(Exchange(prepare_request("GET", url, [], None, Settings())))
    assert scheduler.next_step_at() == 0.0
    scheduler.step()
    assert scheduler.next_step_at() > 0.0
    scheduler.close()


def test_an_idle_handle_keeps_nothing_of_its_last_exchange(
    client: HttpClient, echo: HttpServer
) -> None:
    def exchanges() -> int:
        gc.collect()
        return sum(isinstance(each, Exchange) for each in gc.get_objects())

    before = exchanges()
    assert len(list(client.send_many([echo.url] * 20, 5))) == 20
    assert exchanges() <= before
