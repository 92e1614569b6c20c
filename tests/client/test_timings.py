"""How long what took, and whether a connection was found."""

import threading
from typing import Any

import bladehttp
from bladehttp.client import HttpClient


def test_timings_are_in_order_and_in_milliseconds(
    client: HttpClient, peers: Any, server_context: Any, certificates: Any
) -> None:
    client.ca_cert = certificates.ca_file
    peer = peers(context=server_context)
    first, second = client.get(peer.url), client.get(peer.url)
    assert list(first.timings) == ["namelookup", "connect", "tls", "first_byte", "total"]
    times = list(first.timings.values())
    assert times == sorted(times)
    assert 0 < first.timings["connect"] < first.timings["tls"] < first.timings["total"]
    assert first.timings["total"] <= first.time_taken < 10_000
    assert (first.num_connects, second.num_connects) == (1, 0)
    assert second.timings["connect"] == second.timings["tls"] == 0 < second.timings["total"]
    assert (second.timings is second.timings, second.num_connects) == (True, 0)


def test_time_taken_is_that_of_all_hops(client: HttpClient, peers: Any, reply: Any) -> None:
    slowly = threading.Event()

    def respond(seen: Any) -> bytes:
        if seen.target == "/to":
            return bytes(reply(b"there"))
        slowly.wait(0.1)
        return bytes(reply(b"", "302 Found", "Location: /to"))

    assert client.get(peers(respond).url).time_taken >= 100


def test_timings_without_tls_on_streams_and_on_a_server(client: HttpClient, peers: Any) -> None:
    peer = peers()
    assert client.get(peer.url).timings["tls"] == 0
    with client.stream(peer.url) as response:
        assert response.timings["first_byte"] > 0
        assert response.num_connects == 0
    made = bladehttp.HttpResponse()
    assert (made.timings, made.num_connects) == ({}, 0)
