"""HttpClient as an object: properties, life, threads, fork, pickling."""

import copy
import gc
import os
import pickle
import socket
import subprocess
import sys
import threading
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pycurl
import pytest

from bladehttp import Auth, Headers, HttpRequest
from bladehttp.client import HttpClient, shared
from bladehttp.client._base import Configured
from bladehttp.client._client import close_shared
from bladehttp.client._config.options import OPTIONS, SENSITIVE_HEADERS, Settings
from bladehttp.client._exchange.hooks import NAMES
from bladehttp.client._request.prepared import MOST_KEPT
from bladehttp.exceptions import ClientClosed, InvalidUrl

DEFAULTS = {
    "base_url": None, "user_agent": "Blade HTTP Client/1.0", "follow_redirect": True,
    "max_redirects": 20, "allow_insecure_redirect": False, "sensitive_headers": SENSITIVE_HEADERS,
    "skip_hostname_verification": False, "skip_peer_verification": False, "ca_cert": None,
    "referer": None, "no_expect": False, "connect_timeout": 60000, "receive_timeout": 300000,
    "total_timeout": None, "auth": None, "auth_method": Auth.ANY, "accept_encoding": "",
    "max_body_size": None, "retry": None, "max_host_connections": None,
    "max_idle_connections": 100, "idle_timeout": 90_000,
    "trust_env": True, "min_tls": "1.2", "client_cert": None,
    "pinned_key": None, "http_version": "auto", "proxy": None, "no_proxy": None, "resolve": {},
    "unix_socket": None, "interface": None, "netrc": False, "curl_options": {},
    "cookies": None, "cookie_file": None, "progress": None, "query": None,
    "raise_for_status": False,
}  # fmt: skip


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


def test_the_table_has_a_row_for_every_property() -> None:
    rows = [option.name for option in OPTIONS]
    assert len(rows) == len(set(rows))
    properties = {
        name for name, value in vars(Configured).items() if type(value).__name__ == "Property"
    }
    assert set(rows) == properties == set(DEFAULTS)
    derived = {
        "_changes",
        "curl",
        "direct",
        "files",
        "has_login",
        "is_bare",
        "may_take_rounds",
        "over_tls",
        "receive_timeout_s",
        "tls_files",
        "total_timeout_s",
    }
    assert set(Settings.__slots__) == set(rows) | derived
    assert public(HttpClient) - properties == {
        "headers", "set_headers", "send_request", "get", "post", "put", "patch", "delete", "head",
        "options", "trace", "close", "closed", "save_cookies", "send_many",
        "stream", "download", "pages", "events", *NAMES,
    }  # fmt: skip


def test_the_defaults_are_blades(client: HttpClient) -> None:
    assert {name: getattr(client, name) for name in DEFAULTS} == DEFAULTS
    assert client.headers == {}


def test_a_misspelt_property_is_refused(client: HttpClient) -> None:
    with pytest.raises(AttributeError):
        client.recieve_timeout = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="recieve_timeout"):
        HttpClient(recieve_timeout=1)
    with pytest.raises(TypeError, match="recieve_timeout"):
        client.get("http://127.0.0.1:1/", recieve_timeout=1)


