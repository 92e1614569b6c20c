"""The curl program as a peer of the server."""

import json
import shutil
import subprocess

import pytest

import bladehttp as http

CURL = shutil.which("curl")
pytestmark = pytest.mark.skipif(CURL is None, reason="the curl program is not installed")


def curl(*arguments: str, data: bytes | None = None) -> bytes:
    command = [CURL, "--silent", "--show-error", "--noproxy", "*", "--max-time", "30", *arguments]
    return subprocess.run(command, input=data, capture_output=True, check=True, timeout=60).stdout


def test_curl_gets(echo):
    assert json.loads(curl(f"{echo.url}/a%20b?x=1"))["path"] == "/a b"


def test_curl_uses_a_connection_twice(echo):
    curl(f"{echo.url}/1", f"{echo.url}/2")
    assert echo.stats.connections == 1


def test_curl_follows_a_redirect(echo):
    assert json.loads(curl("--location", f"{echo.url}/redirect/end"))["path"] == "/end"


def test_curl_asks_for_the_head(echo):
    printed = curl("--head", f"{echo.url}/").decode()
    assert printed.startswith("HTTP/1.1 200 OK\r\n")
    assert "X-Powered-By: Blade\r\n" in printed


def test_curl_speaks_http_1_0(echo):
    assert json.loads(curl("--http1.0", f"{echo.url}/"))["http_version"] == "1.0"


def test_curl_posts_a_form(echo):
    request = json.loads(curl("--data", "a=1&b=x+y", f"{echo.url}/"))
    assert request["body"] == {"a": "1", "b": "x y"}


def test_curl_uploads_a_file_in_a_form(echo, tmp_path):
    (tmp_path / "notes.txt").write_text("notes\r\n")
    request = json.loads(
        curl("--form", f"file=@{tmp_path}/notes.txt", "--form", "field=value", f"{echo.url}/")
    )
    assert request["body"] == {"field": "value"}
    assert request["files"] == {
        "file": {
            "name": "file",
            "filename": "notes.txt",
            "mime": "text/plain",
            "content": "notes\r\n",
            "size": 7,
        }
    }


def test_curl_uploads_in_chunks(echo):
    request = json.loads(
        curl(
            "--header",
            "Transfer-Encoding: chunked",
            "--data-binary",
            "@-",
            f"{echo.url}/",
            data=b"x",
        )
    )
    assert request["body"] == {"x": ""}


def test_curl_waits_for_100_continue_with_a_large_body():
    with http.server(0) as server:
        server.on_receive(lambda request, response: response.write(str(len(request.raw_body))))
        server.spool_size = 10_000_000
        printed = curl(
            "--verbose", "--header", "Expect: 100-continue", "--data-binary", "@-",
            "--header", "Content-Type: application/octet-stream", f"{server.url}/",
            data=b"x" * 500_000,
        )  # fmt: skip
    assert printed == b"500000"


def test_curl_speaks_tls(secure_echo, certificates):
    request = json.loads(
        curl("--cacert", certificates.ca_file, f"https://localhost:{secure_echo.port}/s",
             "--resolve", f"localhost:{secure_echo.port}:127.0.0.1")
    )  # fmt: skip
    assert request["path"] == "/s"


def test_curl_sees_that_a_file_is_whole(tmp_path):
    body = bytes(range(256)) * 20_000
    (tmp_path / "file").write_bytes(body)
    with http.server(0) as server:
        server.on_receive(lambda request, response: response.file(tmp_path / "file"))
        assert curl(f"{server.url}/") == body
