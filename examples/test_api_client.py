"""Tests of api_client.py: the service is a server that the test programs."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from api_client import Shop

import bladehttp as http


@pytest.fixture
def shop(blade_server):
    with Shop(blade_server.url, "id", "secret") as shop:
        yield shop


def hand_out(blade_server, token):
    blade_server.expect("POST", "/token").respond(json={"access_token": token})


def test_a_token_is_requested_once_for_all_threads(shop, blade_server):
    hand_out(blade_server, "t1")
    known = {"Authorization": "Bearer t1"}
    blade_server.expect("POST", "/orders", headers=known, times=8).respond(json={"id": 1})
    blade_server.expect("POST", "/orders", times=None).respond(status=401)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(shop.order, range(8))) == {1}


def test_all_pages_are_read(shop, blade_server):
    shop.auth.value = "t1"
    following = {"Link": '</items?page=2>; rel="next"'}
    blade_server.expect("GET", "/items", query={"page": 2}).respond(json=[3])
    blade_server.expect("GET", "/items", query={}).respond(json=[1, 2], headers=following)
    assert list(shop.items()) == [1, 2, 3]


def test_a_service_that_is_busy_is_asked_again(shop, blade_server):
    shop.retry = http.Retry(1, backoff=1)
    blade_server.expect("GET", "/items").respond(status=503)
    blade_server.expect("GET", "/items").respond(json=[])
    assert list(shop.items()) == []


def test_an_error_shows_the_answer(shop, blade_server):
    blade_server.expect("POST", "/orders").respond(json={"error": "sold out"}, status=409)
    with pytest.raises(http.HttpStatusError, match="sold out"):
        shop.order(7)
