"""Requests and settings kept by the values of a call's arguments: same verdicts, same bytes."""

import enum
import gc
import sys

import pycurl
import pytest

import bladehttp as http
from bladehttp.client import Retry
from bladehttp.client._config.options import MOST_CHANGES, Settings
from bladehttp.client._request.prepared import MOST_KEPT
from bladehttp.client._request.url import LONGEST_KEPT


class Text(enum.StrEnum):
    """A str that equals another of another type."""

    NAME = "name"


ALIKE = [
    ("receive_timeout", 1, True),
    ("receive_timeout", 1, 1.0),
    ("connect_timeout", 0, False),
    ("max_redirects", 1, True),
    ("max_redirects", 2, 2.0),
    ("follow_redirect", True, 1),
    ("no_expect", False, 0),
    ("auth_method", 1, True),
    ("auth", ("name", "password"), (Text.NAME, "password")),
    ("retry", Retry(), True),
]


@pytest.mark.parametrize(("name", "good", "bad"), ALIKE, ids=lambda value: repr(value)[:20])
def test_a_bad_value_that_equals_a_good_one_is_refused_after_it(name, good, bad):
    settings = Settings()
    for _ in range(2):
        settings.changed({name: good})
        with pytest.raises(TypeError):
            settings.changed({name: bad})


