"""tinyproxy as the proxy: one that somebody else wrote."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import child, wait_until

from bladehttp.client import HttpClient
from bladehttp.exceptions import ProxyError

CONFIGURATION = """
Port {port}
Listen 127.0.0.1
Timeout 30
LogFile "{directory}/log"
BasicAuth me p4ss
ViaProxyName "tiny"
"""


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("tinyproxy")
    if program is None:
        pytest.skip("tinyproxy is not installed: apt-get install tinyproxy-bin")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "conf").write_text(CONFIGURATION.format(port=port, directory=tmp_path))
    command = [program, "-d", "-c", str(tmp_path / "conf")]
    with child(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: process.poll() is not None or listens(port))
        assert process.poll() is None, "tinyproxy did not start"
        yield f"127.0.0.1:{port}"
        process.terminate()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_whole_urls_and_tunnels(
    client: HttpClient, peers: Any, proxy: str, server_context: ssl.SSLContext, certificates: Any
) -> None:
    plain, secure = peers(), peers(context=server_context)
    client.ca_cert, client.proxy = certificates.ca_file, f"http://me:p4ss@{proxy}"
    assert client.post(f"{plain.url}/a%2fb?c", b"data").body == b"ok"
    assert (plain.last.target, plain.last.body) == ("/a%2fb?c", b"data")
    assert "tiny" in str(plain.last.get("Via"))
    assert client.get(f"https://localhost:{secure.port}/x").body == b"ok"
    assert secure.last.get("Via") is None
    for peer in (plain, secure):
        assert peer.last.get("Proxy-Authorization") is None
    results = client.send_many([plain.url, f"https://localhost:{secure.port}/"] * 10, 4)
    assert [each.body for each in results] == [b"ok"] * 20


def test_a_wrong_password_and_a_dead_server(
    client: HttpClient, peers: Any, proxy: str, server_context: ssl.SSLContext
) -> None:
    secure = peers(context=server_context)
    for userinfo, status in (("me:no@", 401), ("", 407)):
        client.proxy = f"http://{userinfo}{proxy}"
        assert client.get("http://127.0.0.1:1/").status == status
        with pytest.raises(ProxyError) as caught:
            client.get(secure.url)
        assert caught.value.status == status
    client.proxy = f"http://me:p4ss@{proxy}"
    assert client.get("http://127.0.0.1:1/").status >= 500
    with pytest.raises(ProxyError) as caught:
        client.get("https://127.0.0.1:1/")
    assert (caught.value.status or 0) >= 500
    assert secure.requests == []
