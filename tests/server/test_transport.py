"""The transports by themselves, over a pair of sockets that can be filled."""

import socket
import ssl
from collections.abc import Iterator
from io import FileIO

import pytest

from bladehttp.server._net.tls import CertificateFiles, server_context
from bladehttp.server._net.transport import RECORDS, PlainHttpError, PlainTransport, TlsTransport


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(10)
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def context(certificates):
    files = CertificateFiles(certificates.cert_file, certificates.key_file)
    return server_context(files, verify_certs=False, client_ca=None)


class Peer:
    """A TLS client over the other end of a pair."""

    def __init__(self, sock, certificates):
        self.socket = sock
        self.into, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = certificates.client_context().wrap_bio(
            self.into, self.out, server_hostname="localhost"
        )

    def shake(self, transport):
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.socket.sendall(self.out.read())
                if transport.handshake():
                    return
                self.into.write(self.socket.recv(65536))
            else:
                self.socket.sendall(self.out.read())
                assert transport.handshake()
                return


def fill(sock):
    """Send until the socket takes nothing more; return how much that was."""
    sent = 0
    try:
        while True:
            sent += sock.send(b"\0" * 65536)
    except BlockingIOError:
        return sent


def test_plain_receive_says_nothing_or_the_end(pair):
    ours, theirs = pair
    transport = PlainTransport(ours)
    assert (transport.receive(), transport.ended) == (b"", False)
    assert transport.discard() == 0
    theirs.send(b"data")
    assert transport.receive() == b"data"
    theirs.close()
    assert (transport.receive(), transport.ended) == (b"", True)


def test_plain_send_takes_nothing_when_the_socket_is_full(pair):
    ours, _ = pair
    fill(ours)
    assert PlainTransport(ours).send(b"x") == 0


def test_plain_has_no_handshake_and_nothing_to_flush(pair):
    transport = PlainTransport(pair[0])
    assert transport.handshake()
    assert transport.certificate() is None
    assert transport.flush() is None
    assert not transport.blocked


def test_tls_waits_for_the_handshake_byte_by_byte(pair, context, certificates):
    ours, theirs = pair
    transport = TlsTransport(ours, context)
    assert transport.handshake() is False
    peer = Peer(theirs, certificates)
    peer.shake(transport)
    peer.tls.write(b"data")
    theirs.sendall(peer.out.read())
    assert transport.receive() == b"data"
    assert transport.receive() == b""


def test_tls_tells_plain_text(pair, context):
    ours, theirs = pair
    theirs.send(b"GET")
    with pytest.raises(PlainHttpError):
        TlsTransport(ours, context).handshake()


@pytest.mark.parametrize("data", [b"", b"\x16\x03"])
def test_tls_tells_a_client_that_leaves(pair, context, data):
    ours, theirs = pair
    theirs.send(data)
    theirs.close()
    transport = TlsTransport(ours, context)
    if data:
        assert transport.handshake() is False
    with pytest.raises(ConnectionResetError):
        transport.handshake()


def test_tls_keeps_what_the_socket_does_not_take(pair, context, certificates):
    ours, theirs = pair
    transport = TlsTransport(ours, context)
    peer = Peer(theirs, certificates)
    peer.shake(transport)
    peer.into.write(theirs.recv(65536))  # session tickets
    taken = fill(ours)
    assert transport.send(b"secret") == 6  # encrypted, and kept
    assert transport.blocked
    assert transport.send(b"more") == 0
    rest = b""
    while len(rest) < taken:
        rest += theirs.recv(65536)
    assert transport.blocked
    transport.flush()
    assert not transport.blocked
    peer.into.write(theirs.recv(65536))
    assert peer.tls.read(100) == b"secret"


def test_tls_discards_without_decrypting(pair, context, certificates):
    ours, theirs = pair
    transport = TlsTransport(ours, context)
    Peer(theirs, certificates).shake(transport)
    theirs.send(b"no record at all")
    assert transport.discard() == 16


def test_tls_sees_a_broken_record(pair, context, certificates):
    ours, theirs = pair
    transport = TlsTransport(ours, context)
    Peer(theirs, certificates).shake(transport)
    theirs.send(b"\x17\x03\x03\0\x05wrong")
    with pytest.raises(ssl.SSLError):
        transport.receive()


def test_tls_close_after_the_client_has_gone(pair, context, certificates):
    ours, theirs = pair
    transport = TlsTransport(ours, context)
    Peer(theirs, certificates).shake(transport)
    theirs.close()
    transport.close()
    assert ours.fileno() < 0


@pytest.fixture
def file(tmp_path) -> Iterator[FileIO]:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 4096)
    with FileIO(tmp_path / "file") as opened:
        yield opened


def test_plain_lets_the_system_send_a_file(pair, file):
    ours, theirs = pair
    transport = PlainTransport(ours)
    assert transport.send_file(file, 250, 10) == 10
    assert theirs.recv(100) == bytes(range(250, 256)) + bytes(range(4))
    assert transport.progressed
    assert file.tell() == 0  # it was not read


def test_plain_sends_of_a_file_what_the_socket_takes(pair, file):
    ours, _ = pair
    transport = PlainTransport(ours)
    sent = transport.send_file(file, 0, 1 << 20)
    assert 0 < sent < 1 << 20
    fill(ours)
    transport.progressed = False
    assert transport.send_file(file, sent, 1 << 20) == 0
    assert not transport.progressed


def test_plain_reads_a_file_that_the_system_does_not_send(pair):
    ours, theirs = pair
    with FileIO("/proc/self/maps") as file:  # sendfile: EINVAL
        assert PlainTransport(ours).send_file(file, 0, 100) == 100
        assert file.tell() > 0
    assert len(theirs.recv(1000)) == 100


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_file_that_ends_before_is_told(pair, file, context, certificates, secure):
    ours, theirs = pair
    transport = TlsTransport(ours, context) if secure else PlainTransport(ours)
    if secure:
        Peer(theirs, certificates).shake(transport)
    with pytest.raises(EOFError, match="shorter than 1048577 bytes"):
        transport.send_file(file, 1 << 20, 1)


def test_a_lost_connection_is_told_while_a_file_is_sent(pair, file):
    ours, theirs = pair
    theirs.close()
    with pytest.raises(BrokenPipeError):
        PlainTransport(ours).send_file(file, 0, 10)


def test_tls_reads_a_file_in_blocks_and_nothing_while_it_is_blocked(
    pair, file, context, certificates
):
    ours, theirs = pair
    transport = TlsTransport(ours, context)
    Peer(theirs, certificates).shake(transport)
    sent = 0
    while not transport.blocked:
        taken = transport.send_file(file, sent % (1 << 19), 1 << 20)
        assert taken == RECORDS
        sent += taken
    assert file.tell() > 0
    assert transport.send_file(file, 0, 1 << 20) == 0
