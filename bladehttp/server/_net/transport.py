"""Plain and TLS connections behind the same calls.

None of them blocks. An OSError from any of them, ssl.SSLError included, means that the connection
is lost.
"""

import errno
import os
import socket
import ssl
from abc import ABC, abstractmethod
from io import FileIO
from typing import Any, Protocol

from bladehttp._message.file_body import end_of_file, read_at
from bladehttp._wire.proxy import ProxyReader

RECEIVE = 64 * 1024
"""Bytes received at a time: four times as much takes three times as long per call."""

RECORDS = 256 * 1024
"""Bytes encrypted at a time: the memory TLS adds to a response."""

NO_SENDFILE = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})
"""Errors of sendfile for files of file systems that do not support it."""

HANDSHAKE_RECORD = 0x16
"""First byte of every TLS connection: a record of type handshake (RFC 8446 section 5.1)."""


class PlainHttpError(Exception):
    """Plain text was received on a TLS port."""


Socket = socket.socket  # the class under a name that no attribute has


class Transport(Protocol):
    """Moves bytes between a connection and its socket.

    Attributes:
        socket: The socket.
        ended: The client will send nothing more.
        progressed: Bytes were moved since this was last set to False.
        blocked: Bytes are buffered in the transport until the socket takes them.
    """

    socket: Socket
    ended: bool
    progressed: bool

    @property
    def blocked(self) -> bool: ...

    @property
    def waiting(self) -> int:
        """Bytes buffered in the transport."""
        raise NotImplementedError

    def handshake(self) -> bool:
        """Continue the handshake; True when it is complete."""
        raise NotImplementedError

    def certificate(self) -> dict[str, Any] | None:
        """Return the client's verified certificate, None if there is none."""

    def receive(self) -> bytes:
        """Return received bytes, b"" if there are none; ``ended`` tells whether more may come."""
        raise NotImplementedError

    def send(self, data: bytes | memoryview) -> int:
        """Send as much as the socket takes now and return the number of bytes taken."""
        raise NotImplementedError

    def send_file(self, file: FileIO, offset: int, count: int) -> int:
        """Send at most ``count`` bytes of a file, as `send`.

        Raises:
            EOFError: The file is shorter.
        """
        raise NotImplementedError

    def flush(self) -> None:
        """Send the buffered bytes."""

    def finish(self) -> None:
        """Signal the end of the data; if ``blocked`` afterwards, call it again."""

    def discard(self) -> int:
        """Discard received bytes and return their number."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the socket; TLS sends close_notify."""


class SocketTransport(ABC):
    """Common part of the plain and the TLS transport."""

    __slots__ = ("blocked", "ended", "progressed", "socket")

    @abstractmethod
    def send(self, data: bytes | memoryview) -> int: ...

    def __init__(self, sock: Socket) -> None:
        self.socket = sock
        self.blocked = False
        self.ended = False
        self.progressed = False

    def certificate(self) -> dict[str, Any] | None:
        """Return None: there is no handshake."""
        return None

    def send_file(self, file: FileIO, offset: int, count: int) -> int:
        """Send at most ``count`` bytes of a file, by reading them."""
        return 0 if self.blocked else self.send(read_at(file, offset, min(count, RECORDS)))

    def discard(self) -> int:
        """Discard received bytes, undecrypted, and return their number."""
        try:
            count = len(self.socket.recv(RECEIVE))
        except BlockingIOError:
            return 0
        self.ended = not count
        self.progressed = True
        return count

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


