"""Names and passwords: when they are sent, to whom, and that no message shows them."""

import ssl
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from proxies import HttpProxy

from bladehttp import Auth
from bladehttp.client import HttpClient
from bladehttp.client.options import Settings
from bladehttp.client.redact import redact, redact_error, redact_line
from bladehttp.client.redirects import public_fields
from bladehttp.client.sensitive import SENSITIVE_HEADERS
from bladehttp.client.url import parse_url
from bladehttp.exceptions import InvalidUrl, ProtocolError, ProxyError, UnsupportedProtocol

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


def test_a_proxy_of_a_scheme_that_is_none_is_refused(client: HttpClient) -> None:
    with pytest.raises(UnsupportedProtocol, match="not 'gopher'"):
        client.proxy = "gopher://h"
    with pytest.raises(InvalidUrl):
        client.proxy = "http://h/x"
