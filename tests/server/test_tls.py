"""HTTPS: the same server over a TLS transport."""

import contextlib
import http.client
import socket
import ssl
import time
from pathlib import Path

import pytest
import trustme
from support import Raw, wait_until

from bladehttp.exceptions import CertificateFileError
from bladehttp.server import HttpServer


def echo(request, response):
    response.write(request.raw_body or request.scheme)


def test_https_answers(serve, connect):
    client = connect(serve(echo, secure=True))
    assert client.get().response().body == b"https"
    assert client.get().response().body == b"https"


def test_https_answers_http_client(serve, certificates):
    server = serve(echo, secure=True)
    connection = http.client.HTTPSConnection(
        "localhost", server.port, context=certificates.client_context(), timeout=10
    )
    connection.request("POST", "/", b"hello")
    assert connection.getresponse().read() == b"hello"
    connection.close()


def test_large_bodies_go_both_ways(serve, connect):
    server = serve(
        lambda request, response: response.stream([request.body_file.read()]), secure=True
    )
    server.max_body_size = None
    client = connect(server)
    body = bytes(range(256)) * 20_000
    client.send(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n").send(body)
    assert client.response().body == body


def test_a_slow_reader_gets_everything(serve, connect):
    body = b"x" * 20_000_000
    client = connect(serve(lambda request, response: response.write(body), secure=True))
    client.get()
    assert client.response().body == body


def narrow(server, connect):
    """Open a connection that takes few bytes at a time, so that the server has to wait."""
    server.on_connect(lambda client: client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384))
    client = connect(server)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    return client


def slowly(client, seconds, size):
    """Read to the end, in so many seconds if it has that size."""
    received = 0
    while data := client.socket.recv(16384):
        received += len(data)
        time.sleep(seconds * len(data) / size)
    return received


def test_a_slow_reader_gets_the_last_answer_whole(serve, connect):
    server = serve(lambda request, response: response.write(b"x" * 1_000_000), secure=True)
    client = narrow(server, connect).get("/", "Connection: close")
    assert slowly(client, 0.3, 1_000_000) > 1_000_000


def test_a_reader_slower_than_the_write_clock_is_no_stalled_one(serve, connect):
    server = serve(
        lambda request, response: response.write(b"x" * 1_000_000),
        secure=True,
        write_timeout=400,
        keep_alive_timeout=400,
    )
    assert slowly(narrow(server, connect).get(), 2, 1_000_000) > 1_000_000


def test_a_record_slower_than_the_read_clock_is_no_silence(serve, certificates):
    server = serve(lambda request, response: response.write("x"), secure=True, read_timeout=400)
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = certificates.client_context().wrap_bio(into, out, server_hostname="localhost")
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        shake_by_hand(tls, into, out, client)
        tls.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n")
        client.sendall(out.read())
        tls.write(b"x" * 10_000)
        record = out.read()
        for start in range(0, len(record), 2000):
            client.sendall(record[start : start + 2000])
            time.sleep(0.15)
        assert answer_by_hand(tls, into, client).startswith(b"HTTP/1.1 200 ")


def test_a_record_without_end_does_not_keep_an_idle_connection(serve, certificates):
    server = serve(lambda request, response: None, secure=True, keep_alive_timeout=300)
    gone = []
    server.on_disconnect(gone.append)
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = certificates.client_context().wrap_bio(into, out, server_hostname="localhost")
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        shake_by_hand(tls, into, out, client)
        tls.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.sendall(out.read())
        assert answer_by_hand(tls, into, client).startswith(b"HTTP/1.1 200 ")
        tls.write(b"x" * 10_000)
        record = out.read()
        start = time.monotonic()
        with contextlib.suppress(OSError):
            for octet in record:
                client.sendall(bytes([octet]))
                time.sleep(0.05)
                if gone:
                    break
        assert time.monotonic() - start < 2


def shake_by_hand(tls, into, out, client):
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            client.sendall(out.read())
            into.write(client.recv(65536))
        else:
            client.sendall(out.read())
            return


