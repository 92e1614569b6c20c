"""A server that swallows bodies as fast as they come: PORT. Clients' uploads are measured on it."""

import socket
import sys
import threading

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


def talk(connection: socket.socket) -> None:
    """Answer requests until the client goes."""
    buffer = bytearray(1 << 20)
    data = b""
    with connection:
        while True:
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            head, _, data = data.partition(b"\r\n\r\n")
            fields = dict(
                line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line
            )
            if fields.get(b"expect"):
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            if fields.get(b"transfer-encoding"):
                data = swallow_chunks(connection, data, buffer)
            else:
                data = swallow(connection, data, int(fields.get(b"content-length", 0)), buffer)
            connection.sendall(ANSWER)


def swallow(connection: socket.socket, data: bytes, length: int, buffer: bytearray) -> bytes:
    """Read a body of known length, of which some is there; return what follows."""
    missing = length - len(data)
    while missing > 0:
        count = connection.recv_into(buffer, min(missing, len(buffer)))
        if not count:
            break
        missing -= count
    return data[length:]


def swallow_chunks(connection: socket.socket, data: bytes, buffer: bytearray) -> bytes:
    """Read a body in chunks: until the last one, which no data here looks like."""
    while not data.endswith(b"0\r\n\r\n"):
        count = connection.recv_into(buffer)
        if not count:
            break
        data = (data + buffer[max(0, count - 16) : count])[-16:]
    return b""


def main() -> None:
    """Serve, a thread for each connection."""
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=talk, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