def test_user_agent_referer_and_headers_arrive(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.user_agent, client.referer = "J\xf6rg/1", "http://from/"
    client.headers["X-One"] = "1"
    client.get(peer.url)
    assert peer.last.get("User-Agent") == "J\xf6rg/1"
    assert peer.last.get("Referer") == "http://from/"
    assert peer.last.get("X-One") == "1"
    client.get(peer.url, {"user-agent": "mine", "referer": "other"})
    assert peer.last.get_all("User-Agent") == ["mine"]
    assert peer.last.get_all("Referer") == ["other"]
    client.get(peer.url, user_agent="", referer=None)
    assert peer.last.get("User-Agent") is None
    assert peer.last.get("Referer") is None


def test_a_change_between_requests_arrives(client: HttpClient, peers: Any) -> None:
    peer = peers()
    for agent in ("first", "second"):
        client.user_agent = agent
        client.get(peer.url)
        assert peer.last.get("User-Agent") == agent
    client.get(peer.url, user_agent="once")
    client.get(peer.url)
    assert [seen.get("User-Agent") for seen in peer.requests[2:]] == ["once", "second"]
    assert peer.connections == 1


def test_no_expect_takes_the_field_away(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.post(peer.url, bytes(2 << 20))
    assert peer.last.get("Expect") == "100-continue"
    client.no_expect = True
    client.post(peer.url, bytes(2 << 20))
    assert peer.last.get("Expect") is None


@pytest.mark.parametrize(
    ("auth", "method", "field"),
    [(("name", "pass"), Auth.BASIC, "Basic bmFtZTpwYXNz"), (("n:m", "\xe4"), Auth.BASIC, None),
     ("token", Auth.ANY, "Bearer token")],
)  # fmt: skip
def test_auth_arrives(
    client: HttpClient, peers: Any, auth: Any, method: Auth, field: str | None
) -> None:
    peer = peers()
    client.auth, client.auth_method = auth, method
    client.get(peer.url)
    assert peer.last.get("Authorization") == (field or "Basic bjptOsOk")


def test_auth_any_waits_to_be_asked(client: HttpClient, peers: Any, reply: Any) -> None:
    challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'

    def respond(seen: Any) -> bytes:
        asked = seen.get("Authorization") is None
        return reply(b"", "401 Unauthorized", challenge) if asked else reply(b"in")

    peer = peers(respond)
    assert client.get(peer.url, auth=("me", "pw")).body == b"in"
    assert [bool(seen.get("Authorization")) for seen in peer.requests] == [False, True]
    assert (peer.last.get("Authorization") or "").startswith('Digest username="me"')


def test_a_name_in_the_url_is_decoded_and_taken_off(client: HttpClient, peers: Any) -> None:
    peer = peers()
    client.auth, client.auth_method = ("other", "x"), Auth.BASIC
    response = client.get(f"http://n%40me:p%3Aw@127.0.0.1:{peer.port}/a")
    assert peer.last.get("Authorization") == "Basic bkBtZTpwOnc="
    assert response.responder == peer.url + "/a"
    client.get(f"http://me:pw@127.0.0.1:{peer.port}/", {"Authorization": "Mine"})
    assert peer.last.get_all("Authorization") == ["Mine"]
    client.get(peer.url, {"authorization": "Mine"})
    assert peer.last.get_all("Authorization") == ["Mine"]


def test_what_this_libcurl_lacks_is_told(client: HttpClient, peers: Any) -> None:
    peer = peers()
    if pycurl.version_info()[4] & pycurl.VERSION_NTLM:
        pytest.skip("this libcurl has NTLM")
    with pytest.raises(ValueError, match="this libcurl cannot"):
        client.get(peer.url, auth_method=Auth.NTLM)
    assert client.get(peer.url).body == b"ok"


@pytest.mark.parametrize(
    ("base", "url", "target"),
    [("/v1/", "users", "/v1/users"), ("/v1", "users", "/users"), ("/v1/", "/users", "/users"),
     ("/v1/x?y", "", "/v1/x?y"), ("/v1/x", "?q", "/v1/x?q"), ("", "a b", "/a%20b")],
)  # fmt: skip
def test_a_relative_url_is_relative_to_base_url(
    client: HttpClient, peers: Any, base: str, url: str, target: str
) -> None:
    peer = peers()
    client.base_url = peer.url + base
    client.get(url)
    assert peer.last.target == target
    assert HttpClient("http://h/").base_url == "http://h/"


def test_a_relative_url_is_relative_to_the_host_field(
    peers: Any, server_context: Any, certificates: Any
) -> None:
    peer = peers(context=server_context)
    with HttpClient(ca_cert=certificates.ca_file) as client:
        host = f"127.0.0.1:{peer.port}"
        response = client.set_headers({"Authorization": "Bearer x", "Host": host}).get("/me")
    assert (response.responder, peer.last.target) == (peer.url + "/me", "/me")
    assert peer.last.get("Authorization") == "Bearer x"
    assert peer.last.get_all("Host") == [host]


@pytest.mark.parametrize(
    ("url", "target"),
    [("a;", "/v1/a;"), ("a?", "/v1/a?"), ("", "/v1/"), ("../b", "/b"), ("/c//d", "/c//d"),
     ("?q", "/v1/?q"), (" x ", "/v1/x")],
)  # fmt: skip
def test_a_url_is_relative_to_the_base(
    client: HttpClient, peers: Any, url: str, target: str
) -> None:
    peer = peers()
    client.base_url = peer.url + "/v1/"
    client.get(url)
    client.post(url)
    assert [request.target for request in peer.requests] == [target, target]


def test_a_base_that_is_no_url_is_told_at_the_request(client: HttpClient) -> None:
    for base in ("[", "http://[::1/", "no-scheme"):
        with pytest.raises(InvalidUrl):
            client.get("/x", base_url=base)


@pytest.mark.parametrize(
    ("path", "target"),
    [("/%7Ea/../b?x=%e9&y=[]|", "/%7Ea/../b?x=%e9&y=[]%7C"), ("/\xe9 x?\xfc", "/%C3%A9%20x?%C3%BC"),
     ("?q", "/?q"), ("#f", "/"), ("/a'(b)", "/a'(b)")],
)  # fmt: skip
def test_a_url_is_sent_as_it_is_given(
    client: HttpClient, peers: Any, path: str, target: str
) -> None:
    peer = peers()
    client.get(peer.url + path)
    assert peer.last.target == target


def test_a_host_name_beyond_ascii_goes_as_punycode(
    client: HttpClient, peers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = peers()
    monkeypatch.setenv("http_proxy", peer.url)
    client.get("http://b\xfccher.example/")
    assert peer.last.get("Host") == "xn--bcher-kva.example"


def test_close_is_idempotent_and_final(peers: Any) -> None:
    peer = peers()
    client = HttpClient()
    assert client.get(peer.url).body == b"ok"
    assert not client.closed
    client.close()
    client.close()
    assert client.closed
    with pytest.raises(ClientClosed, match="client has been closed"):
        client.get(peer.url)


def test_closing_waits_for_nobody_and_leaves_nothing(peers: Any) -> None:
    client = HttpClient()
    answered = threading.Event()

    def respond(_: Any) -> bytes:
        client.close()
        answered.wait(10)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    peer = peers(respond)
    with ThreadPoolExecutor() as executor:
        result = executor.submit(client.get, peer.url)
        answered.set()
        assert result.result().body == b"ok"
    assert client.closed


def test_a_client_left_open_warns(peers: Any) -> None:
    peer = peers()
    clients = [HttpClient()]
    clients[0].get(peer.url)
    with pytest.warns(ResourceWarning, match="unclosed <HttpClient base_url=None>"):
        clients.clear()


def test_a_client_that_never_connected_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        HttpClient()
        gc.collect()


@pytest.mark.parametrize("duplicate", [copy.copy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_copy_has_the_properties_and_no_connections(peers: Any, duplicate: Any) -> None:
    peer = peers()
    with HttpClient(peer.url, receive_timeout=7777, auth=("a", "b")) as client:
        client.headers = Headers([("X", "1"), ("X", "2")])
        client.get("/")
        with duplicate(client) as other:
            kept = other.base_url, other.receive_timeout, other.auth
            assert kept == (peer.url, 7777, ("a", "b"))
            assert other.headers.pairs() == [("X", "1"), ("X", "2")]
            other.headers["Y"] = "3"
            other.get("/")
        assert "Y" not in client.headers
        assert client.get("/").body == b"ok"
    assert peer.connections == 2


def test_threads_do_not_disturb_each_other(client: HttpClient, peers: Any, reply: Any) -> None:
    peer = peers(lambda seen: reply(f"{seen.get('X-Token')} {seen.target}".encode() + seen.body))
    barrier = threading.Barrier(8)

    def work(number: int) -> list[tuple[bytes, bytes]]:
        barrier.wait(10)
        results = []
        for count in range(50):
            token = f"{number}-{count}"
            data = f"b{token}" if count % 2 else None
            got = client.send_request(
                peer.url + "/" + token, "POST" if data else "GET", data, headers={"X-Token": token}
            )
            results.append((got.body, f"{token} /{token}{data or ''}".encode()))
        return results

    with ThreadPoolExecutor(8) as executor:
        for results in executor.map(work, range(8)):
            assert [got for got, _ in results] == [wanted for _, wanted in results]
    assert peer.connections <= 8


def test_properties_may_change_while_others_send(client: HttpClient, peers: Any) -> None:
    peer = peers()
    with ThreadPoolExecutor(4) as executor:
        sent = [executor.submit(client.get, peer.url) for _ in range(40)]
        for number in range(40):
            client.user_agent = f"agent/{number}"
        assert {each.result().body for each in sent} == {b"ok"}


def test_a_forked_child_does_not_touch_its_parents_connections(
    peers: Any, server_context: Any, certificates: Any
) -> None:
    peer = peers(lambda seen: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", server_context)
    program = """
import os, sys
from bladehttp.client import HttpClient
from bladehttp.client._request.prepared import MOST_KEPT
url, ca = sys.argv[1:]
client = HttpClient(ca_cert=ca)
assert client.get(url + "/parent").body == b"ok"
child = os.fork()
if child == 0:
    assert client.get(url + "/child").body == b"ok"
    client.close()
    sys.exit(7)  # the interpreter's whole end, with all its finalizers
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert client.get(url + "/parent").body == b"ok"
client.close()
"""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", program]
    done = subprocess.run(
        [*command, peer.url, certificates.ca_file], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [(seen.target, seen.connection) for seen in peer.requests] == [
        ("/parent", 1),
        ("/child", 2),
        ("/parent", 1),
    ]


def test_the_shared_client_is_one_and_closed_at_the_end(peers: Any) -> None:
    peer = peers()
    assert shared() is shared()
    assert shared().get(peer.url).body == b"ok"
    first = shared()
    close_shared()
    assert first.closed
    assert shared() is not first
    program = f"from bladehttp.client import shared; print(shared().get({peer.url!r}).text)"
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def test_closing_the_shared_client_before_it_was_made_does_nothing() -> None:
    program = "from bladehttp.client._client import close_shared; close_shared()"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_an_ipv6_address_is_a_host(client: HttpClient) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        url = f"http://[::1]:{listener.getsockname()[1]}/"

        def serve() -> None:
            raw, _ = listener.accept()
            with raw:
                raw.recv(65536)
                raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n6")

        thread = threading.Thread(target=serve)
        thread.start()
        assert client.get(url).body == b"6"
        thread.join(10)


def test_a_request_object_sends_itself(peers: Any) -> None:
    peer = peers(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
    request = HttpRequest()
    request.headers["X-Mine"] = "1"
    response = request.send(peer.url, "POST", "data", {"follow_redirect": False})
    assert response.status == 302
    assert (peer.last.get("X-Mine"), peer.last.body) == ("1", b"data")


def test_a_body_of_the_last_response_is_not_kept_alive(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    client.get(peers(reply(bytes(8 << 20))).url)
    gc.collect()
    tracemalloc.start()
    try:
        body = client.get(peers(reply(bytes(8 << 20))).url).body
        assert len(body) == 8 << 20
        del body
        # the peer's own copy is made before, ours is gone
        assert tracemalloc.get_traced_memory()[0] < 12 << 20
    finally:
        tracemalloc.stop()


def test_a_change_shows_in_the_next_request_of_the_same_url(client: HttpClient, peers: Any) -> None:
    peer = peers()
    token = ("Authorization", "Bearer x")
    for change in (
        lambda: client.headers.add(*token),
        lambda: client.headers.pop("Authorization"),
        lambda: setattr(client, "user_agent", "other"),
        lambda: setattr(client, "headers", {"X-One": "1"}),
        lambda: client.headers.update({"X-One": "2"}),
    ):
        client.get(peer.url)
        change()
        client.get(peer.url)
        client.get(peer.url)
    seen = [
        (request.get("Authorization"), request.get("User-Agent"), request.get("X-One"))
        for request in peer.requests[1::3]
    ]
    blade = "Blade HTTP Client/1.0"
    assert seen == [
        ("Bearer x", blade, None),
        (None, blade, None),
        (None, "other", None),
        (None, "other", "1"),
        (None, "other", "2"),
    ]
    assert [request.fields for request in peer.requests[2::3]] == [
        request.fields for request in peer.requests[1::3]
    ]


def test_many_urls_are_asked_for_with_one_client(client: HttpClient, peers: Any) -> None:
    peer = peers()
    count = MOST_KEPT + 10
    for number in [*range(count), 0, count - 1]:
        assert client.get(f"{peer.url}/{number}").body == b"ok"
    assert [request.target for request in peer.requests[-3:]] == [
        f"/{count - 1}", "/0", f"/{count - 1}",
    ]  # fmt: skip
    assert len(client._kept) <= MOST_KEPT