class PlainTransport(SocketTransport):
    """A plain socket."""

    __slots__ = ()
    waiting = 0

    def handshake(self) -> bool:
        return True

    def receive(self) -> bytes:
        try:
            data = self.socket.recv(RECEIVE)
        except BlockingIOError:
            return b""
        self.ended = not data
        self.progressed = True
        return data

    def send(self, data: bytes | memoryview) -> int:
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            return 0
        self.progressed = True
        return sent

    if hasattr(os, "sendfile"):

        def send_file(self, file: FileIO, offset: int, count: int) -> int:
            """Send at most ``count`` bytes of a file by sendfile."""
            try:
                sent = os.sendfile(self.socket.fileno(), file.fileno(), offset, count)
            except BlockingIOError:
                return 0
            except OSError as error:
                if error.errno in NO_SENDFILE:
                    return super().send_file(file, offset, count)
                raise
            if not sent:
                raise end_of_file(offset)
            self.progressed = True
            return sent

    def flush(self) -> None:
        pass

    def finish(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)


class TlsTransport(SocketTransport):
    """TLS over a socket, through memory BIOs.

    An SSLSocket can hold decrypted bytes while its descriptor is not readable; here all received
    bytes are decrypted at once, and unsent bytes are counted.
    """

    __slots__ = ("_incoming", "_outgoing", "_started", "_tls", "_unsent")

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(sock)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._unsent = b""
        self._started = False

    @property
    def waiting(self) -> int:
        """Encrypted bytes the kernel has not taken yet."""
        return len(self._unsent) + self._outgoing.pending

    def certificate(self) -> dict[str, Any] | None:
        """Return the client's verified certificate, None if there is none."""
        return self._tls.getpeercert()

    def handshake(self) -> bool:
        """Continue the handshake; True when it is complete.

        Raises:
            PlainHttpError: The client speaks plain text.
            OSError: The handshake failed.
        """
        self._fill()
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            if self.ended:
                raise ConnectionResetError("the client left during the handshake") from None
            return False
        finally:
            self.flush()  # an alert, too
        return True

    def receive(self) -> bytes:
        self._fill()
        chunks = []
        try:
            while data := self._tls.read(RECEIVE):
                chunks.append(data)
                if not (self._incoming.pending or self._tls.pending()):
                    break  # spares an SSLWantReadError
            else:
                self.ended = True  # close_notify
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        if self._outgoing.pending:  # an alert, a new key
            self.flush()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def send(self, data: bytes | memoryview) -> int:
        if self.blocked:
            self.flush()
            if self.blocked:
                return 0
        taken = self._tls.write(data if len(data) <= RECORDS else data[:RECORDS])
        self.flush()
        return taken

    def flush(self) -> None:
        while data := self._unsent or self._outgoing.read():
            try:
                taken = self.socket.send(data)
                self.progressed = True
            except BlockingIOError:
                taken = 0
            self._unsent = data[taken:]
            self.blocked = taken < len(data)
            if self.blocked or not self._outgoing.pending:
                return

    def finish(self) -> None:
        self._notify()
        if not self.blocked:
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket, with close_notify if the socket takes it now."""
        try:
            self._notify()
        except OSError:
            pass  # the client left
        super().close()

    def _notify(self) -> None:
        try:
            self._tls.unwrap()  # puts close_notify into the outgoing BIO
        except ssl.SSLError:
            pass  # wants the client's, too, which need not be awaited (RFC 8446 section 6.1)
        self.flush()

    def _fill(self) -> None:
        try:
            data = self.socket.recv(RECEIVE)
        except BlockingIOError:
            return
        if not self._started and data:
            self._started = True
            if data[0] != HANDSHAKE_RECORD and data[:1].isalpha():
                raise PlainHttpError
        self.progressed = True
        if data:
            self._incoming.write(data)
        else:
            self.ended = True


def receive_proxy_header(sock: Socket, reader: ProxyReader) -> bool:
    """Receive a PROXY header, and no byte beyond it.

    Returns:
        Whether it is complete; False: more has to arrive.

    Raises:
        ProtocolError: It is malformed.
        OSError: The connection is lost, or has ended.
    """
    while reader.wanted:
        try:
            data = sock.recv(reader.wanted)
        except BlockingIOError:
            return False
        if not data:
            raise ConnectionResetError("proxy left within its PROXY header")
        reader.feed(data)
    return True
