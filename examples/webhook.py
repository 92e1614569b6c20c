"""A webhook that checks the signature of what it is sent, as GitHub signs it.

    SECRET=... python examples/webhook.py [PORT]

A delivery is answered at once and worked on afterwards, and only once.
"""

import hashlib
import hmac
import os
import sys

import bladehttp as http

SECRET = os.environ.get("SECRET", "shared with the sender").encode()

server = http.server(int(sys.argv[1]) if sys.argv[1:] else 3000)
server.max_body_size = 1_000_000
seen = set()


@server.before_request
def verify(request, response):
    signature = "sha256=" + hmac.new(SECRET, request.raw_body, hashlib.sha256).hexdigest()
    received = request.headers.get("X-Hub-Signature-256", "")
    if not hmac.compare_digest(signature.encode(), received.encode()):
        http.abort(401, "wrong signature")


@server.handle("POST", "/hook")
def receive(request, response):
    delivery = request.headers["X-GitHub-Delivery"]
    response.status = http.ACCEPTED
    if delivery not in seen:
        seen.add(delivery)
        server.call_soon(lambda: work(request.headers["X-GitHub-Event"], request.body))


def work(event, payload):
    print(event, payload, flush=True)


if __name__ == "__main__":
    server.listen(
        signals=True, ready=lambda: print(f"Listening on Port {server.port}...", flush=True)
    )