@pytest.mark.parametrize(
    ("name", "good", "same"),
    [
        ("user_agent", "name", Text.NAME),
        ("auth", ("name", "password"), ["name", "password"]),
        ("sensitive_headers", ("x-one",), ["x-one"]),
        ("resolve", {"a:1": "127.0.0.1"}, {"a:1": "127.0.0.1"}),
        ("no_proxy", "a,b", ["a", "b"]),
        ("curl_options", {121: 1}, {121: 1}),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_equal_values_of_any_type_give_equal_settings(name, good, same):
    settings = Settings()
    assert settings.changed({name: good}) == settings.changed({name: same})


def test_values_of_two_properties_do_not_stand_for_each_other():
    settings = Settings()
    assert settings.changed({"receive_timeout": 5, "connect_timeout": 6}).connect_timeout == 6
    assert settings.changed({"receive_timeout": 6, "connect_timeout": 5}).connect_timeout == 5


def test_a_check_that_fails_fails_each_time():
    settings = Settings()
    for _ in range(2):
        with pytest.raises(ValueError, match="receive_timeout"):
            settings.changed({"receive_timeout": -1})
        with pytest.raises(TypeError, match="follow_redirect"):
            settings.changed({"allow_redirects": True})


def test_a_call_without_verification_warns_each_time(peers):
    url = peers().url
    with http.HttpClient() as client:
        for _ in range(2):
            with pytest.warns(http.InsecureWarning):
                client.get(url, skip_peer_verification=True)


def test_each_call_with_cookies_has_a_jar_of_its_own():
    settings = Settings()
    first, second = (settings.changed({"cookies": True}).cookies for _ in range(2))
    assert first is not None
    assert first is not second


def test_no_more_than_some_changes_are_kept():
    settings = Settings()
    for number in range(3 * MOST_CHANGES):
        assert settings.changed({"receive_timeout": number}).receive_timeout == number
        assert len(settings._changes) <= MOST_CHANGES


def test_a_secret_of_a_call_is_kept_no_longer_than_those_of_the_client(peers):
    token = str(peers)  # not a constant, to which there are more references
    before, url = sys.getrefcount(token), peers().url
    with http.HttpClient() as client:
        client.get(url, auth=token)
        client.get(url)
        client.user_agent = "another"
        client.get(url)
        gc.collect()
        assert sys.getrefcount(token) == before


BAD_HEADERS = [
    ({"X-Name": "value"}, {"X-Name": b"value"}, TypeError),
    ({"X-Name": "1"}, {"X-Name": 1}, TypeError),
    ({"X-Name": "value"}, {"X-Name": ["value"]}, TypeError),
    ({"X-Name": "value"}, {"X-Name": "value\r\nX-Other: 1"}, http.InvalidHeader),
    ({"X-Name": "value"}, {"X Name": "value"}, http.InvalidHeader),
    ({"X-Name": "value"}, 5, TypeError),
]


@pytest.mark.parametrize(("good", "bad", "error"), BAD_HEADERS, ids=lambda value: repr(value)[:40])
def test_bad_headers_are_refused_after_good_ones(peers, good, bad, error):
    peer = peers()
    with http.HttpClient() as client:
        for _ in range(2):
            client.get(peer.url, headers=good)
            with pytest.raises(error):
                client.get(peer.url, headers=bad)
    assert len(peer.requests) == 2


CALLS = [
    {},
    {"headers": {"X-Name": "one"}},
    {"headers": {"X-Name": "two"}},
    {"headers": [("X-Name", "one"), ("X-Name", "two")]},
    {"headers": {"x-standing": "replaced"}},
    {"headers": {"X-Standing": None, "Accept": None}},
    {"headers": {"X-Name": "one"}, "cookies": {"a": "1"}},
    {"receive_timeout": 5000},
    {"auth": ("name", "password"), "auth_method": http.Auth.BASIC},
    {"auth": "token"},
    {"auth": "token", "headers": {"Authorization": "own"}},
    {"referer": "http://a/"},
    {"query": {"a": 1}},
    {"query": "a=2"},
    {"method": "HEAD"},
    {"method": "PURGE"},
    {"method": "POST"},
    {"method": "POST", "data": b"bytes"},
    {"method": "POST", "data": "text"},
    {"method": "POST", "data": b"", "headers": {"X-Name": "one"}},
    {"method": "POST", "data": b"more", "headers": {"X-Name": "one"}},
    {"method": "POST", "data": b"more", "headers": {"Content-Type": "text/plain"}},
    {"method": "POST", "data": b"four", "headers": {"content-length": "4"}},
    {"method": "POST", "data": {"a": 1}},
    {"method": "POST", "form": {"a": 1}},
    {"method": "PUT", "data": b"bytes", "no_expect": True},
    {"method": "POST", "json": {"a": 1}},
    {"method": "POST", "json": [2], "auth": "token"},
    {"json": None},
    {"json": {"a": 1}, "headers": {"X-Name": "one"}},
    {"headers": {"Content-Length": "0"}},
    {"curl_options": {pycurl.REFERER: "http://b/"}},
]


def test_calls_in_turn_send_what_each_sends_alone(peers):
    peer = peers()

    def sent(request):
        return request.method, request.target, request.fields, request.body

    alone = []
    for call in CALLS:
        with http.HttpClient(headers={"X-Standing": "yes"}) as client:
            client.send_request(peer.url, **call)
        alone.append(sent(peer.last))
    with http.HttpClient(headers={"X-Standing": "yes"}) as client:
        for _ in range(2):
            for call, before in zip(CALLS, alone, strict=True):
                client.send_request(peer.url, **call)
                assert sent(peer.last) == before
        client.headers["X-Standing"] = "no"
        client.send_request(peer.url, **CALLS[1])
        assert ("X-Standing", "no") in peer.last.fields
        client.base_url = peer.url
        client.send_request("/a", **CALLS[1])
        client.base_url = peer.url + "/b/"
        client.send_request("a", **CALLS[1])
        assert [request.target for request in peer.requests[-2:]] == ["/a", "/b/a"]


def test_no_more_than_some_requests_are_kept_and_none_that_is_long(peers):
    url = peers().url
    with http.HttpClient() as client:
        for number in range(MOST_KEPT + 10):
            client._prepare(url, headers={"X-Number": str(number)})
            assert len(client._kept) <= MOST_KEPT
        client.user_agent = "another"
        client._prepare(url, headers={"X-Long": "x" * LONGEST_KEPT})
        assert not client._kept


def test_a_secret_field_of_a_call_is_kept_no_longer_than_those_of_the_client(peers):
    token = f"Bearer {peers}"
    before, url = sys.getrefcount(token), peers().url
    with http.HttpClient() as client:
        client.get(url, headers={"Authorization": token})
        client.headers["X-Other"] = "1"
        client.get(url)
        gc.collect()
        assert sys.getrefcount(token) == before
    with http.HttpClient() as client:
        client.get(url, headers={"Authorization": token})
    del client
    gc.collect()
    assert sys.getrefcount(token) == before


@pytest.mark.parametrize("announced", [{"Content-Length": "4"}, {"content-length": "4"}])
def test_an_announced_length_is_compared_with_each_body(peers, announced):
    peer = peers()
    with http.HttpClient() as client, http.HttpClient(headers=announced) as announcing:
        for _ in range(2):
            client.post(peer.url, b"four", headers=announced)
            announcing.post(peer.url, b"four")
            with pytest.raises(http.InvalidHeader):
                client.post(peer.url, b"three", headers=announced)
            with pytest.raises(http.InvalidHeader):
                announcing.post(peer.url, b"three")
    assert [request.body for request in peer.requests] == [b"four"] * 4


def test_content_is_not_kept(peers):
    url, content = peers().url, str(peers).encode()
    before = sys.getrefcount(content)
    with http.HttpClient() as client:
        client.post(url, content)
        client.post(url, content, headers={"X-Name": "one"})
        client.get(url)
        gc.collect()
        assert sys.getrefcount(content) == before


@pytest.mark.parametrize("content", [{"a": {1}}, float("nan")], ids=["a set", "NaN"])
def test_json_that_cannot_be_sent_is_refused_after_other_json(peers, content):
    url = peers().url
    with http.HttpClient() as client:
        for _ in range(2):
            client.post(url, json={"a": 1})
            with pytest.raises((TypeError, ValueError)):
                client.post(url, json=content)
            with pytest.raises(TypeError, match="several bodies"):
                client.post(url, b"data", json={"a": 1})
