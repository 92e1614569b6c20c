"""Digest (RFC 7616) on kept handles: what is kept of one challenge does not spoil the next."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

import pycurl
import pytest
from sending import DOORS

from bladehttp import Auth, HttpClient


def right(seen: Any, realm: str, nonce: str, field: str) -> bool:
    """Whether a request has the answer to a challenge (MD5, no qop)."""
    given = dict(re.findall(r'(\w+)="([^"]*)"', seen.get(field) or ""))
    if given.get("realm") != realm or given.get("nonce") != nonce:
        return False
    ha1 = hashlib.md5(f"me:{realm}:pw".encode()).hexdigest()
    ha2 = hashlib.md5(f"{seen.method}:{given['uri']}".encode()).hexdigest()
    return given["response"] == hashlib.md5(f"{ha1}:{nonce}:{ha2}".encode()).hexdigest()


def by_path(_: int, path: str) -> tuple[str, str]:
    return path, "always"


def once(count: int, _: str) -> tuple[str, str]:
    return "realm", f"nonce {count}"


@pytest.fixture(params=[by_path, once], ids=["two realms", "nonces that are used once"])
def challenge(request: pytest.FixtureRequest) -> Any:
    return request.param


def guarded(peers: Any, reply: Any, challenge: Callable[[int, str], tuple[str, str]],
            status: str = "401 Unauthorized", field: str = "Authorization",
            ask: str = "WWW-Authenticate") -> Any:  # fmt: skip
    """Make a peer that wants a digest; its challenge changes with each right answer."""
    answered = [0]

    def respond(seen: Any) -> bytes:
        realm, nonce = challenge(answered[0], seen.target.rpartition("/")[2])
        if right(seen, realm, nonce, field):
            answered[0] += 1
            return reply(b"in")
        return reply(b"out", status, f'{ask}: Digest realm="{realm}", nonce="{nonce}"')

    return peers(respond)


@pytest.mark.parametrize("door", DOORS, ids=[door.__name__ for door in DOORS])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("auth_method", [Auth.ANY, Auth.DIGEST], ids=["any", "digest"])
def test_a_new_challenge_is_answered_each_time(
    peers: Any, reply: Any, challenge: Any, door: Any, method: str, auth_method: Auth
) -> None:
    peer = guarded(peers, reply, challenge)
    data = None if method == "GET" else "data"
    with door(peer.url, auth=("me", "pw"), auth_method=auth_method) as send:
        for path in ("/a", "/b", "/b", "/a", "/b"):
            response = send(method, data, path)
            assert (response.status, response.body) == (200, b"in")
    assert method == "GET" or peer.last.body == b"data"


@pytest.mark.parametrize("door", DOORS, ids=[door.__name__ for door in DOORS])
def test_a_redirect_may_lead_to_another_challenge(peers: Any, reply: Any, door: Any) -> None:
    def respond(seen: Any) -> bytes:
        realm = seen.target[1:]
        if not right(seen, realm, "always", "Authorization"):
            asked = f'WWW-Authenticate: Digest realm="{realm}", nonce="always"'
            return reply(b"out", "401 Unauthorized", asked)
        return reply(b"", "302 Found", "Location: /b") if realm == "a" else reply(b"in")

    with door(peers(respond).url, auth=("me", "pw")) as send:
        for path in ("/b", "/a", "/a"):  # what is kept of one is wrong for the other
            response = send("GET", None, path)
            assert (response.status, response.body) == (200, b"in")


def test_by_a_proxy_too(client: HttpClient, peers: Any, reply: Any, challenge: Any) -> None:
    proxy = guarded(peers, reply, challenge, "407 Proxy Authentication Required",
                    "Proxy-Authorization", "Proxy-Authenticate")  # fmt: skip
    client.proxy = proxy.url.replace("//", "//me:pw@")
    for path in ("a", "b", "b", "a"):
        assert client.get(f"http://nowhere.invalid/{path}").status == 200
        client.curl_options = {pycurl.PROXYAUTH: pycurl.HTTPAUTH_DIGEST}


def test_by_a_proxy_of_the_environment_too(
    peers: Any, reply: Any, challenge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = guarded(peers, reply, challenge, "407 Proxy Authentication Required",
                    "Proxy-Authorization", "Proxy-Authenticate")  # fmt: skip
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//me:pw@"))
    with HttpClient() as client:
        for path in ("a", "b", "b", "a"):
            assert client.get(f"http://nowhere.invalid/{path}").status == 200


def test_a_known_challenge_is_answered_at_once(client: HttpClient, peers: Any, reply: Any) -> None:
    peer = guarded(peers, reply, by_path)
    for _ in range(3):
        assert client.get(peer.url + "/a", auth=("me", "pw")).status == 200
    assert len(peer.requests) == 4


def test_a_wrong_password_is_tried_once_each_time(
    client: HttpClient, peers: Any, reply: Any
) -> None:
    peer = guarded(peers, reply, by_path)
    for _ in range(3):
        assert client.get(peer.url + "/a", auth=("me", "no")).status == 401
    assert len(peer.requests) == 6
    assert sum(seen.get("Authorization") is not None for seen in peer.requests) == 3


def test_hooks_are_called_once_for_both(client: HttpClient, peers: Any, reply: Any) -> None:
    asked: list[str] = []
    client.on_request = [lambda request: asked.append(request.url)]
    peer = guarded(peers, reply, by_path)
    for path in ("/a", "/b"):
        client.get(peer.url + path, auth=("me", "pw"))
    assert asked == [peer.url + "/a", peer.url + "/b"]


@pytest.mark.parametrize(
    "given", [{}, {"auth": "token"}, {"auth": ("me", "pw"), "auth_method": Auth.BASIC}], ids=str
)
def test_a_request_that_cannot_answer_a_challenge_is_sent_once(
    client: HttpClient, peers: Any, reply: Any, given: dict[str, Any]
) -> None:
    peer = guarded(peers, reply, by_path)
    for _ in range(2):
        assert client.get(peer.url + "/a", **given).status == 401
    assert len(peer.requests) == 2
