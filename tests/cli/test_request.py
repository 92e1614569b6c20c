"""What each option makes of the request."""

import gzip
import io
import json
import re
import subprocess
import sys

import pytest
from command_line import ENVIRONMENT, PROGRAM, program


def asked(run, *words) -> dict:
    """Run a command that succeeds and return the request as the server had it."""
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete"])
def test_a_verb_is_its_method(verb, run, server):
    assert asked(run, verb, f"{server.url}/x?a=1")["method"] == verb.upper()


@pytest.mark.parametrize("verb", ["head", "options"])
def test_head_and_options_print_the_head(verb, run, server):
    code, out, _ = run(verb, server.url)
    head, _, body = out.partition(b"\r\n\r\n")
    assert code == 0
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    assert bool(body) is (verb == "options")


def test_fields_replace_the_defaults_and_may_be_empty(run, server):
    words = ["-H", "User-Agent: me", "-H", "X-Two: 1", "-H", "X-Two:2", "-H", "X-Empty;"]
    headers = asked(run, "get", server.url, *words)["headers"]
    assert {name: headers[name] for name in ("User-Agent", "X-Two", "X-Empty")} == {
        "User-Agent": "me",
        "X-Two": "1, 2",
        "X-Empty": "",
    }


def test_a_url_without_a_scheme_is_http(run, server):
    url = f"localhost:{server.port}/x?to=http://y"
    assert asked(run, "get", url)["request_uri"] == "/x?to=http://y"


def test_data_is_a_form_and_several_are_joined(run, server):
    request = asked(run, "post", server.url, "-d", "a=1", "-d", "b=2")
    assert request["body"] == {"a": "1", "b": "2"}
    assert request["headers"]["Content-Type"] == "application/x-www-form-urlencoded"


def test_data_may_be_sent_with_any_method_and_type(run, server):
    words = ["-d", "[1]", "-H", "Content-Type: application/json"]
    request = asked(run, "get", server.url, *words)
    assert (request["method"], request["body"]) == ("GET", [1])


def test_data_of_a_missing_file_is_told_and_nothing_is_sent(run, server):
    assert run("put", server.url, "-d", "@/nowhere/x") == (
        26, b"", "bladehttp: /nowhere/x: No such file or directory\n",
    )  # fmt: skip
    assert server.stats.requests == 0


@pytest.mark.parametrize("words", [("-d", "-"), ("-d", "@-"), ("-T", "-")], ids=" ".join)
def test_data_comes_from_standard_input(words, server):
    done = program("post", server.url, *words, data=b"\1binary")
    assert (done.returncode, done.stderr) == (0, b"")
    request = json.loads(done.stdout)
    assert request["method"] == "POST"
    assert ("Transfer-Encoding" in request["headers"]) is (words[0] == "-T")


def test_an_accept_encoding_of_ones_own_leaves_the_body_as_it_comes(run, scripted):
    body = gzip.compress(b"text")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    peer = scripted(head.encode() + body)
    assert run(peer.url, "-H", "Accept-Encoding: gzip")[1] == body
    assert run(peer.url, "-H", "Accept-Encoding: gzip", "--compressed")[1] == b"text"
    assert run(peer.url, "Accept-Encoding:gzip")[1] == b"text"
    assert [head.count("Accept-Encoding: gzip\r\n") for head in peer.asked] == [1, 1, 1]


def test_json_says_so_and_is_sent_as_it_was_given(run, server, tmp_path, monkeypatch):
    request = asked(run, "post", server.url, "--json", '{"a":  1.10}')
    assert request["body"] == {"a": 1.1}
    headers = request["headers"]
    assert (headers["Content-Length"], headers["Content-Type"], headers["Accept"]) == (
        "12", "application/json", "application/json",
    )  # fmt: skip
    file = tmp_path / "x"
    file.write_text("[1]")
    assert asked(run, "post", server.url, "--json", f"@{file}")["body"] == [1]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"[2]")))
    assert asked(run, "post", server.url, "--json", "-")["body"] == [2]


