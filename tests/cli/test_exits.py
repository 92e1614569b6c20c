"""Failures of real exchanges: one line on standard error, and an exit code by kind."""

import gzip
import io
import socket
import sys

import pytest

import bladehttp as http


def failed(run, code: int, *words: str) -> str:
    """Run a command that fails and return its one line."""
    done, _, err = run(*words)
    assert (done, err.count("\n")) == (code, 1), err
    assert err.startswith("bladehttp: ")
    return err


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (1, b"SSH-2.0-OpenSSH\r\n"),
        (52, b""),
        (8, b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
        (18, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        (61, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Encoding: gzip\r\n\r\nhalf"),
        (18, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf"),
        (1, b"HTTP/1.1 302 Found\r\nLocation: ftp://x/\r\nContent-Length: 0\r\n\r\n"),
        (47, b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"),
    ],
    ids=["no-http", "nothing", "status", "short", "no-gzip", "chunk", "ftp", "loop"],
)
def test_an_answer_that_is_none_has_its_code(code, answer, run, scripted):
    failed(run, code, "get", scripted(answer).url)


def test_a_name_without_address_is_6(run):
    assert "nothing.invalid" in failed(run, 6, "get", "http://nothing.invalid/")


def test_a_port_nobody_listens_on_is_7(run):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert f"127.0.0.1:{port}" in failed(run, 7, "get", f"http://127.0.0.1:{port}")
    failed(run, 7, "get", "http://x.invalid", "--proxy", f"http://127.0.0.1:{port}")


def test_a_proxy_that_refuses_is_97_and_one_without_address_5(run, scripted):
    proxy = scripted(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
    assert "403" in failed(run, 97, "get", "https://x.invalid", "-x", proxy.url)
    failed(run, 5, "get", "http://x.invalid", "-x", "http://proxy.invalid")


def test_a_body_beyond_the_limit_is_63(run, server):
    assert run("get", f"{server.url}/file", "--max-filesize", "1k")[0] == 63
    assert run("get", f"{server.url}/file", "--max-filesize", "2M")[0] == 0


def test_another_scheme_is_1(run):
    failed(run, 1, "get", "ftp://x/")


@pytest.mark.parametrize("url", ["http://", "http://a b/", "http://x:99999999/"])
def test_a_url_that_cannot_be_used_is_3(url, run):
    failed(run, 3, "get", url)


def test_tls_with_a_server_that_has_none_is_35(run, server):
    failed(run, 35, "get", f"https://127.0.0.1:{server.port}")


def test_a_certificate_for_another_host_is_60(run, secure_server, certificates):
    url = f"https://127.0.0.2:{secure_server.port}"
    secure_server.close()
    secure_server.host = "0.0.0.0"
    secure_server.start()
    assert "127.0.0.2" in failed(run, 60, "get", url, "--cacert", certificates.ca_file)
    failed(run, 77, "get", url, "--cacert", "/nowhere.pem")


def test_a_body_that_cannot_be_sent_again_is_65(run, server, monkeypatch):
    class Pipe(io.BytesIO):
        def seek(self, *_):
            raise OSError("a pipe")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Pipe(b"once"))))
    failed(run, 65, "post", f"{server.url}/redirect/x", "-T", "-")


@pytest.mark.parametrize("status", [404, 500])
def test_fail_makes_an_error_of_a_status(status, run, server):
    url = f"{server.url}/status/{status}"
    assert run("get", url) == (0, b"what is wrong", "")
    line = f"bladehttp: {status} {http.map[status]} from {url}\n"
    assert run("get", url, "--fail") == (22, b"", line)
    assert run("get", url, "--fail-with-body") == (22, b"what is wrong", line)
    assert run("get", url, "--check-status") == (status // 100, b"what is wrong", line)
    assert run("get", f"{server.url}/status/302", "--fail")[0] == 0


def test_errors_are_not_told_to_those_who_want_silence(run, server):
    url = f"{server.url}/status/404"
    assert run(url, "-sf") == (22, b"", "")
    assert run(url, "-sSf")[2] == f"bladehttp: 404 Not Found from {url}\n"
    assert run("http://nothing.invalid", "-s") == (6, b"", "")


def test_of_several_urls_the_last_failure_counts(run, server):
    code, out, err = run(f"{server.url}/text", "http://nothing.invalid", f"{server.url}/untyped")
    assert (code, out.endswith("Grüße".encode()), err.count("\n")) == (6, True, 1)


def test_no_secret_of_a_url_is_told(run, server):
    url = f"http://ada:hush@127.0.0.1:{server.port}/status/404?token=hush"
    for words in ((url, "-f"), (url, "-v"), (url, "-f", "-v", "-w", "%{errormsg} %{size_header}")):
        _, out, err = run(*words)
        assert ("hush" in out.decode() + err, "404" in err) == (False, True)
    assert run(url, "-sf", "-w", "%{url_effective}")[1] == (
        f"http://127.0.0.1:{server.port}/status/404?token=hush".encode()  # as it was typed
    )


def test_what_a_server_says_cannot_write_to_the_terminal(run, scripted):
    peer = scripted(b"HTTP/1.1 404 \x1b[31mgone\x9b\r\nContent-Length: 0\r\n\r\n")
    err = failed(run, 22, "get", peer.url, "--fail")
    assert ("\x1b" in err, "\x9b" in err) == (False, False)


def test_gzip_is_undone_in_a_pipe(run, scripted):
    body = gzip.compress(b"text")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    assert run("get", scripted(head.encode() + body).url) == (0, b"text", "")
