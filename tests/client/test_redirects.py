"""Redirects: method and body, counts, and what may not cross to another origin."""

import gc
import io
import ssl
import tracemalloc
from typing import Any

import pycurl
import pytest

from bladehttp.client import HttpClient
from bladehttp.client._config.options import Settings
from bladehttp.client._request.body import BytesBody
from bladehttp.client._request.prepared import prepare_request
from bladehttp.client._request.redirects import next_request
from bladehttp.client._request.url import parse_url
from bladehttp.exceptions import (
    InvalidUrl,
    TooManyRedirects,
    UnrewindableBody,
    UnsupportedProtocol,
)

BODY = b"the body"


def redirecting(reply: Any, status: int, location: str = "/to") -> Any:
    """Return what redirects everything but /to."""

    def respond(seen: Any) -> bytes:
        if seen.target == "/to":
            return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        head = seen.method == "HEAD"
        return reply(b"" if head else b"moved", f"{status} Moved", f"Location: {location}")

    return respond


# RFC 9110 section 15.4: code, method, method of the next hop, whether the body goes along
MATRIX = [
    *[(code, "GET", "GET", False) for code in (301, 302, 303, 307, 308)],
    *[(code, "HEAD", "HEAD", False) for code in (301, 302, 303, 307, 308)],
    *[(code, "POST", "GET", False) for code in (301, 302, 303)],
    *[(code, "POST", "POST", True) for code in (307, 308)],
    *[(code, method, method, True) for method in ("PUT", "PATCH", "DELETE", "PROPFIND")
      for code in (301, 302, 307, 308)],
    *[(303, method, "GET", False) for method in ("PUT", "PATCH", "DELETE", "PROPFIND")],
]  # fmt: skip


def file_body() -> Any:
    return io.BytesIO(BODY)


@pytest.mark.parametrize("source", [lambda: BODY, file_body, lambda: [BODY]],
                         ids=["bytes", "file", "list"])  # fmt: skip
@pytest.mark.parametrize(
    ("code", "method", "then", "with_body"), MATRIX, ids=[f"{c}-{m}" for c, m, _, _ in MATRIX]
)
def test_method_and_body_of_the_next_hop(
    client: HttpClient, peers: Any, reply: Any,
    code: int, method: str, then: str, with_body: bool, source: Any,
) -> None:  # fmt: skip
    peer = peers(redirecting(reply, code))
    data = None if method in ("GET", "HEAD") else source()
    response = client.send_request(
        peer.url + "/from", method, data, headers={"Content-Type": "a/b", "Content-Language": "x"}
    )
    first, second = peer.requests
    assert (first.method, second.method, second.target) == (method, then, "/to")
    assert first.body == (BODY if data is not None else b"")
    assert second.body == (BODY if with_body else b"")
    kept = with_body or method == then
    assert second.get("Content-Type") == ("a/b" if kept else None)
    assert second.get("Content-Language") == ("x" if kept else None)
    if not with_body:
        assert second.get("Content-Length") is None
        assert second.get("Transfer-Encoding") is None
    assert (response.status, response.redirects) == (200, 1)
    assert response.history == ((code, peer.url + "/from"),)
    assert response.responder == peer.url + "/to"
    assert peer.connections == 1


def test_multipart_is_sent_again(client: HttpClient, peers: Any, reply: Any) -> None:
    peer = peers(redirecting(reply, 307))
    client.post(peer.url, files={"f": io.BytesIO(BODY), "g": b"2"})
    first, second = peer.requests
    assert BODY in first.body
    assert BODY in second.body
    assert len(first.body) == len(second.body)


@pytest.mark.parametrize("code", [300, 304, 305, 306, 399])
def test_other_statuses_are_not_followed(
    client: HttpClient, peers: Any, reply: Any, code: int
) -> None:
    peer = peers(f"HTTP/1.1 {code} X\r\nLocation: /to\r\nContent-Length: 0\r\n\r\n".encode())
    assert client.get(peer.url).status == code
    assert len(peer.requests) == 1


