"""Accepting by itself."""

import errno
import socket

import pytest

from bladehttp.server._net.endpoint import Endpoint, listen_tcp
from bladehttp.server._net.listener import Listener
from bladehttp.server._net.loop import Loop


class Failing:
    """A listening socket whose accept() fails as told, then goes on."""

    def __init__(self, sock, *errors):
        self.sock = sock
        self.errors = list(errors)

    def accept(self):
        if self.errors:
            number = self.errors.pop(0)
            raise OSError(number, errno.errorcode[number])
        return self.sock.accept()

    def __getattr__(self, name):
        return getattr(self.sock, name)


def bound(backlog=10):
    return listen_tcp("127.0.0.1", 0, backlog, reuse_address=True, reuse_port=False)


@pytest.fixture
def make():
    loop, listeners, accepted = Loop(), [], []

    def made(*errors, makes_room=False):
        endpoint = Endpoint(Failing(bound().socket, *errors))
        listener = Listener(
            endpoint,
            loop,
            lambda *got: accepted.append(got[0]),
            has_room=lambda: True,
            make_room=lambda count: makes_room,
        )
        listeners.append(listener)
        listener.resume()
        return listener, loop, accepted

    yield made
    for listener in listeners:
        listener.close()
    for sock in accepted:
        sock.close()
    loop.close()


def clients(listener, count=1):
    return [socket.create_connection(listener.socket.getsockname()) for _ in range(count)]


def close(sockets):
    for sock in sockets:
        sock.close()


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPERM, errno.EPROTO])
def test_a_client_that_has_gone_does_not_stop_the_others(make, number):
    listener, loop, accepted = make(number)
    asking = clients(listener)
    loop.step(1)
    assert len(accepted) == 1
    close(asking)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_want_of_resources_rests_the_listener_and_it_recovers_by_itself(make, number):
    listener, loop, accepted = make(number)
    asking = clients(listener)
    loop.step(1)
    assert accepted == []
    loop.step(0)  # paused: it does not spin
    assert accepted == []
    while not accepted:
        loop.step(1)
    close(asking)


def test_a_socket_that_was_shut_down_is_closed_and_told_of(make, caplog):
    listener, loop, accepted = make()
    listener.socket.shutdown(socket.SHUT_RDWR)  # as another process can that has it
    loop.step(1)
    assert listener.is_closed
    assert caplog.messages == [
        "no connection is accepted any more: the listening socket was shut down"
    ]
    listener.resume()  # a connection has gone
    loop.step(0)
    assert accepted == []


def test_with_room_made_it_goes_on_at_once(make):
    listener, loop, accepted = make(errno.EMFILE, makes_room=True)
    asking = clients(listener)
    loop.step(1)
    loop.step(1)
    assert len(accepted) == 1
    close(asking)


def test_no_more_than_64_are_accepted_in_a_turn(make):
    loop, accepted = Loop(), []
    listener = Listener(
        bound(backlog=100),
        loop,
        lambda *got: accepted.append(got[0]),
        has_room=lambda: True,
        make_room=lambda count: False,
    )
    listener.resume()
    asking = clients(listener, 70)
    loop.step(1)
    assert len(accepted) == 64
    loop.step(1)
    assert len(accepted) == 70
    listener.close()
    close(asking + accepted)
    loop.close()


def test_pausing_and_resuming_twice_does_no_harm(make):
    listener, loop, accepted = make()
    listener.pause()
    listener.pause()
    asking = clients(listener)
    loop.step(0)
    assert accepted == []
    listener.resume()
    listener.resume()
    loop.step(1)
    assert len(accepted) == 1
    close(asking)


def test_a_closed_listener_is_not_resumed(make):
    listener, _, _ = make()
    listener.close()
    listener.resume()


def test_a_rest_that_was_cut_short_does_not_end_a_later_pause(make):
    listener, loop, accepted = make(errno.EMFILE)
    asking = clients(listener)
    loop.step(1)  # rests
    listener.resume()  # a connection has gone
    loop.step(1)
    assert len(accepted) == 1
    listener.pause()  # and the limit is met
    asking += clients(listener)
    loop.step(0.2)
    loop.step(0.2)
    assert len(accepted) == 1
    close(asking)
