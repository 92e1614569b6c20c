"""The loop by itself: it knows nothing of HTTP."""

import socket
import threading
import time

import pytest

from bladehttp.server._net.loop import READ, WRITE, Deadlines, Loop


@pytest.fixture
def loop():
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    yield left, right
    left.close()
    right.close()


def test_deadlines_expire_in_the_order_they_were_armed():
    expired = []
    clock = Deadlines(5, expired.append)
    for item, now in [("a", 1), ("b", 2), ("c", 3)]:
        clock.arm(item, now)
    clock.expire(7)
    assert expired == ["a", "b"]
    assert (len(clock), clock.oldest(), dict(clock.waiting)) == (1, "c", {"c": 8})


def test_arming_again_puts_an_item_last():
    expired = []
    clock = Deadlines(5, expired.append)
    clock.arm("a", 1)
    clock.arm("b", 2)
    clock.arm("a", 3)
    clock.expire(7)
    assert expired == ["b"]


def test_a_disarmed_item_does_not_expire():
    clock = Deadlines(5, pytest.fail)
    clock.arm("a", 1)
    clock.disarm("a")
    clock.disarm("never armed")
    clock.expire(100)
    assert (len(clock), clock.oldest(), dict(clock.waiting)) == (0, None, {})


def test_a_clock_of_zero_seconds_is_off():
    clock = Deadlines(0, pytest.fail)
    clock.arm("a", 1)
    assert len(clock) == 0


def test_an_expired_item_may_disarm_the_next():
    clock = Deadlines(1, lambda item: clock.disarm("b"))
    clock.arm("a", 0)
    clock.arm("b", 0)
    clock.expire(5)
    assert len(clock) == 0


def test_a_ready_socket_is_served(loop, pair):
    left, right = pair
    ready = []
    loop.watch(left, 0, READ, ready.append)
    loop.step(0)
    assert ready == []
    right.send(b"x")
    loop.step(1)
    assert ready == [READ]


def test_interest_is_changed_and_given_up(loop, pair):
    left, _ = pair
    ready = []
    loop.watch(left, 0, READ, ready.append)
    loop.watch(left, READ, WRITE, ready.append)
    loop.step(1)
    loop.watch(left, WRITE, 0, ready.append)
    loop.step(0)
    assert ready == [WRITE]


def test_call_soon_runs_in_the_next_step_in_order(loop):
    calls = []
    loop.call_soon(lambda: calls.append(1))
    loop.call_soon(lambda: calls.append(2))
    loop.step(1)
    assert calls == [1, 2]


def test_what_call_soon_adds_runs_in_the_step_after(loop):
    calls = []
    loop.call_soon(lambda: loop.call_soon(lambda: calls.append("later")))
    loop.step(0)
    assert calls == []
    loop.step(5)
    assert calls == ["later"]


def test_call_soon_from_another_thread_wakes_the_loop(loop):
    done = threading.Event()
    runner = threading.Thread(target=loop.run)
    runner.start()
    loop.call_soon(done.set)
    assert done.wait(10)
    loop.stop()
    runner.join()


def test_stop_before_run_and_twice(loop):
    loop.stop()
    loop.stop()
    loop.run()


def test_a_loop_that_was_closed_takes_no_harm_from_stop():
    loop = Loop()
    loop.close()
    loop.stop()
    loop.call_soon(lambda: None)


def test_waking_often_does_not_block(loop):
    for _ in range(100_000):
        loop.call_soon(lambda: None)
    loop.step(0)


def test_the_loop_sleeps_until_the_next_deadline(loop):
    expired = []
    clock = loop.clock(0.05, expired.append)
    clock.arm("a", time.monotonic())
    start = time.monotonic()
    while not expired:
        loop.step(10)
    assert 0.045 <= time.monotonic() - start < 1


@pytest.mark.usefixtures("no_collector")
def test_the_loop_uses_no_processor_time_while_it_waits(loop):
    clock = loop.clock(0.3, lambda item: loop.stop())
    clock.arm("a", time.monotonic())
    before = time.process_time()
    loop.run()
    assert time.process_time() - before < 0.05


@pytest.mark.parametrize("days", [30, 10**5, 10**20])
@pytest.mark.parametrize("kind", ["timer", "clock", "step"])
def test_what_is_far_away_is_waited_for_in_shorter_sleeps(loop, kind, days):
    seconds = days * 24 * 3600
    if kind == "timer":
        loop.call_later(seconds, lambda: None)
    elif kind == "clock":
        loop.clock(seconds, lambda item: None).arm("a", loop.now)
    called = []
    threading.Timer(0.05, loop.call_soon, [lambda: called.append("called")]).start()
    while not called:
        loop.step(seconds if kind == "step" else None)
    assert called == ["called"]


def test_a_loop_knows_its_thread(loop):
    loop.step(0)
    assert loop.is_own_thread()
    seen = []
    thread = threading.Thread(target=lambda: seen.append(loop.is_own_thread()))
    thread.start()
    thread.join()
    assert seen == [False]