def test_a_redirect_without_a_location_is_the_response(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    response = client.get(peers(reply(b"here", "302 Found")).url)
    assert (response.status, response.body, response.redirects) == (302, b"here", 0)


def test_nothing_is_followed_when_it_is_switched_off(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    peer = peers(redirecting(reply, 302))
    assert client.get(peer.url, follow_redirect=False).status == 302
    client.follow_redirect = False
    response = client.get(peer.url)
    assert (response.status, response.headers["Location"], response.redirects) == (302, "/to", 0)
    assert response.body == b"moved"


@pytest.mark.parametrize(("limit", "requests"), [(0, 1), (1, 2), (20, 21)])
def test_a_loop_ends_at_max_redirects(
    client: HttpClient, peers: Any, reply: Any, limit: int, requests: int
) -> None:
    peer = peers(reply(b"", "302 Found", "Location: /again"))
    client.max_redirects = limit
    with pytest.raises(TooManyRedirects, match=f"more than {limit} redirects") as caught:
        client.get(peer.url)
    assert len(peer.requests) == requests
    assert caught.value.response.status == 302
    assert caught.value.request.method == "GET"
    assert client.get(peer.url, follow_redirect=False).status == 302


def test_authentication_rounds_do_not_count(client: HttpClient, peers: Any, reply: Any) -> None:
    def respond(seen: Any) -> bytes:
        if seen.get("Authorization") is None:
            return reply(b"who?", "401 Unauthorized", 'WWW-Authenticate: Basic realm="x"')
        return reply(b"in", "200 OK") if seen.target == "/to" else reply(
            b"", "302 Found", "Location: /to")  # fmt: skip

    peer = peers(respond)
    response = client.get(peer.url, auth=("name:with", "p\xe4ss"))
    assert (response.status, response.body, response.redirects) == (200, b"in", 1)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("other", "/a/other"), ("../up", "/up"), ("?q=1", "/a/b?q=1"), ("/abs#frag", "/abs"),
        ("/sp ace", "/sp%20ace"), ("/\xc3\xa9", "/%C3%A9"), ("/as%2fis", None),
        ("//{host}/net", "/net"), ("HTTP://{host}/case", "/case"), ("/caf\xe9", "/caf%e9"),
        ("/\xc3\xa9\xff?\xe9", "/%C3%A9%ff?%e9"), ("/b;", "/b;"), ("/p?", "/p?"),
        ("/..//a/./b/../c", "//a/c"), ("http://{host}/x/../y", "/y"), ("?", "/a/b?"),
        ('/{{}}"<>^`|\\', "/%7B%7D%22%3C%3E%5E%60%7C%5C"), ("\\\\x\\y", "/a/%5C%5Cx%5Cy"),
    ],
)  # fmt: skip
def test_a_location_is_relative_to_the_url(
    client: HttpClient, peers: Any, reply: Any, location: str, target: str | None
) -> None:
    def respond(seen: Any) -> bytes:
        if seen.target == "/a/b":
            where = location.format(host=f"127.0.0.1:{peer.port}")
            return reply(b"", "302 Found", f"Location: {where}")
        return reply(b"ok")

    peer = peers(respond)
    assert client.get(peer.url + "/a/b").body == b"ok"
    if target is not None:
        assert peer.last.target == target


@pytest.mark.parametrize(
    ("location", "error"),
    [("http://[bad/", InvalidUrl), ("http:///x", InvalidUrl), ("//", InvalidUrl),
     ("http://h:99999/", InvalidUrl), ("http://h\\@evil/", InvalidUrl), ("/\x01", InvalidUrl),
     ("ftp://127.0.0.1/", UnsupportedProtocol), ("file:///etc/passwd", UnsupportedProtocol),
     ("javascript:alert(1)", UnsupportedProtocol)],
)  # fmt: skip
def test_a_location_that_cannot_be_used_raises_with_the_response(
    client: HttpClient, peers: Any, reply: Any, location: str, error: type[Exception]
) -> None:
    peer = peers(reply(b"", "302 Found", f"Location: {location}"))
    with pytest.raises(error) as caught:
        client.get(peer.url + "/x")
    assert caught.value.response.status == 302  # type: ignore[attr-defined]
    assert caught.value.url == peer.url + "/x"  # type: ignore[attr-defined]


@pytest.mark.parametrize("code", [307, 308])
def test_a_generator_is_not_sent_by_half(
    client: HttpClient, peers: Any, reply: Any, code: int
) -> None:
    peer = peers(redirecting(reply, code))
    with pytest.raises(UnrewindableBody) as caught:
        client.post(peer.url, (piece for piece in [BODY]))
    assert len(peer.requests) == 1
    assert caught.value.response.status == code
    assert client.post(peer.url + "/to", b"").status == 200


def test_a_generator_may_be_redirected_to_get(client: HttpClient, peers: Any, reply: Any) -> None:
    peer = peers(redirecting(reply, 303))
    assert client.post(peer.url, (piece for piece in [BODY])).redirects == 1


