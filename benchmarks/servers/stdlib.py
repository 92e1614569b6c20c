"""Hello on http.server: APPLICATION PORT."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.servers import HELLO


class Handler(BaseHTTPRequestHandler):
    """Says hello, on connections that are kept."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one send, or each answer waits for a delayed ACK

    def do_GET(self) -> None:
        """Say hello."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(HELLO)))
        self.end_headers()
        self.wfile.write(HELLO)

    def log_message(self, *arguments: object) -> None:
        """Log nothing, as the others."""


class Server(ThreadingHTTPServer):
    """With a backlog for the load."""

    request_queue_size = 1024
    daemon_threads = True


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
