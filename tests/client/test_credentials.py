"""Names and passwords: when they are sent, to whom, and that no message shows them."""

import ssl
from base64 import b64encode
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from body_doors import Door, every_door
from proxies import HttpProxy, tunnel

from bladehttp import Auth
from bladehttp._data.secret_names import SENSITIVE_HEADERS
from bladehttp.client import HttpClient
from bladehttp.client._config.options import Settings
from bladehttp.client._config.redaction import redact, redact_error, redact_line
from bladehttp.client._request.redirects import public_fields
from bladehttp.client._request.url import parse_url
from bladehttp.exceptions import (
    HttpException,
    ProtocolError,
    ProxyError,
)

BASIC = "Basic " + b64encode(b"u:p").decode()


def asking(reply: Any, *challenges: str) -> Any:
    """Answer 401 with these challenges until there are credentials."""

    def respond(seen: Any) -> bytes:
        if seen.get("Authorization"):
            return bytes(reply(b"in"))
        fields = [f"WWW-Authenticate: {challenge}" for challenge in challenges]
        return bytes(reply(b"out", "401 Unauthorized", *fields))

    return respond


def with_auth(client: HttpClient, url: str, tmp_path: Path) -> None:
    client.auth = ("u", "p")


def with_userinfo(client: HttpClient, url: str, tmp_path: Path) -> None:
    client.base_url = url.replace("://", "://u:p@")


def with_netrc(client: HttpClient, url: str, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login u password p\n")
    client.netrc = str(tmp_path / "netrc")


every_source = pytest.mark.parametrize("give", [with_auth, with_userinfo, with_netrc])


@every_source
@pytest.mark.parametrize("method", [Auth.ANY, Auth.ANYSAFE | Auth.BASIC])
def test_any_with_a_password_does_not_choose_negotiate(
    client: HttpClient, peers: Any, reply: Any, tmp_path: Path, give: Any, method: Auth
) -> None:
    peer = peers(asking(reply, "Negotiate", 'Basic realm="x"'))
    give(client, peer.url, tmp_path)
    client.base_url = client.base_url or peer.url
    assert client.get("/", auth_method=method).body == b"in"
    assert peer.last.get("Authorization") == BASIC


def test_negotiate_is_asked_for_by_itself_or_without_a_password() -> None:
    def bits(**properties: Any) -> int:
        settings = Settings().changed(properties)
        return dict(settings.curl)[Auth_option]  # type: ignore[return-value]

    Auth_option = 107  # noqa: N806 - CURLOPT_HTTPAUTH
    assert bits(auth=("u", "p"), auth_method=Auth.NEGOTIATE) == Auth.NEGOTIATE
    assert bits(auth=("u", "p"), auth_method=Auth.NEGOTIATE | Auth.BASIC) == 5
    assert bits(auth=("", ""), auth_method=Auth.ANY) == Auth.ANY
    assert bits(auth_method=Auth.ANY) == Auth.ANY
    assert bits(auth=("u", "p")) == Auth.ANY & ~Auth.NEGOTIATE
    assert bits(netrc=True) == Auth.ANY & ~Auth.NEGOTIATE


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, False),
        ({"auth": "token"}, False),
        ({"auth": print}, False),
        ({"auth": ("u", "p"), "auth_method": Auth.BASIC}, False),
        ({"auth": ("u", "p")}, True),
        ({"auth": ("", ""), "auth_method": Auth.NEGOTIATE}, True),
        ({"auth": ("u", "p"), "auth_method": Auth.BASIC | Auth.DIGEST}, True),
        ({"auth": ("u", "p"), "auth_method": Auth.BASIC, "curl_options": {107: -1}}, True),
        ({"netrc": True}, True),
    ],
)
def test_which_requests_libcurl_may_send_again_for_a_challenge(
    properties: dict[str, Any], expected: bool
) -> None:
    assert Settings().changed(properties).may_take_rounds is expected