def answer_by_hand(tls, into, client):
    while True:
        try:
            return tls.read(65536)
        except ssl.SSLWantReadError:
            into.write(client.recv(65536))


def test_pipelined_requests_are_answered(serve, connect):
    client = connect(serve(echo, secure=True))
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
    assert [client.response().body for _ in range(50)] == [b"https"] * 50


def test_the_server_says_goodbye_with_close_notify(serve, connect):
    client = connect(serve(echo, secure=True)).get("/", "Connection: close")
    assert client.response().body == b"https"
    assert client.socket.recv(1) == b""  # an SSLEOFError without close_notify


def test_a_client_that_says_goodbye_is_disconnected(serve, connect):
    server = serve(echo, secure=True)
    gone = []
    server.on_disconnect(gone.append)
    client = connect(server).get()
    client.response()
    client.socket.unwrap()
    wait_until(lambda: gone)


def test_plain_http_at_the_tls_port_is_told_so_in_clear(serve):
    server = serve(echo, secure=True)
    called = []
    server.on_connect(called.append)
    server.on_reply(called.append)
    server.on_disconnect(called.append)
    with Raw(server.port) as client:
        response = client.get().response()
        assert (response.status, response.get("Connection")) == (400, "close")
        assert client.at_end()
    assert called == []


def test_garbage_at_the_tls_port_is_disconnected(serve):
    server = serve(echo, secure=True)
    with Raw(server.port) as client:
        client.send(b"\x00\x01\x02\x03" * 100)
        assert b"HTTP" not in client.read_all()
    with Raw(server.port) as client:
        assert client.shut().at_end()


def test_a_client_that_does_not_trust_us_is_no_error(serve):
    server = serve(echo, secure=True)
    errors = []
    server.on_error(lambda error, client: errors.append(error))
    with pytest.raises(ssl.SSLCertVerificationError):
        Raw(server.port, context=ssl.create_default_context())
    assert errors == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(serve, connect, certificates, version):
    context = certificates.client_context()
    context.minimum_version = context.maximum_version = version
    client = connect(serve(echo, secure=True), context)
    assert client.get().response().body == b"https"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused(serve, connect, certificates):
    context = certificates.client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        connect(serve(echo, secure=True), context)


def test_callbacks_see_a_secure_request(serve, connect):
    seen = []
    server = serve(
        lambda request, response: seen.append((request.is_secure, request.scheme)), secure=True
    )
    connect(server).get().response()
    assert seen == [(True, "https")]
    assert server.url.startswith("https://127.0.0.1:")


def test_load_certs_is_for_secure_servers(certificates):
    server = HttpServer(0)
    assert server.load_certs(certificates.cert_file, certificates.key_file) is False
    assert server.cert_file is None


def test_load_certs_takes_files(certificates):
    server = HttpServer(0, is_secure=True)
    with Path(certificates.cert_file).open() as cert, Path(certificates.key_file).open() as key:
        assert server.load_certs(cert, key) is True
    assert (server.cert_file, server.private_key_file) == (
        certificates.cert_file,
        certificates.key_file,
    )


def test_load_certs_takes_paths(certificates):
    server = HttpServer(0, is_secure=True)
    server.load_certs(Path(certificates.cert_file), Path(certificates.key_file))
    assert server.cert_file == certificates.cert_file
    assert server.private_key_file == certificates.key_file


@pytest.mark.parametrize("bad", ["missing", "not-pem", "other-key", "no-key"])
def test_load_certs_says_what_is_wrong(certificates, tmp_path, bad):
    (tmp_path / "text").write_text("no PEM")
    cert, key = certificates.cert_file, certificates.key_file
    arguments = {
        "missing": (str(tmp_path / "missing"), key),
        "not-pem": (str(tmp_path / "text"), key),
        "other-key": (cert, certificates.issue("other", "other")[1]),
        "no-key": (cert, None),
    }[bad]
    with pytest.raises(CertificateFileError, match="cannot use the certificate in"):
        HttpServer(0, is_secure=True).load_certs(*arguments)


