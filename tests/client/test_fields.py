"""Fields that are left out, cookies and queries of a request, and where each of them goes."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from ways import SYNCHRONOUS, WAYS, Way, module

from bladehttp import CookieJar, Headers
from bladehttp.client import HttpClient, RequestHeaders
from bladehttp.exceptions import InvalidHeader


def names(seen: Any) -> list[str]:
    return sorted(name.lower() for name, _ in seen.fields)


LEFT_OUT = {"Accept": None, "user-agent": None, "Accept-Encoding": None, "X-Own": None}


@pytest.mark.parametrize("way", [*WAYS, module])
def test_a_field_of_a_request_is_left_out(peers: Any, way: Way, tmp_path: Path) -> None:
    peer = peers()
    way({}, peer.url, tmp_path, headers=LEFT_OUT)
    assert names(peer.last) == ["host"]


@pytest.mark.parametrize("way", WAYS)
def test_a_field_of_a_client_is_left_out(peers: Any, way: Way, tmp_path: Path) -> None:
    peer = peers()
    way({"headers": LEFT_OUT}, peer.url, tmp_path)
    assert names(peer.last) == ["host"]


def test_a_request_has_the_last_word_on_a_field(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.headers = {"X-Own": "1", "X-Other": "2", "Accept": None}
    client.get(peer.url, {"x-own": None, "Accept": "text/html"})
    assert (peer.last.get("X-Own"), peer.last.get("X-Other")) == (None, "2")
    assert peer.last.get("Accept") == "text/html"


def test_headers_of_a_client_change_between_two_requests(client: HttpClient, peers: Any) -> None:
    peer = peers()
    seen = []
    for change in (
        lambda headers: headers.__setitem__("Accept", None),
        lambda headers: headers.__delitem__("accept"),
        lambda headers: headers.update({"Accept": None, "X-A": "1"}),
        lambda headers: headers.add("Accept", "a/b"),
        lambda headers: headers.extend({"Accept": None}),
    ):
        change(client.headers)
        client.get(peer.url)
        seen.append(peer.last.get("Accept"))
    assert seen == [None, "*/*", None, "a/b", None]
    assert client.headers == {"X-A": "1"}
    assert list(client.headers) == ["X-A"]


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Transfer-Encoding"])
def test_what_frames_the_message_is_always_sent(client: HttpClient, peers: Any, name: str) -> None:
    peer = peers()
    client.post(peer.url, b"four", {name: None})
    host = peer.url.removeprefix("http://")
    assert (peer.last.get("Host"), peer.last.get("Content-Length")) == (host, "4")
    assert peer.last.body == b"four"


def test_the_clients_host_left_out_gives_that_of_the_url(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.headers = {"Host": "other.example"}
    client.get(peer.url, {"Host": None})
    assert peer.last.get_all("Host") == [peer.url.removeprefix("http://")]


@pytest.mark.parametrize(
    "body", [{"json": 1}, {"form": {"a": 1}}, {"data": b"1"}, {"data": iter([b"1"])}],
    ids=["json", "form", "bytes", "iterator"],
)  # fmt: skip
def test_a_body_without_a_content_type(client: HttpClient, peers: Any, body: Any) -> None:
    peer = peers()
    client.post(peer.url, headers={"Content-Type": None}, **body)
    assert peer.last.get("Content-Type") is None


def test_expect_can_be_left_out(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.post(peer.url, iter([b"1"]), {"Expect": None})
    assert (peer.last.get("Expect"), peer.last.body) == (None, b"1")


@pytest.mark.parametrize("auth", [{"auth": "token"}, {"auth": ("a", "b")}, {"netrc": True}])
def test_no_authorization_means_no_credentials_from_anywhere(
    peers: Any, reply: Any, auth: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    peer = peers(reply(b"", "401 Unauthorized", 'WWW-Authenticate: Basic realm="a"'))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b")
    monkeypatch.setenv("HOME", str(tmp_path))
    with HttpClient(**auth) as client:
        url = peer.url.replace("://", "://name:password@")
        client.get(url, {"Authorization": None})
        client.get(peer.url, {"Authorization": None}, auth_method=1)
    assert [seen.get("Authorization") for seen in peer.requests] == [None, None]


def test_no_cookie_means_none_of_the_jar(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.cookies = True
    assert client.cookies is not None
    client.cookies.set("a", "1", "127.0.0.1")
    client.get(peer.url, {"Cookie": None})
    client.get(peer.url)
    assert [seen.get("Cookie") for seen in peer.requests] == [None, "a=1"]


def test_a_field_stays_left_out_on_a_redirect(client: HttpClient, peers: Any, reply: Any) -> None:
    other = peers()
    peer = peers(reply(b"", "302 Found", f"Location: {other.url}/"))
    client.get(peer.url, {"User-Agent": None, "Accept": None})
    assert (other.last.get("User-Agent"), other.last.get("Accept")) == (None, None)


def test_a_hook_can_leave_a_field_out_and_restore_it(client: HttpClient, peers: Any) -> None:
    peer = peers()

    def change(request: Any) -> None:
        request.headers["User-Agent"] = None
        del request.headers["accept"]

    client.on_request.append(change)
    client.get(peer.url, {"Accept": None})
    assert (peer.last.get("User-Agent"), peer.last.get("Accept")) == (None, "*/*")


def test_names_and_values_are_checked() -> None:
    headers = RequestHeaders({"A": "1"})
    for name, value in (("a b", None), ("A", "x\r\ny")):
        with pytest.raises(InvalidHeader):
            headers[name] = value
        with pytest.raises(InvalidHeader):
            RequestHeaders({name: value})
    with pytest.raises(KeyError):
        del headers["B"]


@pytest.mark.parametrize("again", [copy.copy, lambda it: pickle.loads(pickle.dumps(it))])
def test_copies_leave_out_the_same(again: Any) -> None:
    headers = RequestHeaders({"A": "1", "B": None})
    made = again(headers)
    assert (made.fields(), made == headers) == ([("A", "1"), ("b", None)], True)
    assert made != RequestHeaders({"A": "1"})
    assert Headers(made) == {"A": "1"}
    made["B"] = "2"
    assert headers.fields() == [("A", "1"), ("b", None)]
    with HttpClient(headers=headers) as client, again(client) as other:
        assert other.headers == headers


@pytest.mark.parametrize("way", [*WAYS, module])
def test_cookies_of_one_request(peers: Any, way: Way, tmp_path: Path) -> None:
    peer = peers()
    way({}, peer.url, tmp_path, cookies={"a": "1", "b": '"x, y"'})
    assert peer.last.get_all("Cookie") == ['a=1; b="x, y"']


@pytest.mark.parametrize("way", WAYS)
def test_cookies_of_a_request_beside_those_of_jar_and_field(
    peers: Any, way: Way, tmp_path: Path
) -> None:
    peer = peers()
    jar = CookieJar()
    jar.set("a", "jar", "127.0.0.1")
    jar.set("d", "jar", "127.0.0.1")
    properties = {"cookies": jar, "headers": {"Cookie": "b=field; c=field"}}
    way(properties, peer.url, tmp_path, cookies={"a": "own", "b": "own"})
    sent = peer.last.get_all("Cookie")
    assert len(sent) == 1
    assert sorted(sent[0].split("; ")) == ["a=own", "b=own", "c=field", "d=jar"]
    assert {cookie.name: cookie.value for cookie in jar} == {"a": "jar", "d": "jar"}


@pytest.mark.parametrize("jar", [None, True], ids=["without a jar", "with a jar"])
def test_cookies_of_a_request_stay_at_their_origin(peers: Any, reply: Any, jar: Any) -> None:
    other = peers(lambda seen: reply(b"", "302 Found", f"Location: {peer.url}/back"))
    away = reply(b"", "302 Found", f"Location: {other.url}/")
    peer = peers(lambda seen: away if seen.target == "/away" else reply(b"ok"))
    with HttpClient(cookies=jar) as client:
        client.get(peer.url + "/away", cookies={"a": "1"})
        client.get(peer.url + "/other")
    assert [seen.get("Cookie") for seen in peer.requests] == ["a=1", None, None]
    assert other.last.get("Cookie") is None


def test_cookies_follow_a_redirect_within_the_origin(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    peer = peers(lambda seen: reply(b"", "302 Found", "Location: /b") if seen.target == "/a"
                 else reply(b""))  # fmt: skip
    client.get(peer.url + "/a", cookies={"a": "1"})
    assert [seen.get("Cookie") for seen in peer.requests] == ["a=1", "a=1"]


@pytest.mark.parametrize(
    ("cookies", "error"),
    [
        ({"a b": "1"}, InvalidHeader),
        ({"": "1"}, InvalidHeader),
        ({"a=b": "1"}, InvalidHeader),
        ({"a": "1; b=2"}, InvalidHeader),
        ({"a": "1\r\nX: 2"}, InvalidHeader),
        ({"a": "\0"}, InvalidHeader),
        ({"a": "ä"}, InvalidHeader),
        ({"a": " 1"}, InvalidHeader),
        ({"a": 1}, TypeError),
        ({"a": None}, TypeError),
        ({b"a": "1"}, TypeError),
        (["a"], TypeError),
    ],
)
def test_cookies_that_cannot_be_sent_are_refused(
    client: HttpClient, cookies: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        client.get("http://127.0.0.1:1/", cookies=cookies)


def test_a_client_says_where_cookies_belong() -> None:
    with pytest.raises(TypeError, match="CookieJar, not a dict: give a dict to a request, or set"):
        HttpClient(cookies={"a": "secret"})  # type: ignore[arg-type]


@pytest.mark.parametrize("way", WAYS)
def test_the_query_of_a_client_is_in_every_url(peers: Any, way: Way, tmp_path: Path) -> None:
    peer = peers()
    way({"query": {"key": "a b", "v": [1, 2]}}, peer.url + "/x?own=1", tmp_path)
    assert peer.last.target == "/x?own=1&key=a+b&v=1&v=2"


@pytest.mark.parametrize(
    ("standing", "url", "query", "target"),
    [
        ({"a": 1}, "/", None, "/?a=1"),
        ({"a": 1}, "/?b=2", {"c": 3}, "/?b=2&a=1&c=3"),
        ({"a": 1, "z": 9}, "/", {"a": 2}, "/?z=9&a=2"),
        ({"a": 1, "z": 9}, "/", {"a": None}, "/?z=9"),
        ({"a": 1, "z": 9}, "/?a=3", None, "/?a=3&z=9"),
        ({"a": 1, "z": 9}, "/?a=3", {"a": 2}, "/?a=3&z=9&a=2"),
        ({"a b": 1}, "/?a%20b=2", None, "/?a%20b=2"),
        ("a=1&z=9", "/", "a=2", "/?z=9&a=2"),
        ("?a=1", "/#fragment", [("b", 2)], "/?a=1&b=2"),
        ({"ä": 1}, "/", {"ä": 2}, "/?%C3%A4=2"),
        ({"a": 1}, "/", iter([("a", None), ("b", "")]), "/?b="),
        ({}, "/?", {}, "/?"),
        ("", "/", None, "/"),
        ({"a": 1}, "/", {b"a": 2}, "/?a=2"),
        ({"a": 1}, "/", {"a": []}, "/"),
    ],
)
def test_queries_are_merged(peers: Any, standing: Any, url: str, query: Any, target: str) -> None:
    peer = peers()
    with HttpClient(base_url=peer.url, query=standing) as client:
        client.get(url, query=query)
    assert peer.last.target == target


def test_the_query_of_a_client_is_read_as_it_is_sent(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.query = {"a": 1}
    client.get(peer.url)
    client.query = None
    client.get(peer.url)
    assert [seen.target for seen in peer.requests] == ["/?a=1", "/"]
    assert (client.query, HttpClient(query={"a": "b c"}).query) == (None, "a=b+c")


def test_a_redirect_gets_no_query_of_the_clients(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    client.query = {"key": "secret"}
    peer = peers(lambda seen: reply(b"", "302 Found", "Location: /b") if seen.target != "/b"
                 else reply(b""))  # fmt: skip
    client.get(peer.url + "/a")
    assert [seen.target for seen in peer.requests] == ["/a?key=secret", "/b"]


@pytest.mark.parametrize("value", [1, b"a=1", ["a"], {"a": {}}])
def test_a_query_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="query"):
        HttpClient(query=value)


@pytest.mark.parametrize("way", SYNCHRONOUS)
def test_nothing_is_added_where_nothing_is_said(peers: Any, way: Way, tmp_path: Path) -> None:
    peer = peers()
    way({}, peer.url, tmp_path)
    assert names(peer.last) == ["accept", "accept-encoding", "host", "user-agent"]