@every_source
def test_basic_is_sent_at_once(
    client: HttpClient, peers: Any, reply: Any, tmp_path: Path, give: Any
) -> None:
    peer = peers(asking(reply, 'Basic realm="x"'))
    give(client, peer.url, tmp_path)
    client.base_url = client.base_url or peer.url
    client.auth_method = Auth.BASIC
    assert client.post("/", b"once").body == b"in"
    assert [(seen.body, seen.get("Authorization")) for seen in peer.requests] == [(b"once", BASIC)]


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:s3cr3t@127.0.0.1:99999", "user:s3cr3t@127.0.0.1:99999",
        "http://user:s3cr3t@x@127.0.0.1:99999", "http://user:'s3cr3t@127.0.0.1:99999",
        "socks5://s3cr3t:s3cr3t@[::g]:1", "http://user:a?s3cr3t@127.0.0.1:1",
        "http://user:a#s3cr3t@127.0.0.1:1", "http://user:s3cr3t%00@127.0.0.1:1",
        "https://user:s3cr3t@127.0.0.1:1", "s3cr3t@h://x", "ftp://user:s3cr3t@h", "http://u:s3cr3t@h/x",
    ],
)  # fmt: skip
def test_no_message_shows_the_password_of_a_proxy(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for url in ("http://a.test/", "https://a.test/"):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
            client.get(url, proxy=proxy)
        assert "s3cr3t" not in f"{caught.value}{caught.value!r}"
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(Exception) as caught:  # noqa: PT011
        client.get("http://a.test/")
    assert "s3cr3t" not in f"{caught.value}{caught.value!r}"


def test_no_repr_and_no_type_error_shows_a_password() -> None:
    with HttpClient(
        "http://u:s3cr3t@h/", auth=("u", "s3cr3t"), proxy="http://u:s3cr3t@h"
    ) as client:
        shown = f"{client!r}{client._settings!r}{parse_url('http://u:s3cr3t@h/')!r}"
        for name, value in {
            "proxy": b"http://u:s3cr3t@h", "auth": ("u", b"s3cr3t"),
            "client_cert": ("c", "k", b"s3cr3t"),
        }.items():  # fmt: skip
            with pytest.raises(TypeError) as caught:
                setattr(client, name, value)
            shown += str(caught.value)
    assert "s3cr3t" not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Bad syntax in 'http://u:p@h:x': bad", "Bad syntax in 'http://[redacted]@h:x': bad"),
        ("in 'u:p@q@h:x'", "in '[redacted]@h:x'"), ("u:p@h", "[redacted]@h"),
        ("http://u:a/b#c?d@h and x", "http://[redacted]@h and x"), ("plain text", "plain text"),
        ("for 'a.test'", "for 'a.test'"),
    ],
)  # fmt: skip
def test_what_libcurl_says_of_an_error_is_cut_at_the_last_at_sign(text: str, shown: str) -> None:
    assert redact_error(text) == shown


def test_a_url_is_cut_at_the_last_at_sign_of_its_authority() -> None:
    assert redact("GET http://u:p@ss@h/a@b?c@d") == "GET http://[redacted]@h/a@b?c@d"


FIELDS = {
    "Authorization", "Proxy-Authorization", "Cookie", "Cookie2", "X-Auth-Token", "X-Session-Id",
    "X-Jwt", "X-Password", "X-Credential", "X-Credentials", "X-CSRF-Token", "X-XSRF", "X-Api-Key",
    "Apikey", "Api_Key", "X-Secret", "X-Access-Token", "Session", "Csrf-Nonce", "X-Authz",
    "X-Passwd",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_one_list_says_which_fields_no_other_origin_and_no_log_gets(name: str) -> None:
    for spelling in (name, name.lower(), name.upper()):
        assert public_fields([(spelling, "x")], SENSITIVE_HEADERS) == []
        assert redact_line(f"{spelling}: x", SENSITIVE_HEADERS) == f"{spelling}: [redacted]"


@pytest.mark.parametrize("name", ["Accept", "Content-Type", "X-Request-Id", "Origin", "X-Mine"])
def test_other_fields_go_along_and_are_shown(name: str) -> None:
    assert public_fields([(name, "x")], SENSITIVE_HEADERS) == [(name, "x")]
    assert redact_line(f"{name}: x", SENSITIVE_HEADERS) == f"{name}: x"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"garbage\r\n\r\n", None), (b"<html>no</html>", None), (b"", None),
        (b"\x16\x03\x01", None),
        (b"HTTP/1.1 abc\r\n\r\n", None), (b"HTTP/1.1 2000 OK\r\n\r\n", None),
        (b"HTTP/1.1 503 Busy\r\nX-Why: load\r\nContent-Length: 4\r\n\r\npage", 503),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302),
    ],
    ids=ascii,
)  # fmt: skip
@pytest.mark.parametrize("options", [{}, {"curl_options": {61: 1}}], ids=["https", "tunnel"])
def test_what_a_proxy_answers_to_connect_is_the_proxys_fault(
    client: HttpClient, peers: Any, answer: bytes, status: int | None, options: Any
) -> None:
    def handle(connection: Any) -> None:
        assert connection.read_head().method == "CONNECT"
        connection.send(answer)
        connection.hang_up()

    client.proxy = peers.raw(handle).url
    with pytest.raises(ProxyError) as caught:
        client.get("http://a.test/" if options else "https://a.test/", **options)
    assert caught.value.status == status
    if status is None:
        assert caught.value.response is None
    else:
        assert caught.value.response.status == status
    if status == 503:
        assert caught.value.response.headers["X-Why"] == "load"


