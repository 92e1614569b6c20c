"""nginx: its configuration, as a peer and as what clients are measured against."""

import json
from pathlib import Path

from benchmarks.model import AbsentError

PROGRAMS = ("/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx")

CONFIGURATION = """\
daemon off;
worker_processes 1;
pid %(directory)s/nginx.pid;
error_log %(directory)s/error.log;
events { worker_connections 8192; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    keepalive_timeout 600s;
    http2_max_requests 100000000;
    http2_max_concurrent_streams 128;
    default_type text/plain;
    types { application/json json; }
    client_body_temp_path %(directory)s;
    proxy_temp_path %(directory)s;
    fastcgi_temp_path %(directory)s;
    uwsgi_temp_path %(directory)s;
    scgi_temp_path %(directory)s;
    server {
        listen 127.0.0.1:%(port)d backlog=4096;
        listen 127.0.0.1:%(tls_port)d ssl backlog=4096;
        listen 127.0.0.1:%(http2_port)d ssl http2 backlog=4096;
        ssl_certificate %(pem)s;
        ssl_certificate_key %(pem)s;
        root %(directory)s;
        location = / { return 200 "Hello, world!"; }
        location /products/ { return 200 "Hello, world!"; }
        location = /json { default_type application/json; return 200 '%(json)s'; }
        location = /hop0 { return 200 "Hello, world!"; }
        %(hops)s
    }
}
"""

HOPS = 5


def one_kilobyte_of_json() -> str:
    """Return what /json answers."""
    user = {"id": 1234, "name": "Ada Lovelace", "roles": ["admin", "editor"], "active": True}
    return json.dumps({"users": [{**user, "id": number} for number in range(11)]})


def program() -> str:
    """Return where nginx is.

    Raises:
        AbsentError: Nowhere.
    """
    for path in PROGRAMS:
        if Path(path).exists():
            return path
    raise AbsentError("nginx is not here; Debian, Ubuntu: apt-get install nginx-light")


def configure(directory: Path, pem: str, port: int, tls_port: int, http2_port: int) -> str:
    """Write the configuration into a directory, whose files are served, and return its path."""
    hops = " ".join(
        f"location = /hop{number} {{ return 302 /hop{number - 1}; }}"
        for number in range(1, HOPS + 1)
    )
    path = directory / f"nginx-{port}.conf"
    path.write_text(
        CONFIGURATION
        % {
            "directory": directory,
            "port": port,
            "tls_port": tls_port,
            "http2_port": http2_port,
            "pem": pem,
            "json": one_kilobyte_of_json(),
            "hops": hops,
        }
    )
    return str(path)
