"""Files for TLS that are replaced or removed while a client lives."""

import os
import ssl
from pathlib import Path
from typing import Any

import pycurl
import pytest
import trustme
from sending import DOORS

from bladehttp import CertificateError, CertificateFileError, HttpClient
from bladehttp.client._config.environment import active_options, names_authorities
from bladehttp.client._config.options import Settings
from bladehttp.client._config.tls import TRUST_VARIABLES, are_unchanged, stamps_of


@pytest.fixture(scope="module")
def authorities() -> list[trustme.CA]:
    return [trustme.CA(), trustme.CA()]


@pytest.fixture
def peer(peers: Any, authorities: list[trustme.CA]) -> Any:
    """A TLS server whose certificate the first of two authorities has issued."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authorities[0].issue_cert("127.0.0.1").configure_cert(context)
    return peers(context=context)


def write(path: Path, authority: trustme.CA) -> None:
    path.write_bytes(authority.cert_pem.bytes())


def replace(path: Path, authority: trustme.CA) -> None:
    beside = path.with_suffix(".new")
    write(beside, authority)
    beside.replace(path)


def swap_keeping_the_time(path: Path, authority: trustme.CA) -> None:
    times = path.stat()
    replace(path, authority)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("door", DOORS, ids=[door.__name__ for door in DOORS])
@pytest.mark.parametrize("change", [write, replace, swap_keeping_the_time])
@pytest.mark.parametrize("named_by", ["ca_cert", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_another_ca_file_is_noticed(
    peer: Any, authorities: list[trustme.CA], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    door: Any, change: Any, named_by: str,
) -> None:  # fmt: skip
    right, wrong = authorities
    path = tmp_path / "ca.pem"
    write(path, right)
    properties = {}
    for name in TRUST_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    if named_by == "ca_cert":
        properties["ca_cert"] = str(path)
    else:
        monkeypatch.setenv(named_by, str(path))
    with door(peer.url, **properties) as send:
        for _ in range(2):
            assert send("GET", None).body == b"ok"
            change(path, wrong)
            with pytest.raises(CertificateError, match=f"issued by a CA in '{path}'"):
                send("GET", None)
            change(path, right)
            assert send("GET", None).body == b"ok"
        path.unlink()
        with pytest.raises(CertificateFileError, match="does not exist"):
            send("GET", None)
        write(path, right)
        assert send("GET", None).body == b"ok"


@pytest.fixture
def _no_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TRUST_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_no_authorities")
@pytest.mark.parametrize("name", TRUST_VARIABLES)
def test_each_variable_of_authorities_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert not names_authorities()
    monkeypatch.setenv(name, "x")
    assert names_authorities()


@pytest.mark.usefixtures("_no_authorities")
def test_what_the_environment_names_is_checked_when_it_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, one, other = tmp_path / "ca.pem", tmp_path / "one", tmp_path / "other"
    file.touch()
    one.mkdir()
    other.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join((str(one), str(other))))
    settings = Settings()

    def fails(reason: str) -> None:
        for _ in range(2):
            with pytest.raises(CertificateFileError, match=reason):
                active_options(settings, "https")

    options = active_options(settings, "https")
    assert active_options(settings, "https") is options
    other.rmdir()
    fails("SSL_CERT_DIR .* does not exist")
    other.touch()
    fails("SSL_CERT_DIR .* is a file")
    monkeypatch.setenv("SSL_CERT_DIR", str(one))
    file.unlink()
    fails("SSL_CERT_FILE .* does not exist")
    file.mkdir()
    fails("SSL_CERT_FILE .* is a directory")
    monkeypatch.delenv("SSL_CERT_FILE")
    assert dict(active_options(settings, "https"))[pycurl.CAINFO] is None
    monkeypatch.delenv("SSL_CERT_DIR")
    assert active_options(settings, "https") == settings.direct


def test_a_file_that_is_longer_at_the_same_time_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(b"one")
    ((name, stamp),) = stamps_of([os.fsencode(path)])
    assert stamp is not None
    assert are_unchanged(((name, stamp),))
    path.write_bytes(b"longer")
    changed, _, inode = stamps_of([name])[0][1] or stamp
    assert not are_unchanged(((name, (changed, len(b"one"), inode)),))


def test_a_path_from_where_the_program_stands(
    client: HttpClient, peer: Any, authorities: list[trustme.CA], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "ca.pem", authorities[0])
    client.ca_cert = "ca.pem"
    assert client.get(peer.url).body == b"ok"
    replace(tmp_path / "ca.pem", authorities[1])
    with pytest.raises(CertificateError):
        client.get(peer.url)


def test_the_same_file_costs_no_connection(
    client: HttpClient, peer: Any, authorities: list[trustme.CA], tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    write(path, authorities[0])
    client.ca_cert = str(path)
    for _ in range(2):
        for _ in range(3):
            assert client.get(peer.url).body == b"ok"
        replace(path, authorities[0])
    assert peer.connections == 2


def test_another_client_certificate_is_shown(
    client: HttpClient, peers: Any, authorities: list[trustme.CA], tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authorities[0].issue_cert("127.0.0.1").configure_cert(context)
    authorities[0].configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED

    shown: list[str] = []

    def handle(connection: Any) -> None:
        while True:
            connection.read_request()
            subject = connection.socket.getpeercert()["subjectAltName"]
            shown.append(subject[0][1])
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    ca, own = tmp_path / "ca.pem", tmp_path / "own.pem"
    write(ca, authorities[0])
    client.ca_cert, client.client_cert = str(ca), str(own)
    url = peers.raw(handle, context).url
    for name in ("one.example", "two.example"):
        pem = authorities[0].issue_cert(name).private_key_and_cert_chain_pem
        own.write_bytes(pem.bytes())
        client.get(url)
    assert shown == ["one.example", "two.example"]