@pytest.mark.parametrize(
    "answer", [b"garbage\r\n\r\n", b"<html>no</html>", b"HTTP/1.1 abc\r\n\r\n"]
)
def test_what_a_proxy_answers_for_a_plain_url_is_the_proxys_fault(
    client: HttpClient, peers: Any, answer: bytes
) -> None:
    peer = peers.once(answer)
    with pytest.raises(ProxyError):
        client.get("http://a.test/", proxy=peer.url)
    with pytest.raises(ProtocolError):
        client.get(peer.url)


def test_behind_a_tunnel_garbage_is_the_servers_fault(
    client: HttpClient, peers: Any, server_context: ssl.SSLContext, certificates: Any
) -> None:
    def handle(connection: Any) -> None:
        connection.read_request()
        connection.send(b"garbage\r\n\r\n")
        connection.hang_up()

    origin, proxy = peers.raw(handle, server_context), peers.raw(HttpProxy())
    client.proxy, client.ca_cert = proxy.url, certificates.ca_file
    with pytest.raises(ProtocolError):
        client.get(origin.url)


class DigestProxy:
    """A proxy that wants Digest (RFC 7616, MD5), and checks it."""

    def __init__(self, password: str = "p", *others: bytes) -> None:
        self.password = password
        self.others = others
        self.requests: list[Any] = []

    def is_right(self, seen: Any) -> bool:
        scheme, _, rest = (seen.get("Proxy-Authorization") or "").partition(" ")
        if scheme != "Digest":
            return False
        given = {
            name: value.strip('"')
            for name, _, value in (part.strip().partition("=") for part in rest.split(","))
        }
        first = md5(f"{given['username']}:r:{self.password}".encode()).hexdigest()
        second = md5(f"{seen.method}:{given['uri']}".encode()).hexdigest()
        middle = f"{given['nonce']}:{given['nc']}:{given['cnonce']}:{given['qop']}"
        return md5(f"{first}:{middle}:{second}".encode()).hexdigest() == given["response"]

    def __call__(self, connection: Any) -> None:
        while True:
            seen = connection.read_request()
            self.requests.append(seen)
            if not self.is_right(seen):
                digest = b'Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth"'
                lines = [digest, *self.others, b"Content-Length: 4", b"", b"who?"]
                connection.send(b"\r\n".join([b"HTTP/1.1 407 Who", *lines]))
            elif seen.method == "CONNECT":
                connection.send(b"HTTP/1.1 200 Go\r\n\r\n")
                tunnel(connection.socket, int(seen.target.rpartition(":")[2]))
                return
            else:
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nvia")


@every_door
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_gets_digest_if_it_wants_that(
    peers: Any, server_context: ssl.SSLContext, certificates: Any, tmp_path: Path, door: Door,
    scheme: str,
) -> None:  # fmt: skip
    handler, origin = DigestProxy(), peers(context=server_context)
    proxy = peers.raw(handler).url.replace("://", "://u:p@")
    url = origin.url if scheme == "https" else "http://a.test/"
    for _ in range(2):
        body = door(url, tmp_path / "file", proxy=proxy, ca_cert=certificates.ca_file)
        assert body == (b"ok" if scheme == "https" else b"via")
    methods = [(seen.get("Proxy-Authorization") or "none").split()[0] for seen in handler.requests]
    assert methods == ["Basic", "none", "Digest", "none", "Digest"]


def test_a_password_that_a_proxy_refuses_is_given_once_by_each_method(
    client: HttpClient, peers: Any
) -> None:
    handler = DigestProxy("other")
    client.proxy = peers.raw(handler).url.replace("://", "://u:p@")
    for _ in range(2):
        assert client.get("http://a.test/").status == 407
        with pytest.raises(ProxyError) as caught:
            client.get("https://a.test/")
        assert caught.value.response.status == 407
    given = [(seen.get("Proxy-Authorization") or "none").split()[0] for seen in handler.requests]
    assert given.count("Basic") == 1
    both = DigestProxy("other", b"Proxy-Authenticate: Basic realm=r")
    client.proxy = peers.raw(both).url.replace("://", "://u:p@")
    assert client.get("http://a.test/").status == 407
    assert len(both.requests) == 1


def test_hooks_are_told_once_of_a_request_that_a_proxy_asks_for_again(
    client: HttpClient, peers: Any
) -> None:
    told: list[str] = []
    client.on_request = [lambda request: told.append(request.method)]
    client.on_response = [lambda request, response: told.append(str(response.status))]
    client.proxy = peers.raw(DigestProxy()).url.replace("://", "://u:p@")
    assert client.post("http://a.test/", b"data").body == b"via"
    assert told == ["POST", "200"]


