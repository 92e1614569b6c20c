"""How a request gets to its server: proxies, addresses, sockets, versions, netrc, the rest."""

import base64
import pickle
import re
import socket
import ssl
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pycurl
import pytest
from proxies import HttpProxy, SocksProxy
from sending import DOORS

from bladehttp import Auth, HttpRequest, HttpResponse, HttpServer, Retry
from bladehttp.client import HttpClient
from bladehttp.client._config.environment import active_options, names_proxy
from bladehttp.client._config.options import Settings
from bladehttp.client._config.tls import TRUST_VARIABLES
from bladehttp.exceptions import (
    CertificateError,
    ConnectError,
    HostnameMismatch,
    HttpException,
    InsecureWarning,
    InvalidUrl,
    ProxyError,
    UnsupportedProtocol,
)

PROXY_VARIABLES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy",
                   "ALL_PROXY", "no_proxy", "NO_PROXY", "REQUEST_METHOD")  # fmt: skip


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def test_a_proxy_is_asked_for_the_whole_url(client: HttpClient, peers: Any) -> None:
    handler = HttpProxy(basic("me:p@ss"))
    proxy = peers.raw(handler)
    client.proxy = f"http://me:p%40ss@127.0.0.1:{proxy.port}"
    assert client.get("http://a.test/x", {"Authorization": "Mine"}).body == b"via proxy"
    seen = handler.requests[-1]
    assert (seen.target, seen.get("Host")) == ("http://a.test/x", "a.test")
    assert seen.get_all("Proxy-Authorization") == [basic("me:p@ss")]
    assert seen.get_all("Authorization") == ["Mine"]
    direct = peers()
    assert client.get(direct.url, proxy="").body == b"ok"
    assert client.get(direct.url, no_proxy=["a.test", "127.0.0.0/8"]).body == b"ok"
    assert all(each.get("Proxy-Authorization") is None for each in direct.requests)


def test_through_a_tunnel_the_server_sees_nothing_of_the_proxy(
    client: HttpClient, peers: Any, server_context: ssl.SSLContext, certificates: Any
) -> None:
    origin = peers(context=server_context)
    handler = HttpProxy(basic("me:pw"))
    proxy = peers.raw(handler)
    client.ca_cert, client.proxy = certificates.ca_file, f"127.0.0.1:{proxy.port}"
    url = f"https://localhost:{origin.port}/secret"
    assert client.get(url, proxy=f"http://me:pw@127.0.0.1:{proxy.port}").body == b"ok"
    assert client.get(url, {"Proxy-Authorization": basic("me:pw")}).body == b"ok"
    for seen in handler.requests:
        assert (seen.method, seen.target) == ("CONNECT", f"localhost:{origin.port}")
        assert seen.get_all("Proxy-Authorization") == [basic("me:pw")]
    for seen in origin.requests:
        assert seen.get("Proxy-Authorization") is None
        assert seen.get("Proxy-Connection") is None
        assert seen.target == "/secret"
    assert len(origin.requests) == len(handler.requests) == 2