def test_the_certificate_properties_are_set_by_load_certs_only():
    with pytest.raises(AttributeError):
        HttpServer(0).cert_file = "x"
    with pytest.raises(AttributeError):
        HttpServer(0).private_key_file = "x"


def test_verify_certs_is_one_of_three(certificates):
    server = HttpServer(0, is_secure=True)
    server.verify_certs = "maybe"
    with pytest.raises(ValueError, match="verify_certs is False, True or 'required'"):
        server.load_certs(certificates.cert_file, certificates.key_file)


def test_a_certificate_is_replaced_while_the_server_runs(serve, connect, certificates):
    server = serve(echo, secure=True)
    before = connect(server)
    serial = before.socket.getpeercert()["serialNumber"]
    assert server.load_certs(*certificates.issue("second", "localhost"))
    after = connect(server)
    assert after.socket.getpeercert()["serialNumber"] != serial
    assert before.get().response().status == after.get().response().status == 200


@pytest.mark.parametrize(
    ("mode", "shown", "accepted"),
    [
        (False, None, True),
        (True, None, True),
        (True, "good", True),
        (True, "stranger", False),
        ("required", None, False),
        ("required", "good", True),
        ("required", "stranger", False),
    ],
)
def test_client_certificates(serve, connect, certificates, mode, shown, accepted):
    server = HttpServer(0, is_secure=True)
    server.verify_certs = mode
    server.client_ca_file = certificates.ca_file
    server.load_certs(certificates.cert_file, certificates.key_file)
    server.on_receive(echo)
    chain = None
    if shown == "good":
        chain = certificates.issue("client", "client@example.com")
    context = certificates.client_context(chain)
    if shown == "stranger":
        trustme.CA().issue_cert("evil@example.com").configure_cert(context)
    with server:
        try:
            with Raw(server.port, context=context) as client:
                answered = client.get().response().body
        except (ssl.SSLError, ConnectionError):
            answered = None
    assert (answered == b"https") is accepted


def test_a_handshake_may_arrive_byte_by_byte(serve, certificates):
    server = serve(echo, secure=True)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = certificates.client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection((server.host, server.port), timeout=10) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def step(call):
            while True:
                try:
                    return call()
                except ssl.SSLWantReadError:
                    for byte in outgoing.read():
                        raw.sendall(bytes([byte]))
                    incoming.write(raw.recv(65536))

        step(tls.do_handshake)
        tls.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert step(lambda: tls.read(100)).startswith(b"HTTP/1.1 200 OK")


def test_each_host_has_its_certificate(serve, certificates):
    server = serve(echo, secure=True)
    server.load_certs(*certificates.issue("one", "one.example"), hostname="One.example")
    server.load_certs(*certificates.issue("wild", "*.wild.example"), hostname="*.wild.example")

    def name_shown(asked):
        with socket.create_connection((server.host, server.port), timeout=10) as raw:
            context = certificates.client_context()
            context.check_hostname = False
            with context.wrap_socket(raw, server_hostname=asked) as client:
                return client.getpeercert()["subjectAltName"][0][1]

    assert [
        name_shown(asked)
        for asked in ("one.example", "a.wild.example", "a.b.wild.example", "localhost", None)
    ] == ["one.example", "*.wild.example", "localhost", "localhost", "localhost"]


def test_a_request_has_the_certificate_its_client_showed(serve, certificates):
    server = HttpServer(0, is_secure=True)
    server.verify_certs = True
    server.client_ca_file = certificates.ca_file
    server.load_certs(certificates.cert_file, certificates.key_file)
    seen = []
    server.on_receive(lambda request, response: seen.append(request.client_certificate))
    with server:
        for chain in (certificates.issue("client", "client@example.com"), None):
            with Raw(server.port, context=certificates.client_context(chain)) as client:
                assert client.get().response().status == 200
    assert seen[0]["subjectAltName"] == (("email", "client@example.com"),)
    assert seen[1] is None