def test_a_body_that_cannot_be_sent_again_is_not(client: HttpClient, peers: Any) -> None:
    handler = DigestProxy()
    client.proxy = peers.raw(handler).url.replace("://", "://u:p@")
    assert client.post("http://a.test/", (piece for piece in [b"x"])).status == 407
    assert len(handler.requests) == 1


def test_the_environments_proxy_gets_digest_too(
    client: HttpClient, peers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", peers.raw(DigestProxy()).url.replace("://", "://u:p@"))
    assert client.get("http://a.test/").body == b"via"


@every_door
@pytest.mark.parametrize("name", ["jürgen", "田中"])
def test_digest_with_a_name_beyond_ascii_is_told(
    peers: Any, reply: Any, tmp_path: Path, door: Door, name: str
) -> None:
    challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'
    peer = peers(reply(b"out", "401 Unauthorized", challenge))
    with pytest.raises(HttpException, match=f"Digest with the name {name!r}") as caught:
        door(peer.url, tmp_path / "file", auth=(name, "p"))
    assert caught.value.response.status == 401


def test_a_name_beyond_ascii_is_sent_by_basic_and_as_a_hash(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    client.auth = ("jürgen", "pä")
    basic = peers(asking(reply, 'Basic realm="r", charset="UTF-8"'))
    assert client.get(basic.url).body == b"in"
    assert basic.last.get("Authorization") == "Basic " + b64encode("jürgen:pä".encode()).decode()
    hashed = peers(asking(reply, 'Digest realm="r", nonce="n", qop="auth", userhash=true'))
    assert client.get(hashed.url).body == b"in"
    assert md5("jürgen:r".encode()).hexdigest() in hashed.last.get("Authorization")
    challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth", userhash=true'
    refusing = peers(reply(b"", "401 No", challenge))
    assert client.get(refusing.url).status == 401


@pytest.mark.parametrize("door", ["single", "many"])
def test_the_method_that_one_origin_chose_is_not_used_unasked_at_another(
    client: HttpClient, peers: Any, reply: Any, door: str
) -> None:
    client.auth = ("u", "p")
    basic = peers(asking(reply, 'Basic realm="r"'))
    digest = peers(asking(reply, 'Digest realm="r", nonce="n", qop="auth"'))
    for peer in (basic, digest, basic):
        if door == "single":
            assert client.get(peer.url).body == b"in"
        else:
            assert [response.body for response in client.send_many([peer.url])] == [b"in"]  # type: ignore[union-attr]
    methods = [(seen.get("Authorization") or "none").split()[0] for seen in digest.requests]
    assert methods == ["none", "Digest"]
    methods = [(seen.get("Authorization") or "none").split()[0] for seen in basic.requests]
    assert methods == ["none", "Basic", "none", "Basic"]


def test_a_407_of_a_server_teaches_nothing_about_the_proxy(
    client: HttpClient, peers: Any, reply: Any, server_context: ssl.SSLContext, certificates: Any
) -> None:
    challenge = 'Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth"'
    refusal = reply(b"", "407 Who", challenge)
    handler = HttpProxy(BASIC)
    client.proxy = peers.raw(handler).url.replace("://", "://u:p@")
    client.ca_cert = certificates.ca_file
    origin, direct = peers(refusal, server_context), peers(refusal)
    assert client.get(origin.url).status == 407
    assert client.get(direct.url, no_proxy="*").status == 407
    assert client.get("http://a.test/").body == b"via proxy"
    given = {seen.get("Proxy-Authorization") for seen in handler.requests}
    assert given == {BASIC}
    for seen in (*origin.requests, *direct.requests):
        assert seen.get("Proxy-Authorization") is None


def test_a_proxy_that_changes_its_mind_is_followed_and_not_for_ever(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    offers = ["Digest realm=r, nonce=n, qop=auth", "Basic realm=r"]

    def respond(seen: Any) -> bytes:
        offer = offers[len(peer.requests) % 2]
        return bytes(reply(b"", "407 Who", f"Proxy-Authenticate: {offer}"))

    peer = peers(respond)
    client.proxy = peer.url.replace("://", "://u:p@")
    assert client.get("http://a.test/").status == 407
    assert len(peer.requests) < 6
    digest, basic = peers.raw(DigestProxy()), peers.raw(HttpProxy(BASIC))
    url = f"http://u:p@127.0.0.1:{digest.port}"
    assert client.get("http://a.test/", proxy=url).body == b"via"
    digest.handler = basic.handler
    with HttpClient(proxy=url) as other:
        assert other.get("http://a.test/").body == b"via proxy"
