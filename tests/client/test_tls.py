"""TLS: who is trusted, and how a failure tells what is wrong."""

import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trustme
from pytest_httpserver import HTTPServer

from bladehttp.client import HttpClient
from bladehttp.client._config.tls import SYSTEM_BUNDLES, first_bundle
from bladehttp.exceptions import (
    CertificateError,
    CertificateFileError,
    HostnameMismatch,
    SocketException,
    TlsError,
)

ignores_the_warning = pytest.mark.filterwarnings("ignore::bladehttp.InsecureWarning")


@pytest.fixture
def stranger(certificates: Any) -> ssl.SSLContext:
    """A server whose certificate is good but for another host."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificates.issue("stranger", "other.test"))
    return context


def test_a_trusted_server_is_talked_to(
    client: HttpClient, tls_httpserver: HTTPServer, certificates: Any
) -> None:
    tls_httpserver.expect_request("/").respond_with_data("safe")
    client.ca_cert = certificates.ca_file
    assert client.get(tls_httpserver.url_for("/")).text == "safe"


def test_ca_cert_may_be_a_path_or_a_directory(
    client: HttpClient,
    peers: Any,
    server_context: ssl.SSLContext,
    certificates: Any,
    tmp_path: Path,
) -> None:
    peer = peers(context=server_context)
    client.ca_cert = Path(certificates.ca_file)  # type: ignore[assignment]
    assert client.get(peer.url).body == b"ok"
    openssl = shutil.which("openssl")
    assert openssl is not None
    hashed = subprocess.run(
        [openssl, "x509", "-hash", "-noout", "-in", certificates.ca_file],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    shutil.copy(certificates.ca_file, tmp_path / f"{hashed}.0")
    assert client.get(peer.url, ca_cert=tmp_path).body == b"ok"


def test_an_empty_directory_trusts_nobody(
    client: HttpClient, peers: Any, server_context: ssl.SSLContext, tmp_path: Path
) -> None:
    with pytest.raises(CertificateError):
        client.get(peers(context=server_context).url, ca_cert=tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_untrusted_server_is_refused(
    client: HttpClient, peers: Any, server_context: ssl.SSLContext, host: str
) -> None:
    peer = peers(context=server_context)
    with pytest.raises(CertificateError) as caught:
        client.get(f"https://{host}:{peer.port}/")
    assert (caught.value.code, caught.value.code_name) == (60, "E_PEER_FAILED_VERIFICATION")
    assert f"checking the certificate of {host}:{peer.port}: SSL" in str(caught.value)
    assert isinstance(caught.value, TlsError | SocketException | OSError)
    assert peer.requests == []


def test_another_authority_does_not_help(
    client: HttpClient, peers: Any, server_context: ssl.SSLContext, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    with pytest.raises(CertificateError):
        client.get(peers(context=server_context).url, ca_cert=tmp_path / "other.pem")


def test_a_certificate_for_another_host_is_refused(
    client: HttpClient, peers: Any, stranger: ssl.SSLContext, certificates: Any
) -> None:
    client.ca_cert = certificates.ca_file
    with pytest.raises(HostnameMismatch, match=r"127\.0\.0\.1"):
        client.get(peers(context=stranger).url)


@ignores_the_warning
@pytest.mark.parametrize(
    ("host_check", "chain_check", "server", "outcome"),
    [
        (False, False, "good", CertificateError),
        (True, False, "good", CertificateError),
        (False, True, "good", None),
        (True, True, "good", None),
        (False, True, "stranger", HostnameMismatch),
        (True, True, "stranger", None),
    ],
)
def test_what_is_skipped_and_what_is_not(
    client: HttpClient, peers: Any, server_context: ssl.SSLContext, stranger: ssl.SSLContext,
    host_check: bool, chain_check: bool, server: str, outcome: type[Exception] | None,
) -> None:  # fmt: skip
    peer = peers(context=server_context if server == "good" else stranger)
    client.skip_hostname_verification = host_check
    client.skip_peer_verification = chain_check
    if outcome is None:
        assert client.get(peer.url).body == b"ok"
    else:
        with pytest.raises(outcome):
            client.get(peer.url)


@ignores_the_warning
def test_skipping_the_host_name_leaves_the_chain_checked(
    client: HttpClient, peers: Any, stranger: ssl.SSLContext, certificates: Any
) -> None:
    peer = peers(context=stranger)
    arguments = {"ca_cert": certificates.ca_file, "skip_hostname_verification": True}
    assert client.get(peer.url, **arguments).body == b"ok"


@ignores_the_warning
def test_what_one_call_skips_the_next_does_not(
    client: HttpClient, peers: Any, server_context: ssl.SSLContext
) -> None:
    peer = peers(context=server_context)
    assert client.get(peer.url, skip_peer_verification=True).body == b"ok"
    with pytest.raises(CertificateError):
        client.get(peer.url)


def test_a_ca_file_that_is_not_there_is_told_before_a_request(
    client: HttpClient, peers: Any, tmp_path: Path
) -> None:
    peer = peers()
    client.ca_cert = str(tmp_path / "none.pem")
    with pytest.raises(CertificateFileError, match="does not exist"):
        client.get(peer.url)
    assert peer.connections == 0


def test_a_ca_file_without_certificates_is_told(
    client: HttpClient, peers: Any, server_context: ssl.SSLContext, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(CertificateFileError) as caught:
        client.get(peers(context=server_context).url, ca_cert=tmp_path / "empty.pem")
    assert caught.value.code == 77


def test_a_server_without_tls_is_told(client: HttpClient, peers: Any) -> None:
    peer = peers.raw(lambda connection: connection.send(b"HTTP/1.0 400 plain\r\n\r\n"))
    with pytest.raises(TlsError) as caught:
        client.get(f"https://127.0.0.1:{peer.port}/")
    assert type(caught.value) is TlsError


def test_without_a_system_bundle_certifi_is_trusted(tmp_path: Path) -> None:
    assert first_bundle([str(tmp_path / "none")]).endswith("certifi/cacert.pem")
    (tmp_path / "bundle").touch()
    assert first_bundle([str(tmp_path / "none"), str(tmp_path / "bundle")]).endswith("bundle")
    assert Path(first_bundle(SYSTEM_BUNDLES)).is_file()
