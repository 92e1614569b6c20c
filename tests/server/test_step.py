"""A server in a program that has a loop of its own."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from support import PATIENCE, Raw, is_not_of_slowness, nothing_left

import bladehttp as http
from bladehttp.server import HttpServer


@pytest.fixture
def server():
    server = HttpServer(0)
    server.on_receive(lambda request, response: response.write(request.path))
    yield server
    server.close()


NOT_FOUND = b"404 - Not Found."


def step_until(server: HttpServer, condition) -> None:
    """Be the host's loop until something has happened."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        assert server.step(10)


def answered(server: HttpServer, client: Raw, path: str) -> bytes:
    """Ask, be the host's loop until the answer has been sent, and return its body."""
    before = server.stats.requests
    client.get(path)
    step_until(server, lambda: server.stats.requests > before)
    return client.response().body


def test_the_first_step_binds_and_each_serves_what_is_ready(server):
    assert server.step()
    assert server.port > 0
    with Raw(server.port) as client:
        for path in "/a", "/b":
            assert answered(server, client, path) == path.encode()


def test_nothing_is_served_between_steps(server):
    server.step()
    with Raw(server.port) as client:
        client.get().socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.more()


def test_a_step_waits_no_longer_than_it_is_told(server):
    server.step()
    for timeout in 0, 30:
        start = time.monotonic()
        server.step(timeout)
        assert timeout / 1000 <= time.monotonic() - start < timeout / 1000 + 0.5


def test_a_step_without_limit_ends_when_something_is_ready(server):
    server.step()
    client = threading.Timer(0.02, lambda: Raw(server.port).close())
    client.start()
    assert server.step(None)
    client.join()
    assert server.stats.connections == 1


def test_deadlines_are_met_by_steps(server):
    server.read_timeout = 50
    server.step()
    with Raw(server.port) as client:
        client.send("GET / HT")
        step_until(server, lambda: server.stats.refused)
        assert client.response().status == 408


def test_close_between_steps_closes_everything_at_once(server):
    server.step()
    with Raw(server.port) as client:
        step_until(server, lambda: server.stats.active)
        server.close()
        assert client.at_end()
        assert server.socket is None


def test_close_in_a_callback_ends_with_that_step(server):
    server.on_receive(lambda request, response: server.close())
    server.step()
    with Raw(server.port) as client:
        client.get()
        while server.step(10):
            pass
        assert server.socket is None


def test_close_by_another_thread_waits_for_the_step_that_is_being_made(server):
    server.step()
    other = threading.Timer(0.05, server.close)
    other.start()
    start = time.monotonic()
    assert not server.step(PATIENCE * 1000)
    assert time.monotonic() - start < PATIENCE
    other.join()
    assert server.socket is None


def test_close_by_another_thread_when_no_step_is_made_does_not_wait():
    server = HttpServer(0)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(server.step).result(PATIENCE)
    server.close()
    assert server.socket is None


def test_shutdown_lets_the_last_answer_through():
    server = HttpServer(0)
    server.on_receive(lambda request, response: response.stream(b"x" * 100_000 for _ in range(100)))
    server.step()
    with Raw(server.port) as client, ThreadPoolExecutor(1) as pool:
        client.get()
        step_until(server, lambda: server.stats.requests)
        server.shutdown()
        answer = pool.submit(client.response)
        while server.step(10):
            pass
        assert len(answer.result(PATIENCE).body) == 10_000_000
    assert server.socket is None


def test_an_offloaded_handler_answers_at_a_later_step():
    server = HttpServer(0)
    server.handle("GET", "/", lambda request, response: response.write("done"), offload=True)
    server.step()
    replied = []
    server.on_reply(replied.append)
    with Raw(server.port) as client:
        client.get()
        step_until(server, lambda: replied)
        assert client.response().body == b"done"
    server.close()


def test_after_the_end_the_next_step_binds_again(server):
    for _ in range(2):
        assert server.step()
        with Raw(server.port) as client:
            assert answered(server, client, "/again") == b"/again"
        server.close()


def test_a_server_that_runs_by_itself_is_not_stepped(server):
    with server, pytest.raises(RuntimeError, match="runs by itself"):
        server.step()


def test_a_server_that_is_stepped_does_not_run_by_itself(server):
    server.step()
    with pytest.raises(RuntimeError, match="listening at"):
        server.start()


def test_a_callback_does_not_make_a_step(server):
    errors = []
    server.on_error(lambda error, client: errors.append(str(error)))
    server.on_receive(lambda request, response: server.step())
    server.step()
    with Raw(server.port) as client:
        client.get()
        step_until(server, lambda: errors)
        assert client.response().status == 500
    assert errors == ["the server runs by itself, or is within a step"]


def test_what_is_no_exception_closes_everything_and_goes_through(server):
    def leave(request, response):
        raise KeyboardInterrupt

    server.on_receive(leave)
    server.step()
    with Raw(server.port) as client:
        client.get()
        with pytest.raises(KeyboardInterrupt):
            step_until(server, lambda: False)
        assert server.socket is None


def test_a_request_to_itself_within_a_step_is_refused(server):
    errors = []
    server.on_error(lambda error, client: errors.append(str(error)))
    with http.HttpClient() as own:
        server.on_receive(lambda request, response: own.get(server.url))
        server.step()
        with Raw(server.port) as client:
            client.get()
            step_until(server, lambda: errors)
    assert "would wait for itself" in errors[0]


def slow_lines(made: list[bytes], count: int):
    """Yield short chunks, each of which costs its time."""
    for _ in range(count):
        time.sleep(0.002)
        made.append(b"line\n")
        yield made[-1]


def test_a_stream_of_short_chunks_lets_others_have_their_turn():
    made: list[bytes] = []
    server = HttpServer(0, write_timeout=0)
    server.on_receive(lambda request, response: response.stream(slow_lines(made, 50)))
    server.step()
    with Raw(server.port) as client:
        client.get("/")
        most = 0
        while len(made) < 50:
            before = len(made)
            assert server.step(10)
            most = max(most, len(made) - before)
    server.close()
    assert most <= 7  # one before the head, and as many as take 10 ms


def test_a_handler_is_not_blamed_for_the_streams_before_it(caplog):
    caplog.handler.removeFilter(is_not_of_slowness)
    server = HttpServer(0, write_timeout=0, slow_handler_time=150)
    server.handle("GET", "/lines", lambda q, p: p.stream(slow_lines([], 1_000)))
    server.step()
    with ExitStack() as stack:
        streams = [stack.enter_context(Raw(server.port)) for _ in range(25)]  # 10 ms a turn each
        for client in streams:
            client.get("/lines")
        step_until(server, lambda: server.stats.requests == len(streams))
        client = stack.enter_context(Raw(server.port))
        blamed = []
        for _ in range(4):
            caplog.clear()
            assert answered(server, client, "/plain") == NOT_FOUND
            blamed.append(caplog.messages)
        server.close()
    assert [] in blamed, blamed  # a busy machine may make one slow


def test_steps_leave_nothing():
    server = HttpServer(0)
    with nothing_left():
        for _ in range(20):
            server.step()
            server.close()
