"""Proxies for tests: handlers for `Peers.raw` that forward, tunnel, or speak SOCKS5."""

import select
import socket
import struct
from typing import Any

PATIENCE = 10


def tunnel(client: socket.socket, port: int) -> None:
    """Carry bytes both ways until both sides have ended; the client may speak TLS to us."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as server:
        other = {client: server, server: client}
        open_ones = [client, server]
        while open_ones:
            buffered = client in open_ones and getattr(client, "pending", int)()
            ready = [client] if buffered else select.select(open_ones, [], [], PATIENCE)[0]
            if not ready:
                return
            for source in ready:
                if data := source.recv(65536):
                    other[source].sendall(data)
                else:
                    open_ones.remove(source)
                    other[source].shutdown(socket.SHUT_WR)


class HttpProxy:
    """Answers requests for http URLs itself; CONNECT leads to the port asked for, here."""

    def __init__(self, credentials: str | None = None) -> None:
        self.credentials = credentials
        self.requests: list[Any] = []

    def __call__(self, connection: Any) -> None:
        while True:
            request = connection.read_request()
            self.requests.append(request)
            if self.credentials and request.get("Proxy-Authorization") != self.credentials:
                connection.send(
                    b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=p\r\n"
                    b"Content-Length: 0\r\n\r\n"
                )
            elif request.method == "CONNECT":
                connection.send(b"HTTP/1.1 200 Go\r\n\r\n")
                tunnel(connection.socket, int(request.target.rpartition(":")[2]))
                return
            else:
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nvia proxy")


class SocksProxy:
    """SOCKS5 (RFC 1928) with CONNECT only; whatever the address, it leads to the port here."""

    def __init__(self, credentials: tuple[str, str] | None = None) -> None:
        self.credentials = credentials
        self.asked: list[str] = []

    def __call__(self, connection: Any) -> None:
        client = connection.socket
        _, count = self._exactly(client, 2)
        methods = self._exactly(client, count)
        wanted = 2 if self.credentials else 0
        client.sendall(bytes((5, wanted if wanted in methods else 255)))
        if self.credentials:
            _, length = self._exactly(client, 2)
            name = self._exactly(client, length).decode()
            password = self._exactly(client, self._exactly(client, 1)[0]).decode()
            client.sendall(bytes((1, (name, password) != self.credentials)))
        _, _, _, kind = self._exactly(client, 4)
        if kind == 3:
            self.asked.append(self._exactly(client, self._exactly(client, 1)[0]).decode())
        else:
            self.asked.append(socket.inet_ntoa(self._exactly(client, 4)))
        (port,) = struct.unpack("!H", self._exactly(client, 2))
        client.sendall(b"\5\0\0\1" + bytes(6))
        tunnel(client, port)

    @staticmethod
    def _exactly(client: socket.socket, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = client.recv(count - len(data))
            if not more:
                raise ConnectionError("peer went away")
            data += more
        return data
