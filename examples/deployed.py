"""One application for every way of docs/deploying.md, with a health check and metrics.

HOST=unix:/run/app/app.sock python deployed.py     by itself, behind a proxy or not
gunicorn deployed:application                      under a WSGI server
"""

import os
from collections import Counter

import bladehttp as http
from bladehttp.server import HttpServer, inherited_socket

server = HttpServer(
    int(os.environ.get("PORT", "3000")),
    os.environ.get("HOST", "127.0.0.1"),
    socket=inherited_socket(),  # from systemd; None when that has none for us
)
server.reuse_port = True
server.unix_mode = 0o660
server.trusted_proxies = ["127.0.0.1", "unix:"]
server.proxy_protocol = "PROXY_PROTOCOL" in os.environ
server.keep_alive_timeout = 75_000  # longer than nginx and HAProxy keep an idle connection
server.write_timeout = 60_000  # a proxy takes nothing while its own client is slow

answers: Counter[int] = Counter()


@server.on_reply
def count(response: http.HttpResponse) -> None:
    answers[response.status] += 1


@server.handle("GET", "/")
def hello(request: http.HttpRequest, response: http.HttpResponse) -> None:
    response.json({"ip": request.ip, "host": request.host, "scheme": request.scheme})


@server.handle("GET", "/health")
def health(request: http.HttpRequest, response: http.HttpResponse) -> None:
    response.content_type("text/plain")
    response.write("ok\n")


@server.handle("GET", "/metrics")
def metrics(request: http.HttpRequest, response: http.HttpResponse) -> None:
    """Answer in the text format of Prometheus."""
    stats = server.stats
    values = [
        ("http_requests_total", "counter", {"": stats.requests}),
        ("http_requests_refused_total", "counter", {"": stats.refused}),
        ("http_connections_total", "counter", {"": stats.connections}),
        ("http_connections_open", "gauge", {"": stats.active}),
        (
            "http_responses_total",
            "counter",
            {f'{{status="{status}"}}': number for status, number in sorted(answers.items())},
        ),
    ]
    for name, kind, samples in values:
        response.write(f"# TYPE {name} {kind}\n")
        for labels, value in samples.items():
            response.write(f"{name}{labels} {value}\n")
    response.content_type("text/plain; version=0.0.4")


application = server.wsgi

if __name__ == "__main__":
    server.listen(signals=True)
