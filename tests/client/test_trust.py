"""Whom to trust: the matrix of certificates, who decides, and what a failure says."""

import base64
import copy
import hashlib
import os
import pickle
import shutil
import ssl
import subprocess
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pycurl
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from proxies import HttpProxy

import bladehttp
from bladehttp import InsecureWarning
from bladehttp.client import HttpClient
from bladehttp.client._config.tls import client_cert_options, default_bundle, trust_options
from bladehttp.exceptions import (
    CertificateError,
    CertificateFileError,
    HostnameMismatch,
    HttpException,
    TlsError,
)

ENVIRONMENT = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
FILE_NAME = ("utf-8", "surrogateescape")
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


def context_of(certificate: trustme.LeafCert, chain: bool = True) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if chain:
        certificate.configure_cert(context)
    else:
        pem = certificate.private_key_pem.bytes() + certificate.cert_chain_pems[0].bytes()
        with trustme.Blob(pem).tempfile() as path:
            context.load_cert_chain(path)
    return context


def self_signed() -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.test")])
    hosts = x509.SubjectAlternativeName([x509.DNSName("a.test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - DAY, NOW + DAY)
    certificate = builder.add_extension(hosts, False).sign(key, hashes.SHA256())
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    pem += key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with trustme.Blob(pem).tempfile() as path:
        context.load_cert_chain(path)
    return context


Issue = Callable[[trustme.CA], ssl.SSLContext]

MATRIX: dict[str, tuple[Issue, str, type[Exception] | None, str]] = {
    "good": (lambda ca: context_of(ca.issue_cert("a.test")), "a.test", None, ""),
    "via intermediate": (
        lambda ca: context_of(ca.create_child_ca().issue_cert("a.test")), "a.test", None, ""),
    "wildcard": (lambda ca: context_of(ca.issue_cert("*.a.test")), "b.a.test", None, ""),
    "wildcard, two levels": (
        lambda ca: context_of(ca.issue_cert("*.a.test")), "c.b.a.test", HostnameMismatch,
        r"expected a certificate for 'c\.b\.a\.test'.* presented: .* for \*\.a\.test"),
    "wildcard, no level": (
        lambda ca: context_of(ca.issue_cert("*.a.test")), "a.test", HostnameMismatch,
        "no alternative"),
    "wrong host": (
        lambda ca: context_of(ca.issue_cert("a.test", "1.2.3.4")), "b.test", HostnameMismatch,
        r"expected a certificate for 'b\.test'.* for a\.test, 1\.2\.3\.4, issued by '.*trustme"),
    "expired": (
        lambda ca: context_of(
            ca.issue_cert("a.test", not_before=NOW - 3 * DAY, not_after=NOW - DAY)),
        "a.test", CertificateError, rf"expired.* to {NOW - DAY:%Y-%m-%d}, 1 in the chain"),
    "not yet valid": (
        lambda ca: context_of(
            ca.issue_cert("a.test", not_before=NOW + DAY, not_after=NOW + 3 * DAY)),
        "a.test", CertificateError, rf"not yet valid.* from {NOW + DAY:%Y-%m-%d}"),
    "self-signed": (lambda _: self_signed(), "a.test", CertificateError, "self-signed"),
    "untrusted root": (
        lambda _: context_of(trustme.CA().issue_cert("a.test")), "a.test", CertificateError,
        r"local issuer.* issued by a CA in '.*ca\.pem'; presented: '.*' for a\.test"),
    "missing intermediate": (
        lambda ca: context_of(ca.create_child_ca().issue_cert("a.test"), chain=False), "a.test",
        CertificateError, "local issuer.* 1 in the chain"),
}  # fmt: skip


@pytest.mark.parametrize("case", MATRIX)
def test_a_certificate_is_judged(peers: Any, certificates: Any, case: str) -> None:
    issue, host, error, said = MATRIX[case]
    peer = peers(context=issue(certificates.authority))
    to_here = {f"{host}:{peer.port}": "127.0.0.1"}
    with HttpClient(ca_cert=certificates.ca_file, resolve=to_here) as client:
        if error is None:
            assert client.get(f"https://{host}:{peer.port}/").body == b"ok"
            return
        with pytest.raises(error, match=said) as caught:
            client.get(f"https://{host}:{peer.port}/")
    assert type(caught.value) is error
    assert f"{host}:{peer.port}" in str(caught.value)
    assert peer.requests == []


@pytest.fixture
def server(peers: Any, server_context: ssl.SSLContext) -> Any:
    return peers(context=server_context)


@pytest.fixture
def other_file(tmp_path: Path) -> str:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    return str(tmp_path / "other.pem")


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environment_names_a_bundle(
    client: HttpClient, server: Any, certificates: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with pytest.raises(CertificateError):
        client.get(server.url)
    monkeypatch.setenv(name, certificates.ca_file)
    assert client.get(server.url).body == b"ok"
    monkeypatch.setenv(name, "")
    with pytest.raises(CertificateError):
        client.get(server.url)


def test_the_environment_names_hashed_directories(
    client: HttpClient, server: Any, certificates: Any, other_file: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    openssl = shutil.which("openssl")
    assert openssl is not None
    ours, others = tmp_path / "ours", tmp_path / "others"
    for directory, files in ((ours, [certificates.ca_file, other_file]), (others, [other_file])):
        directory.mkdir()
        for file in files:
            shutil.copy(file, directory)
        subprocess.run([openssl, "rehash", directory], check=True, timeout=30)
    monkeypatch.setenv("SSL_CERT_DIR", str(ours))
    assert client.get(server.url).body == b"ok"
    monkeypatch.setenv("SSL_CERT_DIR", str(others))
    with pytest.raises(CertificateError):
        client.get(server.url)
    monkeypatch.setenv("SSL_CERT_DIR", f"{others}:{ours}")  # a list, as OpenSSL has it
    assert client.get(server.url).body == b"ok"
    monkeypatch.setenv("SSL_CERT_DIR", str(others))
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca_file)  # both are trusted
    assert client.get(server.url).body == b"ok"


@pytest.mark.parametrize("place", range(3))
def test_of_the_variables_the_first_wins(
    client: HttpClient, server: Any, certificates: Any, other_file: str,
    monkeypatch: pytest.MonkeyPatch, place: int,
) -> None:  # fmt: skip
    names = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"][place:]
    monkeypatch.setenv(names[0], certificates.ca_file)
    for name in names[1:]:
        monkeypatch.setenv(name, other_file)
    assert client.get(server.url).body == b"ok"
    monkeypatch.setenv(names[0], other_file)
    for name in names[1:]:
        monkeypatch.setenv(name, certificates.ca_file)
    with pytest.raises(CertificateError):
        client.get(server.url)


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_what_is_explicit_beats_the_environment(
    client: HttpClient, server: Any, certificates: Any, other_file: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, name: str,
) -> None:  # fmt: skip
    monkeypatch.setenv(name, str(tmp_path / "not there"))
    assert client.get(server.url, ca_cert=certificates.ca_file).body == b"ok"
    client.ca_cert = certificates.ca_file
    assert client.get(server.url).body == b"ok"
    monkeypatch.setenv(name, certificates.ca_file)
    client.ca_cert = other_file
    with pytest.raises(CertificateError):
        client.get(server.url)
    assert client.get(server.url, ca_cert=certificates.ca_file).body == b"ok"


def test_without_trust_env_the_environment_says_nothing(
    client: HttpClient, server: Any, certificates: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca_file)
    assert client.get(server.url).body == b"ok"
    with pytest.raises(CertificateError):
        client.get(server.url, trust_env=False)
    client.trust_env = False
    with pytest.raises(CertificateError):
        client.get(server.url)


def test_an_authority_given_for_one_call_is_trusted_in_that_call_only(
    client: HttpClient, server: Any, certificates: Any
) -> None:
    for _ in range(2):  # a connection and a TLS session are there to be taken up
        assert client.get(server.url, ca_cert=certificates.ca_file).body == b"ok"
        with pytest.raises(CertificateError):
            client.get(server.url)


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_path_of_the_environment_that_is_not_there_is_told_before_a_request(
    client: HttpClient, server: Any, peers: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "/not/there")
    with pytest.raises(CertificateFileError, match=f"{name} '/not/there' does not exist"):
        client.get(server.url)
    assert server.connections == 0
    assert client.get(peers().url).body == b"ok"  # no TLS, no need


def test_files_and_directories_are_told_apart(
    client: HttpClient, server: Any, certificates: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path))
    with pytest.raises(CertificateFileError, match="is a directory, expected a file"):
        client.get(server.url)
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", certificates.ca_file)
    with pytest.raises(CertificateFileError, match="is a file, expected a directory"):
        client.get(server.url)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(CertificateError):  # it is empty
        client.get(server.url)
    monkeypatch.setenv("SSL_CERT_FILE", certificates.ca_file)
    assert client.get(server.url).body == b"ok"
    with pytest.raises(CertificateFileError, match=r"client_cert .* is a directory"):
        client.get(server.url, client_cert=tmp_path)


@pytest.mark.parametrize("name", ["skip_peer_verification", "skip_hostname_verification"])
def test_skipping_warns_where_it_is_said_and_once_there(client: HttpClient, name: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        setattr(client, name, True)
        HttpClient(**{name: True})
        with pytest.raises(bladehttp.InvalidUrl):
            bladehttp.get("relative", **{name: True})
    assert [(each.category, each.filename) for each in caught] == [(InsecureWarning, __file__)] * 3
    assert str(caught[0].message).startswith(f"{name} is on: ")
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        for value in (True, False, True):
            setattr(client, name, value)
        copy.copy(client)
        pickle.loads(pickle.dumps(client))
    assert len(shown) == 1


def versions(context: ssl.SSLContext, low: Any, high: Any) -> ssl.SSLContext:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 1.1 is what is tested
        context.minimum_version, context.maximum_version = low, high
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


@pytest.mark.parametrize(
    ("spoken", "minimum", "works"),
    [("TLSv1_3", "1.3", True), ("TLSv1_2", "1.3", False), ("TLSv1_2", "1.2", True),
     ("TLSv1_2", "1.0", True), ("TLSv1_3", "1.1", True), ("TLSv1_1", None, False)],
)  # fmt: skip
def test_min_tls_is_the_oldest_version_spoken(
    client: HttpClient, peers: Any, certificates: Any, spoken: str, minimum: str, works: bool
) -> None:
    version = ssl.TLSVersion[spoken]
    context = versions(context_of(certificates.authority.issue_cert("127.0.0.1")), version, version)
    peer = peers(context=context)
    client.ca_cert = certificates.ca_file
    if minimum is not None:
        client.min_tls = minimum
    if works:
        assert client.get(peer.url).body == b"ok"
    else:
        with pytest.raises(TlsError, match="securing the connection") as caught:
            client.get(peer.url)
        assert type(caught.value) is TlsError


def test_min_tls_is_for_a_proxy_too(client: HttpClient, peers: Any, certificates: Any) -> None:
    version = ssl.TLSVersion.TLSv1_2
    context = versions(context_of(certificates.authority.issue_cert("127.0.0.1")), version, version)
    client.proxy, client.ca_cert = peers.raw(HttpProxy(), context).url, certificates.ca_file
    assert client.get("http://a.test/").body == b"via proxy"
    with pytest.raises(HttpException, match="securing the connection"):
        client.get("http://a.test/", min_tls="1.3")


def test_authorities_replace_the_others_for_servers_and_proxies(tmp_path: Path) -> None:
    def options(file: object, directory: object) -> dict[int, object]:
        return {
            pycurl.CAINFO: file, pycurl.PROXY_CAINFO: file,
            pycurl.CAPATH: directory, pycurl.PROXY_CAPATH: directory,
        }  # fmt: skip

    bundle, folder = default_bundle(), str(tmp_path)
    assert dict(trust_options(None)) == options(bundle.encode(), None)
    assert dict(trust_options("file.pem")) == options(b"file.pem", None)
    assert dict(trust_options(folder)) == options(None, folder.encode())


def test_a_key_never_asks_for_its_password() -> None:
    assert dict(client_cert_options(("it.pem",)))[pycurl.KEYPASSWD] == b""  # else OpenSSL would


@pytest.fixture
def demanding(server_context: ssl.SSLContext, certificates: Any) -> ssl.SSLContext:
    """The TLS side of a server that wants a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.cert_file, certificates.key_file)
    context.load_verify_locations(certificates.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_a_client_certificate_is_shown(
    client: HttpClient, peers: Any, demanding: ssl.SSLContext, certificates: Any, tmp_path: Path
) -> None:
    certificate, key = certificates.issue("me", "me@a.test")
    client.ca_cert = certificates.ca_file
    peer = peers(context=demanding)
    with pytest.raises(bladehttp.SocketException):  # its alert may be lost to its reset
        client.get(peer.url)
    assert client.get(peer.url, client_cert=(certificate, key)).body == b"ok"
    with pytest.raises(bladehttp.SocketException):  # it was for the one call
        client.get(peer.url)
    both = tmp_path / "both.pem"
    both.write_bytes(Path(certificate).read_bytes() + Path(key).read_bytes())
    client.client_cert = both  # type: ignore[assignment]
    assert client.get(peer.url).body == b"ok"
    assert client.client_cert == (str(both),)


def test_a_key_with_a_password(
    client: HttpClient, peers: Any, demanding: ssl.SSLContext, certificates: Any, tmp_path: Path
) -> None:
    certificate, key = certificates.issue("me2", "me@a.test")
    private = serialization.load_pem_private_key(Path(key).read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hush"),
        )
    )  # fmt: skip
    client.ca_cert = certificates.ca_file
    url = peers(context=demanding).url
    assert client.get(url, client_cert=(certificate, locked, "hush")).body == b"ok"
    both = tmp_path / "both.pem"
    both.write_bytes(Path(certificate).read_bytes() + locked.read_bytes())
    assert client.get(url, client_cert=(both, None, "hush")).body == b"ok"
    for wrong, said in (  # nobody is asked
        ((certificate, locked, "no"), "password may not be that of"),
        ((certificate, locked), r"its password: client_cert=\(certificate, key, password\)"),
        (both, r"its password: client_cert=\(certificate, None, password\)"),
        (certificate, "there is no private key in"),
        ((certificates.cert_file, key), "may not be the certificate's"),
    ):
        with pytest.raises(CertificateFileError, match=said):
            client.get(url, client_cert=wrong)


@pytest.mark.parametrize("suffix", [".p12", ".pfx", ".P12"])
def test_a_client_certificate_in_pkcs12(
    client: HttpClient, peers: Any, demanding: ssl.SSLContext, certificates: Any, tmp_path: Path,
    suffix: str,
) -> None:  # fmt: skip
    certificate, key = (Path(path).read_bytes() for path in certificates.issue("me4", "me@a.test"))
    parts = (
        b"me",
        serialization.load_pem_private_key(key, None),
        x509.load_pem_x509_certificate(certificate),
        None,
    )
    bundle, plain = tmp_path / f"me{suffix}", tmp_path / f"plain{suffix}"
    hush, none = serialization.BestAvailableEncryption(b"hush"), serialization.NoEncryption()
    bundle.write_bytes(pkcs12.serialize_key_and_certificates(*parts, hush))
    plain.write_bytes(pkcs12.serialize_key_and_certificates(*parts, none))
    client.ca_cert = certificates.ca_file
    url = peers(context=demanding).url
    assert client.get(url, client_cert=(bundle, None, "hush")).body == b"ok"
    assert client.get(url, client_cert=(bundle, bundle, "hush")).body == b"ok"
    assert client.get(url, client_cert=plain).body == b"ok"
    for wrong in (bundle, (bundle, None, "no")):
        with pytest.raises(CertificateFileError, match="password"):
            client.get(url, client_cert=wrong)


@pytest.mark.parametrize("name", ["jos\xe9", os.fsdecode(b"jos\xe9")], ids=["utf-8", "latin-1"])
def test_every_path_may_have_any_name(
    client: HttpClient, peers: Any, demanding: ssl.SSLContext, certificates: Any, tmp_path: Path,
    name: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = tmp_path / name
    folder.mkdir()
    certificate, key = certificates.issue("me5", "me@a.test")
    for source in (certificates.ca_file, certificate, key):
        shutil.copy(source, folder)
    ca = folder / Path(certificates.ca_file).name
    subprocess.run(["openssl", "rehash", str(folder).encode(*FILE_NAME)], check=True)
    (folder / "netrc").write_text("machine 127.0.0.1 login n password p\n")
    peer = peers(context=demanding)
    own = (folder / Path(certificate).name, folder / Path(key).name)
    client.client_cert = own  # type: ignore[assignment]
    netrc = str(folder / "netrc")
    for trusted in (ca, folder):
        response = client.get(
            peer.url, ca_cert=trusted, netrc=netrc, auth_method=bladehttp.Auth.BASIC
        )
        assert response.body == b"ok"
        assert peer.last.get("Authorization") == "Basic bjpw"
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    assert client.get(peer.url).body == b"ok"
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    monkeypatch.delenv("SSL_CERT_FILE")
    assert client.get(peer.url).body == b"ok"
    assert str(folder) in bladehttp.info()["certificate_authorities"]
    with pytest.raises(HostnameMismatch, match="jos"):
        client.get(peers(context=self_signed()).url, ca_cert=ca)


def test_a_cookie_file_may_have_any_name(tmp_path: Path) -> None:
    path = str(tmp_path / os.fsdecode(b"jos\xe9"))
    for _ in range(2):
        with HttpClient(cookie_file=path) as client:
            client.cookies.set("a", "1", "a.test")
    assert len(bladehttp.CookieJar(path)) == 1


def test_a_unix_socket_may_have_any_name(client: HttpClient, tmp_path: Path) -> None:
    path = tmp_path / "jos\xe9"
    with bladehttp.HttpServer(0, host=f"unix:{path}") as server:
        server.on_receive(lambda request, response: response.write("here"))
        assert client.get("http://a.test/", unix_socket=path).text == "here"


def test_a_client_certificate_that_is_not_there_is_told_before_a_request(
    client: HttpClient, server: Any, certificates: Any, tmp_path: Path
) -> None:
    certificate, key = certificates.issue("me3", "me@a.test")
    for given in ((certificate, "/no.key"), ("/no.pem", key), "/no.pem"):
        with pytest.raises(CertificateFileError, match=r"client_cert '/no\.\w+' does not exist"):
            client.get(server.url, client_cert=given)
    assert server.connections == 0


def pin(certificates: Any) -> tuple[str, bytes]:
    certificate = x509.load_pem_x509_certificate(Path(certificates.cert_file).read_bytes())
    key = certificate.public_key()
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"sha256//{base64.b64encode(hashlib.sha256(der).digest()).decode()}", pem


def test_a_pinned_key_is_checked_beside_the_rest(
    client: HttpClient, server: Any, certificates: Any, tmp_path: Path
) -> None:
    right, pem = pin(certificates)
    wrong = f"sha256//{base64.b64encode(bytes(32)).decode()}"
    (tmp_path / "key.pem").write_bytes(pem)
    client.ca_cert = certificates.ca_file
    for good in (right, f"{wrong};{right}", tmp_path / "key.pem"):
        assert client.get(server.url, pinned_key=good).body == b"ok"
    with pytest.raises(TlsError, match=f"pinned.*expected the key '{wrong}'; presented: ") as no:
        client.get(server.url, pinned_key=wrong)
    assert no.value.code_name == "E_SSL_PINNEDPUBKEYNOTMATCH"
    with pytest.raises(CertificateFileError, match=r"pinned_key '/no\.pem' does not exist"):
        client.get(server.url, pinned_key="/no.pem")
    with pytest.raises(CertificateError):
        client.get(server.url, pinned_key=right, ca_cert=None)


def test_a_response_knows_the_certificate_on_every_request(
    client: HttpClient, server: Any, peers: Any, certificates: Any
) -> None:
    client.ca_cert = certificates.ca_file
    for _ in range(2):  # a new connection, and a kept one
        certificate = client.get(server.url).certificate
        assert certificate is not None
        assert certificate["names"] == ["localhost", "127.0.0.1", "0:0:0:0:0:0:0:1"]
        assert certificate["pem"].split() == Path(certificates.cert_file).read_text().split()
        assert certificate["chain"] == [certificate["pem"]]
        assert certificate["not_before"] < NOW < certificate["not_after"]
        assert "trustme" in certificate["subject"]
        assert "Testing CA" in certificate["issuer"]
        assert int(certificate["serial"], 16) > 0
    assert server.connections == 1
    assert client.get(peers().url).certificate is None
    assert bladehttp.HttpResponse().certificate is None
