"""Recording of an upstream server of others' making, and what is in the file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
import requests
from httpbin import app as httpbin_app
from pytest_httpbin import serve

import bladehttp as http
from bladehttp.server.testing import BladeServer, Identity
from bladehttp.server.testing._record import own_cookie

upstream_app = flask.Flask("upstream")


@upstream_app.post("/login")
def login() -> Any:
    response = flask.jsonify(access_token="t0ken-of-ada", max_tokens=5, name="Ada", page=1.0)
    response.set_cookie("sid", "session-of-ada", domain="example.com", secure=True, httponly=True)
    response.headers["Location"] = f"{flask.request.host_url}me?code=c0de&page=2"
    response.headers["X-Api-Key"] = "key-of-ada"
    return response


@upstream_app.route("/echo/<path:rest>", methods=["GET", "POST", "PURGE"])
def echo(rest: str) -> Any:
    return {
        "target": flask.request.full_path,
        "fields": sorted(flask.request.headers.keys()),
        "token": "",
        "said": flask.request.headers.get("Authorization", ""),
        "cookie header": flask.request.headers.get("Cookie", ""),
        "body": flask.request.get_data(as_text=True),
    }


@upstream_app.get("/long")
def too_long() -> Any:
    return b"x" * (16 * 1024 * 1024 + 1)


@upstream_app.get("/<name>")
def named(name: str) -> Any:
    types = {"binary": b"\x00\xff", "exact": b'{"a": 1.10, "a": 2}', "operator": b'{"$any": 1}'}
    mime = "application/octet-stream" if name == "binary" else "application/json"
    return flask.Response(types[name], mimetype=mime)


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with serve.Server(application=upstream_app) as server:
        yield server.url


@pytest.fixture(scope="module")
def httpbin_url() -> Iterator[str]:
    with serve.Server(application=httpbin_app) as server:
        yield server.url


def use_requests(url: str) -> list[Any]:
    """Do what programs do, with requests."""
    with requests.Session() as session:
        seen: list[Any] = [session.get(f"{url}/uuid").json() for _ in range(2)]
        for path in ("gzip", "deflate", "encoding/utf8", "image/png", "status/418", "redirect/1"):
            response = session.get(f"{url}/{path}")
            coding = response.headers.get("Content-Encoding")
            is_json = response.headers.get("Content-Type") == "application/json"
            body = response.json() if is_json else response.content  # but for white space
            seen.append((response.status_code, coding, body, len(response.history)))
        response = session.get(f"{url}/absolute-redirect/1", allow_redirects=False)
        seen.append(response.headers["Location"] == f"{url}/get")
        seen += [
            session.head(f"{url}/{path}").headers["Content-Length"] for path in ("get", "gzip")
        ]
        seen.append(session.get(f"{url}/range/26", headers={"Range": "bytes=1-3"}).content)
        seen.append(session.get(f"{url}/basic-auth/u/p", auth=("u", "p")).status_code)
        seen.append(session.post(f"{url}/post", data={"a": "1"}).json()["form"])
        files = {"f": ("x.txt", b"text")}
        seen.append(session.post(f"{url}/post", files=files).json()["files"])
        return seen


def use_ours(url: str) -> list[Any]:
    """Do what programs do, with our client."""
    with http.HttpClient(base_url=url) as client:
        seen: list[Any] = [client.get("/uuid").json()]
        seen += [client.get(f"/{path}").json() for path in ("gzip", "brotli", "redirect/2")]
        seen.append(client.get("/xml").content)
        seen.append(client.put("/put", json={"a": [1, None]}).json()["json"])
        seen.append(client.delete("/delete").status)
        many = client.send_many([f"/status/{number}" for number in (201, 404)])
        seen.append(sorted(result.status for result in many))
        return seen


@pytest.mark.parametrize("use", [use_requests, use_ours])
def test_a_replay_is_what_was_recorded(httpbin_url, tmp_path, use):
    path = tmp_path / "httpbin.json"
    with BladeServer() as server:
        server.record(to=path, upstream=httpbin_url)
        seen = use(server.url)
    assert list(tmp_path.iterdir()) == [path]
    with BladeServer() as server:
        expectations = server.replay(path)
        assert use(server.url) == seen
    assert [each.calls for each in expectations] == [each.times for each in expectations]


def recorded(upstream: str, path: Path, *use: Any, **options: Any) -> list[Any]:
    """Record some requests and return the entries."""
    with BladeServer() as server:
        server.record(to=path, upstream=upstream, **options)
        for method, target, arguments in use:
            requests.request(method, server.url + target, timeout=20, **arguments)
    document = json.loads(path.read_text())
    assert document["upstream"] == upstream
    return document["expectations"]


LOGIN = ("POST", "/login?api_key=key-in-query", {"json": {"password": "pass-of-ada", "n": [1]}})
ECHO = (
    *("POST", "/echo/t0ken-of-ada/x?sid=1&a={b}"),
    {"headers": {"Authorization": "Bearer t0ken-of-ada"}, "cookies": {"sid": "session-of-ada"}},
)


def test_secrets_are_not_written(upstream, tmp_path):
    path = tmp_path / "a.json"
    login, echoed = recorded(upstream, path, LOGIN, ECHO)
    assert login == {
        "request": {
            "method": "POST",
            "path": "/login",
            "query": {"api_key": {"$any": True}},
            "json": {"password": {"$any": True}, "n": [1]},
        },
        "response": {
            "status": 200,
            "headers": {
                "Server": "Pytest-HTTPBIN/0.1.0",
                "Content-Type": "application/json",
                "Location": "{server}/me?code=[redacted]&page=2",
                "X-Api-Key": "[redacted]",
                "Set-Cookie": "sid=[redacted]; HttpOnly; Path=/",
            },
            "json": {"access_token": "[redacted]", "max_tokens": 5, "name": "Ada", "page": 1.0},
        },
    }
    assert echoed["request"]["path"] == {"$pattern": "/echo/.*/x"}
    assert echoed["response"]["json"]["said"] == "[redacted]"
    text = path.read_text()
    words = ("t0ken-of-ada", "session-of-ada", "key-of-ada", "pass-of-ada", "key-in-query", "c0de")
    assert [word for word in words if word in text] == []
    with BladeServer() as server:
        server.replay(path)
        for method, target, arguments in (LOGIN, ECHO):
            response = requests.request(method, server.url + target, timeout=20, **arguments)
            assert response.status_code == 200


def test_secrets_are_written_if_wanted(upstream, tmp_path):
    login, echoed = recorded(upstream, tmp_path / "a.json", LOGIN, ECHO, secrets=None)
    assert login["request"]["json"]["password"] == "pass-of-ada"
    assert login["request"]["query"] == {"api_key": "key-in-query"}
    assert login["response"]["json"]["access_token"] == "t0ken-of-ada"
    assert login["response"]["headers"]["Set-Cookie"] == "sid=session-of-ada; HttpOnly; Path=/"
    assert echoed["response"]["json"]["said"] == "Bearer t0ken-of-ada"


def test_names_of_secrets_can_be_added(upstream, tmp_path):
    sent = ("POST", "/login?Email=ada@example.com", {"json": {"email": {"a": 1}, "n": 5}})
    options = {"secrets": ["EMAIL", "n", "name", "server"]}
    (entry,) = recorded(upstream, tmp_path / "a.json", sent, **options)
    assert entry["request"]["query"] == {"Email": {"$any": True}}
    assert entry["request"]["json"] == {"email": {"$any": True}, "n": {"$any": True}}
    assert entry["response"]["json"]["name"] == "[redacted]"
    assert entry["response"]["headers"]["Server"] == "[redacted]"


@pytest.mark.parametrize("names", ["email", [b"email"], [5]], ids=repr)
def test_names_of_secrets_are_a_list(tmp_path, names):
    with BladeServer() as server, pytest.raises(TypeError, match="secrets is a list of names"):
        server.record(to=tmp_path / "a.json", upstream="http://example.com", secrets=names)


def test_fields_of_the_connection_are_not_forwarded(upstream, tmp_path):
    fields = {"Connection": "X-Hop", "X-Hop": "1", "TE": "trailers", "X-Mine": "1"}
    with BladeServer() as server:
        server.record(to=tmp_path / "a.json", upstream=f"{upstream}/echo/")
        url = f"{server.url}/a%20b?c=%2F"
        seen = requests.request("PURGE", url, headers=fields, data="x=1", timeout=20).json()
        assert server.requests[0].headers["X-Hop"] == "1"
    assert seen["target"] == "/echo/a b?c=%2F"
    assert "X-Mine" in seen["fields"]
    assert not {"X-Hop", "Te"} & set(seen["fields"])
    assert seen["body"] == "x=1"


def test_equal_requests_that_follow_each_other_are_one_entry(upstream, tmp_path):
    sent = [("GET", f"/{name}", {}) for name in ("exact", "exact", "binary", "exact")]
    entries = recorded(upstream, tmp_path / "a.json", *sent)
    assert [(each["request"]["path"], each.get("times", 1)) for each in entries] == [
        *(("/exact", 2), ("/binary", 1), ("/exact", 1))
    ]


def test_bodies_are_written_so_that_none_changes(upstream, tmp_path):
    sent = [("GET", f"/{name}", {}) for name in ("binary", "exact", "operator")]
    sent += [("POST", "/echo/", {"data": data}) for data in (b"a\nb", b"\x00", b"\xff" * 100_000)]
    sent += [("POST", "/echo/", {"json": {"$any": 1}})]
    binary, exact, operator, *echoed = recorded(upstream, tmp_path / "a.json", *sent)
    assert binary["response"]["body_base64"] == "AP8="
    assert exact["response"]["body"] == '{"a": 1.10, "a": 2}'
    assert operator["response"]["json"] == {"$any": 1}
    bodies = [{key: each["request"].get(key) for key in ("body", "body_base64")} for each in echoed]
    assert bodies == [
        {"body": ["a\n", "b"], "body_base64": None},
        {"body": None, "body_base64": "AA=="},
        {"body": None, "body_base64": None},
        {"body": '{"$any": 1}', "body_base64": None},
    ]
    with BladeServer() as server:
        server.replay(tmp_path / "a.json")
        for method, target, arguments in sent:
            requests.request(method, server.url + target, timeout=20, **arguments)


def test_expectations_come_before_the_upstream_server(upstream, tmp_path):
    with BladeServer() as server:
        server.expect("GET", "/exact").respond("mine")
        server.record(to=tmp_path / "a.json", upstream=upstream)
        assert requests.get(f"{server.url}/exact", timeout=20).text == "mine"
    assert json.loads((tmp_path / "a.json").read_text())["expectations"] == []


@pytest.mark.parametrize("name", ["long", "closed"])
def test_an_upstream_server_that_fails_fails_the_test(upstream, tmp_path, name):
    with BladeServer() as closed:
        dead = closed.url
    with BladeServer() as server:
        server.record(to=tmp_path / "a.json", upstream=upstream if name == "long" else dead)
        assert requests.get(f"{server.url}/{name}", timeout=20).status_code == 500
        with pytest.raises(AssertionError, match="the server failed with") as caught:
            server.check()
    assert isinstance(caught.value.__cause__, http.HttpException)
    assert json.loads((tmp_path / "a.json").read_text())["expectations"] == []


def test_an_upstream_server_with_tls_is_trusted_by_its_authority(tmp_path):
    identity = Identity.throw_away(tmp_path)
    with BladeServer(identity=identity) as secure, BladeServer() as server:
        secure.expect("GET", "/").respond("secret")
        server.record(to=tmp_path / "a.json", upstream=secure.url, ca_cert=secure.ca_file)
        assert requests.get(server.url, timeout=20).text == "secret"
    with BladeServer(identity=identity) as secure, BladeServer() as server:
        server.record(to=tmp_path / "a.json", upstream=secure.url)
        assert requests.get(server.url, timeout=20).status_code == 500
        with pytest.raises(AssertionError, match="CertificateError"):
            server.check()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("example.com", ValueError),
        ("ftp://example.com", ValueError),
        ("http://", ValueError),
        ("http://u:p@example.com", ValueError),
        ("http://example.com?a", ValueError),
        (5, TypeError),
    ],
)
def test_an_upstream_server_is_a_url(tmp_path, url, error):
    with BladeServer() as server, pytest.raises(error, match="upstream is"):
        server.record(to=tmp_path / "a.json", upstream=url)


def test_a_recording_has_one_upstream_server_and_a_directory(tmp_path):
    with BladeServer() as server:
        with pytest.raises(FileNotFoundError, match="no directory for a recording"):
            server.record(to=tmp_path / "none" / "a.json", upstream="http://example.com")
        server.record(to=tmp_path / "a.json", upstream="http://example.com")
        with pytest.raises(RuntimeError, match="recording already"):
            server.record(to=tmp_path / "b.json", upstream="http://example.com")


@pytest.mark.parametrize(
    ("is_secure", "kept"),
    [(True, "a=b; Path=/; Secure; HttpOnly"), (False, "a=b; Path=/; HttpOnly")],
)
def test_a_cookie_is_one_of_the_recording_server(is_secure, kept):
    assert own_cookie("a=b; Path=/; Domain=example.com; Secure; HttpOnly", is_secure) == kept


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "not-kept"])
def test_whether_requests_are_kept_is_an_argument_of_the_constructor(keeps):
    with BladeServer(record=keeps) as server:
        expected = server.expect("GET", "/").respond("hello")
        assert requests.get(server.url, timeout=20).text == "hello"
        assert (len(server.requests), len(expected.requests)) == (keeps, keeps)
        server.clear()
        server.expect("GET", "/")
        requests.get(server.url, timeout=20)
        assert len(server.requests) == keeps