SECRETS = {
    "Authorization": "Bearer 1", "Cookie": "a=1", "Referer": "http://r/",
    "X-Api-Key": "k", "X-Auth-Token": "t", "My-Secret": "s", "ApiKey": "a", "Host": "virtual.test",
    "api_key": "u",
}  # fmt: skip
PUBLIC = {"X-Trace": "1", "Accept": "a/b", "Accept-Language": "de"}


def crossing(peers: Any, reply: Any, back: bool = False) -> tuple[Any, Any]:
    """Return two origins, the first of which redirects to the second (and that back)."""

    def respond(seen: Any) -> bytes:
        if back:
            return reply(b"", "307 X", f"Location: {first.url}/home")
        return reply(b"there")

    def begin(seen: Any) -> bytes:
        if seen.target == "/home":
            return reply(b"home")
        return reply(b"", "307 X", f"Location: http://u:pw@127.0.0.1:{second.port}/there")

    second, first = peers(respond), peers(begin)
    return first, second


def test_credentials_stay_at_their_origin(client: HttpClient, peers: Any, reply: Any) -> None:
    first, second = crossing(peers, reply, back=True)
    response = client.get(first.url, SECRETS | PUBLIC | {"Proxy-Authorization": "x"})
    assert (response.body, response.redirects) == (b"home", 2)
    for seen in (*first.requests, *second.requests):
        assert seen.get("Proxy-Authorization") is None
    for name, value in SECRETS.items():
        assert first.requests[0].get(name) == value
        for seen in (second.last, first.last):
            assert seen.get(name) in (None, f"127.0.0.1:{first.port}", f"127.0.0.1:{second.port}")
    for name, value in PUBLIC.items():
        assert [seen.get(name) for seen in (second.last, first.last)] == [value, value]


def test_credentials_go_along_within_their_origin(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    peer = peers(redirecting(reply, 302))
    client.get(peer.url, SECRETS)
    for name, value in SECRETS.items():
        assert peer.last.get(name) == value


@pytest.mark.parametrize("auth", [("n", "p"), "token"], ids=["password", "bearer"])
def test_auth_stays_at_its_origin(client: HttpClient, peers: Any, reply: Any, auth: Any) -> None:
    first, second = crossing(peers, reply)
    client.auth, client.auth_method, client.referer = auth, 1, "http://me/"
    client.get(first.url)
    assert first.last.get("Authorization") is not None
    assert first.last.get("Referer") == "http://me/"
    assert second.last.get("Authorization") is None
    assert second.last.get("Referer") is None
    client.get(first.url)
    assert first.last.get("Authorization") is not None


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({pycurl.USERPWD: "n:p"}, "Authorization"),
        ({pycurl.USERNAME: "n", pycurl.PASSWORD: "p"}, "Authorization"),
        ({pycurl.COOKIE: "a=1"}, "Cookie"),
        ({pycurl.REFERER: "http://me/"}, "Referer"),
    ],
    ids=["password", "name and password", "cookie", "referer"],
)
def test_credentials_of_libcurls_options_stay_at_their_origin(
    client: HttpClient, peers: Any, reply: Any, options: dict[int, str], name: str
) -> None:
    first, second = crossing(peers, reply)
    client.auth_method = 1
    client.get(first.url, curl_options={**options, pycurl.TCP_NODELAY: 1})
    assert first.last.get(name) is not None
    assert second.last.get(name) is None
    assert client.get(first.url).request.url.startswith(second.url)
    assert first.last.get(name) is None


def test_sensitive_headers_can_be_named(client: HttpClient, peers: Any, reply: Any) -> None:
    first, second = crossing(peers, reply)
    client.sensitive_headers = ("x-mine", "*-token")
    client.get(first.url, {"X-Mine": "1", "A-Token": "2", "X-Api-Key": "3"})
    assert second.last.get("X-Mine") is None
    assert second.last.get("A-Token") is None
    assert second.last.get("X-Api-Key") == "3"