def test_parts_make_a_form_with_files(run, server, tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("inside")
    words = ["-F", "n=v=w", "-F", f"one=@{file}", "-F", f"two=@{file};type=image/png"]
    request = asked(run, "post", server.url, *words)
    assert request["body"] == {"n": "v=w"}
    assert request["headers"]["Content-Type"].startswith("multipart/form-data; boundary=")
    found = {name: (f["filename"], f["mime"]) for name, f in request["files"].items()}
    assert found == {"one": ("a.txt", "text/plain"), "two": ("a.txt", "image/png")}
    assert asked(run, "post", server.url, "-F", "n=v")["body"] == {"n": "v"}


def test_name_and_password_are_sent_at_once(run, server):
    headers = asked(run, "get", server.url, "-u", "Aladdin:open sesame")["headers"]
    assert headers["Authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_a_password_that_is_missing_is_asked_for(terminal, server):
    session = terminal("get", server.url, "-u", "Aladdin")
    session.until("password of Aladdin: ")
    session.press("open sesame\n")
    assert session.end() == 0
    assert "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==" in session.written
    assert "open sesame" not in session.written


def test_a_password_that_cannot_be_asked_for_is_told(server):
    command = [*PROGRAM, "get", server.url, "-u", "Aladdin"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False,
        start_new_session=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert (done.returncode, done.stderr.decode()) == (
        2, "bladehttp: -u without a password asks for it, and there is no terminal to ask at\n",
    )  # fmt: skip


def test_redirects_are_followed_unless_not_wanted(run, server):
    assert asked(run, "post", f"{server.url}/redirect/x", "-d", "a")["path"] == "/x"
    assert asked(run, "get", "-L", f"{server.url}/redirect/x")["path"] == "/x"
    code, out, _ = run("get", "--no-redirect", "-i", f"{server.url}/redirect/x")
    assert code == 0
    assert out.startswith(b"HTTP/1.1 307 Temporary Redirect\r\n")


def test_cookies_are_saved_in_a_file_of_their_owner(run, scripted, tmp_path):
    peer = scripted(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n")
    jar = tmp_path / "jar"
    assert run(peer.url, "-c", jar) == (0, b"", "")
    assert (jar.read_text().splitlines()[-1], jar.stat().st_mode & 0o777) == (
        "127.0.0.1\tFALSE\t/\tFALSE\t0\ta\t1", 0o600,
    )  # fmt: skip
    assert run(peer.url, "-b", jar, "-b", "b=2", "-c", "-")[1].endswith(b"\ta\t1\n")
    assert re.search(r"\r\nCookie: (a=1; b=2|b=2; a=1)\r\n", peer.asked[-1])
    assert run(peer.url, "-c", tmp_path / "no" / "jar")[0] == 23
    (tmp_path / "text").write_text("no cookies\n")
    assert run(peer.url, "-b", tmp_path / "text")[0] == 2


def test_no_cookie_of_a_command_crosses_origins(run, server, scripted):
    peer = scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    moved = scripted(
        f"HTTP/1.1 302 Found\r\nLocation: {peer.url}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    words = ("-b", "a=1", "-u", "a:b", "X-Api-Key:c", "-H", "X-Free: d")
    assert run(moved.url, *words)[0] == 0
    assert ("Cookie" in moved.asked[0], "X-Api-Key" in moved.asked[0]) == (True, True)
    lines = [line.partition(":")[0] for line in peer.asked[0].splitlines()]
    assert "X-Free" in lines
    assert {"Cookie", "Authorization", "X-Api-Key"}.isdisjoint(lines)


def test_a_proxy_is_asked_instead(run, server, scripted):
    proxy = scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    assert run("get", "http://example.invalid/x", "--proxy", proxy.url) == (0, b"hi", "")
    assert proxy.asked[0].startswith("GET http://example.invalid/x HTTP/1.1\r\n")


def test_a_proxy_is_told_name_and_password_and_no_server_is(run, scripted):
    proxy = scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    for place in (proxy.url, proxy.url.removeprefix("http://")):
        assert run("http://a.invalid/x", "-x", place, "-U", "me:p@:ss")[1] == b"hi"
        assert "Proxy-Authorization: Basic bWU6cEA6c3M=\r\n" in proxy.asked[-1]
    assert run("http://a.invalid/x", "-x", "", "-U", "a:b")[0] == 2
    words = ("-x", proxy.url, "-U", "me:hush", "-v")
    assert "hush" not in run("http://a.invalid/x", *words)[2]


def test_certificates_are_checked_unless_not_wanted(run, secure_server, certificates):
    code, out, err = run("get", secure_server.url)
    assert (code, out) == (60, b"")
    assert err.startswith(f"bladehttp: checking the certificate of 127.0.0.1:{secure_server.port}")
    trusted = ["--cacert", certificates.ca_file]
    assert asked(run, "get", secure_server.url, *trusted)["path"] == "/"
    assert asked(run, "get", secure_server.url, "-k")["path"] == "/"
    assert asked(run, "get", secure_server.url, "-k", "--http2")["http_version"] == "1.1"


def test_a_certificate_is_shown(run, secure_server, certificates):
    cert, key = certificates.issue("cli", "me@example.com")
    words = ["-k", "--cert", cert, "--key", key]
    assert asked(run, "get", secure_server.url, *words)["path"] == "/"
    code, _, err = run("get", secure_server.url, "-k", "--cert", "/nowhere.pem")
    assert (code, "/nowhere.pem" in err) == (58, True)


@pytest.mark.parametrize("words", [("-m", "0.05"), ("--timeout", "50ms")], ids=" ".join)
def test_clocks_are_seconds_or_have_a_unit(words, run, scripted):
    peer = scripted(b"", stays=True)
    code, out, err = run("get", peer.url, *words)
    assert (code, out) == (28, b"")
    assert "50 ms" in err


def test_what_may_be_tried_again_is(run, scripted):
    peer = scripted(b"HTTP/1.1 503 Later\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")
    assert run("get", peer.url, "--retry", "2")[0] == 0
    assert len(peer.asked) == 3


def test_what_goes_over_the_wire_is_shown_without_secrets(server):
    done = program("get", server.url, "-v", "-u", "me:secret", "-H", "X-Api-Key: secret")
    assert done.returncode == 0
    lines = done.stderr.decode().splitlines()
    assert "> GET / HTTP/1.1" in lines
    assert "> X-Api-Key: [redacted]" in lines
    assert "< HTTP/1.1 200 OK" in lines
    assert "secret" not in done.stderr.decode()