def test_a_field_for_the_proxy_never_goes_to_a_server(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.get(peer.url, {"Proxy-Authorization": "Basic x", "X": "y"})
    assert peer.last.get("Proxy-Authorization") is None
    assert peer.last.get("X") == "y"


def test_a_proxy_that_refuses_is_told_without_its_password(
    client: HttpClient, peers: Any, server_context: ssl.SSLContext
) -> None:
    proxy = peers.raw(HttpProxy(basic("me:pw")))
    with pytest.raises(ProxyError) as caught:
        client.get("https://a.test/", proxy=f"http://me:hush@127.0.0.1:{proxy.port}")
    assert "407" in str(caught.value)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        dead = f"http://me:hush@127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(ProxyError) as gone:
            client.get("http://a.test/", proxy=dead)
    assert "hush" not in f"{caught.value}{gone.value}"
    for bad in ("ftp://me:hush@h", "http://me:hush@h h:1", "http://me:hush@h/path"):
        with pytest.raises((InvalidUrl, UnsupportedProtocol)) as refused:
            client.proxy = bad
        assert "hush" not in str(refused.value)


def test_a_proxy_that_speaks_tls(
    client: HttpClient, peers: Any, server_context: ssl.SSLContext, certificates: Any
) -> None:
    handler, origin = HttpProxy(basic("me:pw")), peers(context=server_context)
    proxy = peers.raw(handler, server_context)
    client.ca_cert, client.proxy = certificates.ca_file, f"https://me:pw@127.0.0.1:{proxy.port}"
    assert client.get("http://a.test/x").body == b"via proxy"
    assert client.get(origin.url).body == b"ok"
    assert [seen.target for seen in handler.requests] == [
        "http://a.test/x", f"127.0.0.1:{origin.port}"
    ]  # fmt: skip
    assert origin.last.get("Proxy-Authorization") is None
    with pytest.raises(ProxyError):
        client.get(origin.url, proxy=f"https://me:no@127.0.0.1:{proxy.port}")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("way", ["property", "environment"])
def test_the_certificate_of_a_proxy_is_checked(
    client: HttpClient, peers: Any, certificates: Any, server_context: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch, scheme: str, way: str,
) -> None:  # fmt: skip
    handler, elsewhere = HttpProxy(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    elsewhere.load_cert_chain(*certificates.issue("elsewhere", "elsewhere.test"))
    for context, trusted, error in (
        (server_context, None, CertificateError),
        (elsewhere, certificates.ca_file, HostnameMismatch),
    ):
        proxy = peers.raw(handler, context)
        client.ca_cert = trusted
        if way == "property":
            client.proxy = proxy.url
        else:
            monkeypatch.setenv(f"{scheme}_proxy", proxy.url)
        with pytest.raises(error, match=r"certificate of the proxy for a\.test"):
            client.get(f"{scheme}://a.test/")
        with pytest.warns(InsecureWarning), pytest.raises(error):  # that is for servers
            client.get(f"{scheme}://a.test/", skip_peer_verification=True)
    assert handler.requests == []


@pytest.mark.parametrize("way", ["http", "https", "socks5", "excepted"])
def test_a_bad_certificate_behind_a_proxy_is_the_servers(
    client: HttpClient, peers: Any, certificates: Any, server_context: ssl.SSLContext, way: str
) -> None:
    elsewhere = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    elsewhere.load_cert_chain(*certificates.issue("elsewhere", "elsewhere.test"))
    origin = peers(context=elsewhere)
    handler = SocksProxy() if way == "socks5" else HttpProxy()
    proxy = peers.raw(handler, server_context if way in ("https", "excepted") else None)
    client.proxy = f"socks5://127.0.0.1:{proxy.port}" if way == "socks5" else proxy.url
    client.ca_cert, client.no_proxy = certificates.ca_file, "*" if way == "excepted" else None
    for send in (client.get, lambda url: client.stream(url).__enter__()):
        with pytest.raises(HostnameMismatch) as caught:
            send(origin.url)
        assert "a certificate for '127.0.0.1'" in str(caught.value)
        assert "elsewhere.test" in str(caught.value)
        assert "the proxy" not in str(caught.value)


@pytest.mark.parametrize(("status", "times"), [(407, 1), (403, 1), (502, 3), (503, 3)])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_proxy_that_refuses_is_asked_again_only_if_that_may_pass(
    client: HttpClient, peers: Any, reply: Any, status: int, times: int, method: str
) -> None:
    proxy = peers(reply(b"", f"{status} No"))
    client.proxy, client.retry = proxy.url, Retry(2, backoff=0)
    with pytest.raises(ProxyError) as caught:
        client.send_request("https://a.test/", method)
    assert (caught.value.status, len(proxy.requests)) == (status, times)
    assert pickle.loads(pickle.dumps(caught.value)).status == status
    proxy.requests.clear()
    response = client.send_request("http://a.test/", method)
    assert response.status == status
    assert len(proxy.requests) == (times if method == "GET" else 1)


@pytest.mark.parametrize(("scheme", "asked"), [("socks5h", "a.test"), ("socks5", "127.0.0.1")])
def test_a_socks_proxy_with_a_password(
    client: HttpClient, peers: Any, scheme: str, asked: str
) -> None:
    origin, handler = peers(), SocksProxy(("m:e", "p w"))
    proxy = peers.raw(handler)
    host = asked if scheme == "socks5h" else "localhost"
    url = f"http://{host}:{origin.port}/"
    given = {} if scheme == "socks5h" else {"curl_options": {pycurl.IPRESOLVE: 1}}
    address = f"{scheme}://m%3Ae:p%20w@127.0.0.1:{proxy.port}"
    assert client.get(url, proxy=address, **given).body == b"ok"
    assert handler.asked == [asked]
    with pytest.raises(ProxyError):
        client.get(url, proxy=address.replace("w@", "x@"), **given)


ENVIRONMENT: dict[str, tuple[dict[str, str], str, bool]] = {
    "lower case": ({"http_proxy": "P"}, "http://a.test/", True),
    "empty": ({"http_proxy": "", "HTTP_PROXY": "P"}, "O", False),
    "empty for all": ({"all_proxy": "", "ALL_PROXY": "P"}, "O", False),
    "capitals": ({"HTTP_PROXY": "P"}, "http://a.test/", True),
    "capitals under CGI": ({"HTTP_PROXY": "P", "REQUEST_METHOD": "GET"}, "O", False),
    "lower case under CGI": (
        {"http_proxy": "P", "REQUEST_METHOD": "GET"}, "http://a.test/", True),
    "capitals are empty": ({"HTTP_PROXY": ""}, "O", False),
    "lower case first": (
        {"http_proxy": "P", "HTTP_PROXY": "http://127.0.0.1:1"}, "http://a.test/", True),
    "all": ({"all_proxy": "P"}, "http://a.test/", True),
    "capitals before all": (
        {"HTTP_PROXY": "P", "ALL_PROXY": "http://127.0.0.1:1"}, "http://a.test/", True),
    "not for this host": ({"http_proxy": "P", "no_proxy": "x.test,127.0.0.1"}, "O", False),
    "not for this network": ({"HTTP_PROXY": "P", "no_proxy": "127.0.0.0/8"}, "O", False),
    "not for any": ({"http_proxy": "P", "NO_PROXY": "*"}, "O", False),
    "only for https": ({"https_proxy": "P"}, "O", False),
}  # fmt: skip


@pytest.mark.parametrize("case", ENVIRONMENT)
def test_the_environment_names_proxies(
    client: HttpClient, peers: Any, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    variables, url, proxied = ENVIRONMENT[case]
    proxy, origin = peers.raw(HttpProxy()), peers()
    for name, value in variables.items():
        monkeypatch.setenv(name, proxy.url if value == "P" else value)
    url = origin.url if url == "O" else url
    assert client.get(url).body == (b"via proxy" if proxied else b"ok")
    assert client.get(origin.url, trust_env=False).body == b"ok"
    assert client.get("http://b.test/", proxy=proxy.url, trust_env=False).body == b"via proxy"


@pytest.mark.parametrize("name", PROXY_VARIABLES[:6])
def test_each_variable_of_proxies_is_looked_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert not names_proxy()
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert names_proxy()


def test_without_a_proxy_http_and_https_share_their_options(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in TRUST_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    settings = Settings()
    assert active_options(settings, "http") is active_options(settings, "https") is settings.direct
    assert dict(settings.direct)[pycurl.PROXY] == ""
    given = Settings(curl_options={pycurl.PRE_PROXY: "socks5://127.0.0.1:1"})
    assert active_options(given, "http") is given.curl
    assert pycurl.PROXY not in dict(given.curl)


def test_what_is_explicit_beats_the_environment(
    client: HttpClient, peers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, origin = peers.raw(HttpProxy()), peers()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "*")
    assert client.get("http://a.test/", proxy=proxy.url).body == b"via proxy"
    monkeypatch.setenv("no_proxy", "")
    assert client.get(origin.url, proxy="").body == b"ok"
    assert client.get(origin.url, no_proxy="127.0.0.1").body == b"ok"


def test_resolve_says_where_a_host_is(client: HttpClient, peers: Any) -> None:
    first, second = peers(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"), peers()
    url = f"http://a.test:{first.port}/"
    assert client.get(url, resolve={f"a.test:{first.port}": "127.0.0.1"}).body == b"1"
    assert first.last.get("Host") == f"a.test:{first.port}"
    with pytest.raises(Exception, match=r"a\.test"):  # neither DNS nor the connection is left
        client.get(url)
    client.resolve = {f"a.test:{second.port}": "127.0.0.1"}
    assert client.get(f"http://a.test:{second.port}/").body == b"ok"
    assert client.resolve == {f"a.test:{second.port}": "127.0.0.1"}
    with pytest.raises(TypeError):
        client.resolve["x:1"] = "::1"  # type: ignore[index]


def test_resolve_says_where_every_other_host_of_a_port_is(client: HttpClient, peers: Any) -> None:
    first, second = peers(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"), peers()
    client.resolve = {"*:80": f"127.0.0.1:{first.port}", "a.test:80": f"127.0.0.1:{second.port}"}
    urls = ("http://a.test/", "http://b.test/", "http://c.test/")
    assert [client.get(url).body for url in urls] == [b"ok", b"1", b"1"]
    assert first.last.get("Host") == "c.test"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_resolve_to_an_address_of_ipv6(client: HttpClient) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        port = listener.getsockname()[1]
        thread = answer_once(listener)
        assert client.get(f"http://a.test:{port}/", resolve={f"a.test:{port}": "::1"}).body == b"u"
        thread.join(10)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(
        not socket.has_dualstack_ipv6(), reason="no IPv6 here"))],
)  # fmt: skip
def test_resolve_to_another_port(client: HttpClient, host: str) -> None:
    def greet(server: HttpServer, request: HttpRequest, response: HttpResponse) -> None:
        response.write(f"{request.headers['Host']} {server.port}")

    with HttpServer(0, host) as server, HttpServer(0, host) as other:
        for each in (server, other):
            each.on_receive(partial(greet, each))
        for each in (server, other, server):  # a connection to one is not used for the other
            address = each.url.removeprefix("http://")
            response = client.get("http://api.example/", resolve={"api.example:80": address})
            assert response.text == f"api.example {each.port}"
        client.resolve = {"api.example:8080": address}
        assert client.get("http://api.example:8080/").text == f"api.example:8080 {server.port}"


def answer_once(listener: socket.socket) -> threading.Thread:
    def serve() -> None:
        raw, _ = listener.accept()
        with raw:
            raw.recv(65536)
            raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nu")

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_a_unix_socket_is_connected_to(client: HttpClient, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        thread = answer_once(listener)
        response = client.get("http://a.test/", unix_socket=tmp_path / "s")
        thread.join(10)
    assert (response.body, response.url) == (b"u", "http://a.test/")


def test_an_interface_is_connected_from(client: HttpClient, peers: Any) -> None:
    came_from: list[str] = []

    def handle(connection: Any) -> None:
        came_from.append(connection.socket.getpeername()[0])
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    client.get(peers.raw(handle).url, interface="host!127.0.0.5")
    assert came_from == ["127.0.0.5"]


@pytest.mark.parametrize(("version", "wire"), [("1.0", "1.0"), ("1.1", "1.1"), ("auto", "1.1")])
def test_the_version_is_as_asked(client: HttpClient, peers: Any, version: str, wire: str) -> None:
    lines: list[str] = []

    def handle(connection: Any) -> None:
        lines.append(connection._until(b"\r\n").decode())
        connection._until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    client.get(peers.raw(handle).url, http_version=version)
    assert lines == [f"GET / HTTP/{wire}"]


def test_netrc_is_read_only_when_asked_for(client: HttpClient, peers: Any, tmp_path: Path) -> None:
    peer = peers()
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pw\n")
    client.auth_method = Auth.BASIC
    client.get(peer.url)
    assert peer.last.get("Authorization") is None
    client.netrc = tmp_path / "netrc"  # type: ignore[assignment]
    client.get(peer.url)
    assert peer.last.get("Authorization") == basic("me:pw")
    client.get(peer.url, {"Authorization": "Mine"})
    assert peer.last.get_all("Authorization") == ["Mine"]
    client.get(peer.url, auth=("you", "x"))
    assert peer.last.get("Authorization") == basic("you:x")
    client.get(f"http://url:y@127.0.0.1:{peer.port}/")
    assert peer.last.get("Authorization") == basic("url:y")
    client.get(f"http://localhost:{peer.port}/")
    assert peer.last.get("Authorization") is None
    client.get(peer.url, netrc=False)
    assert peer.last.get("Authorization") is None


@pytest.fixture(params=["home", "named"])
def netrc(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a netrc file; return the value of the property that names it."""
    monkeypatch.setenv("HOME", str(tmp_path))

    def write(text: str) -> Any:
        (tmp_path / ".netrc").write_text(text)
        return True if request.param == "home" else tmp_path / ".netrc"

    return write


@pytest.mark.parametrize("door", DOORS, ids=[door.__name__ for door in DOORS])
@pytest.mark.parametrize("text", ['machine h login "open', f"machine {'h' * 20_000} login x"])
def test_a_netrc_file_that_cannot_be_parsed_is_told_of(
    peers: Any, door: Any, netrc: Any, text: str
) -> None:
    peer = peers()
    with (
        door(peer.url, netrc=netrc(text)) as send,
        pytest.raises(HttpException, match=r"setting up for 127\.0\.0\.1:.*netrc.*: '.*/\.netrc'$"),
    ):
        send("GET", None)
    assert peer.requests == []


@pytest.mark.parametrize("door", DOORS, ids=[door.__name__ for door in DOORS])
def test_a_netrc_file_that_is_named_has_to_exist(
    peers: Any, door: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    peer = peers()
    for path in (tmp_path / "none", tmp_path):
        with door(peer.url, netrc=path) as send, pytest.raises(HttpException, match="netrc"):
            send("GET", None)
    assert peer.requests == []
    with door(peer.url, netrc=True) as send:
        assert send("GET", None).body == b"ok"


def test_a_netrc_file_at_home_is_read_whenever_it_is_there(
    client: HttpClient, peers: Any, netrc: Any, tmp_path: Path
) -> None:
    peer = peers()
    client.auth_method = Auth.BASIC
    client.netrc = netrc("machine 127.0.0.1 login me password pw\n")
    seen = []
    for text in ("machine 127.0.0.1 login you password pw\n", "machine h login me\n", ""):
        client.get(peer.url)
        seen.append(peer.last.get("Authorization"))
        netrc(text)
    client.get(peer.url)
    seen.append(peer.last.get("Authorization"))
    assert seen == [basic("me:pw"), basic("you:pw"), None, None]
    assert peer.connections == 1


@pytest.mark.parametrize(
    ("auth", "sent"),
    [(("me", ""), "me:"), (("", "pw"), ":pw"), (("", ""), None), (("", "a:b"), ":a:b")],
)
def test_an_empty_name_or_password_is_sent_as_it_is(
    client: HttpClient, peers: Any, auth: Any, sent: str | None
) -> None:
    peer = peers()
    expected = None if sent is None else basic(sent)
    client.get(peer.url, auth=auth, auth_method=Auth.BASIC)
    assert peer.last.get("Authorization") == expected
    userinfo = ":".join(part.replace(":", "%3A") for part in auth)
    client.get(peer.url.replace("//", f"//{userinfo}@"), auth_method=Auth.BASIC)
    assert peer.last.get("Authorization") == expected


@pytest.mark.parametrize("door", DOORS, ids=[door.__name__ for door in DOORS])
@pytest.mark.parametrize("interface", ["nonesuch0", "host!nonesuch0.invalid", "192.0.2.1"])
def test_an_interface_that_is_none_of_this_machine(peers: Any, door: Any, interface: str) -> None:
    expected = f"expected an interface, address or name of this machine, found {interface!r}"
    with (
        door(peers().url, interface=interface) as send,
        pytest.raises(ConnectError, match=f"^connecting to 127.*{re.escape(expected)}$") as caught,
    ):
        send("GET", None)
    assert caught.value.code_name == "E_INTERFACE_FAILED"


def test_the_path_of_a_socket_that_is_too_long(client: HttpClient) -> None:
    with pytest.raises(ConnectError, match="socket path too long"):
        client.get("http://localhost/", unix_socket="/tmp/" + "s" * 200)


def test_curl_options_are_set_last_and_undone(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.get(peer.url, curl_options={pycurl.USERAGENT: "mine", pycurl.RANGE: "0-1"})
    assert (peer.last.get("User-Agent"), peer.last.get("Range")) == ("mine", "bytes=0-1")
    client.get(peer.url)
    assert (peer.last.get("User-Agent"), peer.last.get("Range")) == (client.user_agent, None)
    client.curl_options = {pycurl.RANGE: "2-"}
    client.get(peer.url)
    assert peer.last.get("Range") == "bytes=2-"
    with pytest.raises(ValueError, match="this libcurl cannot set option"):
        client.get(peer.url, curl_options={999999: 1})
    with pytest.raises(ValueError, match=r"this libcurl cannot set auth_method to Auth\.ONLY"):
        client.get(peer.url, auth_method=Auth.ONLY)


def test_a_request_is_signed_for_aws(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.put(
        f"{peer.url}/b/k", b"1", auth=("KEY", "SECRET"), auth_method=Auth.AWS_SIGV4,
        curl_options={pycurl.AWS_SIGV4: "aws:amz:eu-west-1:s3"},
    )  # fmt: skip
    signature = peer.last.get("Authorization")
    assert signature.startswith("AWS4-HMAC-SHA256 Credential=KEY/")
    assert client.get(f"{peer.url}/a/../b").ok
    assert peer.last.target == "/a/../b"


def test_the_path_of_a_signed_url_stays_as_it_is(
    client: HttpClient, peers: Any, reply: Any, server_context: ssl.SSLContext, certificates: Any
) -> None:
    signed, plain = "/a%2fb%3D/%e4?s=%3a%2F", "/c%2Fd"
    peer, safe = peers(), peers(context=server_context)
    client.ca_cert = certificates.ca_file
    for url in (peer.url, safe.url):
        for target in (signed, plain, signed + "#f", plain):
            client.get(url + target, {"X": "y"})
        client.post(url + signed, b"data")
        client.get(url + plain, proxy="")
    sent = [signed, plain, signed, plain, signed, plain]
    assert [each.target for each in peer.requests] == sent
    assert [each.target for each in safe.requests] == sent
    assert (peer.connections, safe.connections) == (1, 1)


@pytest.mark.parametrize(
    ("given", "kept"),
    [({}, True), ({"auth": ("n", "p"), "auth_method": Auth.BASIC}, True), ({"auth": "token"}, True),
     ({"auth": ("n", "p")}, False), ({"netrc": True}, False)],
    ids=["plain", "basic", "bearer", "maybe digest", "maybe digest by netrc"],
)  # fmt: skip
@pytest.mark.parametrize("way", ["direct", "proxy", "environment", "socks", "excepted"])
def test_the_path_of_a_signed_url_stays_as_it_is_on_every_way(
    client: HttpClient, peers: Any, monkeypatch: pytest.MonkeyPatch, way: str,
    given: dict[str, Any], kept: bool,
) -> None:  # fmt: skip
    monkeypatch.setenv("HOME", "/nowhere")
    peer, handler = peers(), HttpProxy()
    proxy, origin = peers.raw(handler), f"http://127.0.0.1:{peer.port}"
    ways: dict[str, tuple[dict[str, str], str, bool]] = {
        "direct": ({}, "", kept),
        "proxy": ({"proxy": proxy.url}, origin, True),
        "environment": ({}, origin, True),
        "socks": ({"proxy": f"socks5h://127.0.0.1:{peers.raw(SocksProxy()).port}"}, "", kept),
        "excepted": ({"proxy": proxy.url, "no_proxy": "127.0.0.1"}, "", False),
    }
    properties, before, ended_cleanly = ways[way]
    if way == "environment":
        monkeypatch.setenv("http_proxy", proxy.url)
    client.get(f"{origin}/a%2fb?s=%3a#f", **properties, **given)
    seen = (peer.requests or handler.requests)[-1].target
    assert seen == before + ("/a%2fb?s=%3a" if ended_cleanly else "/a%2Fb?s=%3a")
