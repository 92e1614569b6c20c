"""Failures of real exchanges: one line on standard error, and an exit code by kind."""

import gzip
import io
import socket
import sys

import pytest


def failed(run, code: int, *words: str) -> str:
    """Run a command that fails and return its one line."""
    done, _, err = run(*words)
    assert (done, err.count("\n")) == (code, 1), err
    assert err.startswith("bladehttp: ")
    return err


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (8, b"SSH-2.0-OpenSSH\r\n"),
        (8, b""),
        (18, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        (61, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Encoding: gzip\r\n\r\nhalf"),
        (18, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf"),
        (3, b"HTTP/1.1 302 Found\r\nLocation: ftp://x/\r\nContent-Length: 0\r\n\r\n"),
        (47, b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"),
    ],
    ids=["no-http", "nothing", "short", "no-gzip", "chunk", "ftp", "loop"],
)
def test_an_answer_that_is_none_has_its_code(code, answer, run, scripted):
    failed(run, code, "get", scripted(answer).url)


def test_a_name_without_address_is_6(run):
    assert "nothing.invalid" in failed(run, 6, "get", "http://nothing.invalid/")


def test_a_port_nobody_listens_on_is_7(run):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert f"127.0.0.1:{port}" in failed(run, 7, "get", f"http://127.0.0.1:{port}")
    failed(run, 97, "get", "http://x.invalid", "--proxy", f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("url", ["http://", "http://a b/", "http://x:99999999/", "ftp://x/"])
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
    failed(run, 65, "post", f"{server.url}/redirect/x", "-d", "-")


@pytest.mark.parametrize("status", [404, 500])
def test_fail_makes_an_error_of_a_status_and_prints_the_body_all_the_same(status, run, server):
    url = f"{server.url}/status/{status}"
    assert run("get", url) == (0, b"what is wrong", "")
    code, out, err = run("get", url, "--fail")
    assert (code, out) == (status // 100, b"what is wrong")
    assert err.startswith(f"bladehttp: {status} ")
    assert err.endswith(f" from {url}\n")
    assert run("get", f"{server.url}/status/302", "--fail")[0] == 0


def test_what_a_server_says_cannot_write_to_the_terminal(run, scripted):
    peer = scripted(b"HTTP/1.1 404 \x1b[31mgone\x9b\r\nContent-Length: 0\r\n\r\n")
    err = failed(run, 4, "get", peer.url, "--fail")
    assert ("\x1b" in err, "\x9b" in err) == (False, False)


def test_gzip_is_undone_in_a_pipe(run, scripted):
    body = gzip.compress(b"text")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    assert run("get", scripted(head.encode() + body).url) == (0, b"text", "")
