"""A server that runs out of descriptors and serves again when there are some."""

import resource
import socket
import sys

from bladehttp.server import HttpServer

server = HttpServer(0)
server.keep_alive_timeout = 60_000
server.read_timeout = 60_000
server.on_receive(lambda request, response: response.write(b"x"))
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
with server:
    children = []
    clients = []
    for _ in range(60):  # each takes one descriptor here and one for the server's side
        try:
            client = socket.create_connection((server.host, server.port), timeout=10)
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        except OSError:
            break
        clients.append(client)
    # The server's side of some of these is in the backlog still: no descriptor was left.
    for client in clients[: len(clients) // 2]:
        client.close()
    del clients[: len(clients) // 2]
    answered = 0
    for client in clients:
        answered += client.recv(1000).startswith(b"HTTP/1.1 200 OK")
        client.close()
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")
    assert answered == len(clients), (answered, len(clients))
sys.stdout.write("answered\n")