def test_long_locations_and_urls_are_not_remembered(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    size = 60_000

    def respond(seen: Any) -> bytes:
        number, _, rest = seen.target[1:].partition("-")
        if rest and number != "0":
            return bytes(reply(b"", "302 Moved", f"Location: /{int(number) - 1}-{rest}"))
        return bytes(reply(b"ok"))

    peer = peers(respond)
    client.get(peer.url)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(3):
        assert client.get(f"{peer.url}/15-{number}{'x' * size}").redirects == 15
    peer.requests.clear()
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert held < 3 * 15 * size  # not even one text for each hop


def test_a_location_never_brings_credentials(client: HttpClient, peers: Any, reply: Any) -> None:
    first, second = crossing(peers, reply)
    response = client.get(first.url)
    assert second.last.get("Authorization") is None
    assert response.responder == second.url + "/there"


def test_https_does_not_become_http(
    client: HttpClient, peers: Any, reply: Any, server_context: Any, certificates: Any
) -> None:
    plain = peers()
    secure = peers(reply(b"", "302 Found", f"Location: {plain.url}/"), server_context)
    with pytest.raises(UnsupportedProtocol, match="from https to http refused"):
        client.get(secure.url, ca_cert=certificates.ca_file)
    assert plain.requests == []


def test_https_becomes_http_where_allowed_and_without_credentials(
    client: HttpClient, peers: Any, reply: Any, server_context: Any, certificates: Any
) -> None:
    plain = peers(reply(b"in the clear"))
    secure = peers(reply(b"", "307 X", f"Location: {plain.url}/", "Set-Cookie: c=1; Secure"),
                   server_context)  # fmt: skip
    client.allow_insecure_redirect, client.cookies = True, True
    client.auth, client.ca_cert = ("n", "p"), certificates.ca_file
    client.headers = SECRETS | PUBLIC
    response = client.post(secure.url, b"data")
    assert (response.body, plain.last.body) == (b"in the clear", b"data")
    for name in SECRETS:
        assert plain.last.get(name) in (None, f"127.0.0.1:{plain.port}")
    assert plain.last.get("X-Trace") == "1"
    with pytest.raises(UnsupportedProtocol):
        client.get(secure.url, allow_insecure_redirect=False)


def test_a_client_certificate_is_not_shown_to_another_origin(
    client: HttpClient, peers: Any, reply: Any, server_context: Any, certificates: Any
) -> None:
    def asking(answer: bytes, shown: list[bool]) -> Any:
        def handle(connection: Any) -> None:
            while True:
                connection.read_request()
                shown.append(bool(connection.socket.getpeercert()))
                connection.send(answer)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.cert_file, certificates.key_file)
        context.load_verify_locations(certificates.ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
        return peers.raw(handle, context)

    to_first: list[bool] = []
    to_second: list[bool] = []
    second = asking(reply(b"there"), to_second)
    first = asking(reply(b"", "307 X", f"Location: {second.url}/"), to_first)
    client.ca_cert, client.client_cert = certificates.ca_file, certificates.issue("it", "it@a.test")
    assert client.get(first.url).body == b"there"
    assert (to_first, to_second) == ([True], [False])
    client.get(second.url)  # neither its connection nor its TLS session is taken up
    client.get(first.url)
    assert (to_first, to_second) == ([True, True], [False, True, False])


def test_http_may_become_https(
    client: HttpClient, peers: Any, reply: Any, server_context: Any, certificates: Any
) -> None:
    secure = peers(reply(b"safe"), server_context)
    plain = peers(reply(b"", "302 Found", f"Location: {secure.url}/"))
    response = client.get(plain.url, ca_cert=certificates.ca_file)
    assert (response.body, response.responder) == (b"safe", secure.url + "/")


@pytest.mark.parametrize(
    ("status", "method", "following"),
    [
        (301, "GET", "GET"),
        (301, "HEAD", "HEAD"),
        (301, "POST", "GET"),
        (301, "PUT", "PUT"),
        (302, "POST", "GET"),
        (302, "DELETE", "DELETE"),
        (303, "GET", "GET"),
        (303, "HEAD", "HEAD"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (308, "PUT", "PUT"),
    ],
)
def test_the_method_and_the_body_after_a_redirect(status: int, method: str, following: str) -> None:
    fields = [("Content-Type", "text/plain"), ("X-Own", "1")]
    body = BytesBody(b"data") if method in ("POST", "PUT") else None
    request = prepare_request(method, parse_url("http://h/a/b"), fields, body, Settings())
    found = next_request(request, status, "../c?d")
    assert (found.method, found.url.text) == (following, "http://h/c?d")
    assert found.body is (body if following == method else None)
    names = [name for name, _ in found.fields]
    assert names == (["Content-Type", "X-Own"] if following == method else ["X-Own"])


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("ftp://h/", UnsupportedProtocol),
        ("http://h/", UnsupportedProtocol),  # from https
        ("https://h:port/", InvalidUrl),
        ("https://", InvalidUrl),
    ],
)
def test_a_redirect_that_leads_nowhere_is_an_exception(
    location: str, error: type[Exception]
) -> None:
    request = prepare_request("GET", parse_url("https://h/"), [], None, Settings())
    with pytest.raises(error):
        next_request(request, 302, location)
