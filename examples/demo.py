"""A server on a free port, real requests to it, and a table of what went over.

`make run` runs this. It ends with 0 if every answer was the expected one.
"""

import json
import sys
import tempfile
from pathlib import Path

import trustme

import bladehttp as http


def make_server(*, secure: bool = False) -> http.HttpServer:
    """Return a server that greets, takes JSON and files, and redirects."""
    server = http.server(0, "127.0.0.1", secure)
    server.handle("GET", "/hello", lambda request, response: response.write("Hello, world!"))
    server.handle("GET", "/old", lambda request, response: response.redirect("/hello"))

    def add(request, response):
        response.json({"sum": sum(request.body["numbers"])}, http.CREATED)

    def upload(request, response):
        file = request.files["document"]
        response.json({key: file[key] for key in ("filename", "mime", "size")})

    server.handle("POST", "/sum", add)
    server.handle("POST", "/upload", upload)
    return server


def exchanges(client: http.HttpClient, base: str, directory: Path):
    """Yield (what is shown, response, whether it is as expected)."""
    response = client.get(f"{base}/hello")
    yield "GET", response, response.text == "Hello, world!"

    response = client.post(f"{base}/sum", {"numbers": [1, 2, 3]})
    yield "POST of JSON", response, response.status == 201 and response.json() == {"sum": 6}

    document = directory / "notes.txt"
    document.write_text("a file of the demo\n" * 1000)
    with document.open("rb") as file:
        response = client.post(f"{base}/upload", files={"document": file})
    yield "upload of a file", response, response.json()["size"] == document.stat().st_size

    response = client.get(f"{base}/old")
    yield "redirect", response, response.redirects == 1 and response.text == "Hello, world!"


def secure_exchange(client: http.HttpClient, directory: Path):
    """Yield one exchange over TLS, with an authority that lives as long as the demo."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(directory / "server.pem"))
    server = make_server(secure=True)
    server.load_certs(str(directory / "server.pem"))
    with server:
        client.ca_cert = str(directory / "ca.pem")
        response = client.get(f"{server.url}/hello")
        yield "HTTPS", response, response.text == "Hello, world!"


def shown(body: bytes) -> str:
    """Return a body in a line."""
    text = body.decode()
    return json.dumps(json.loads(text)) if text.startswith("{") else text


def main() -> int:
    """Run every exchange and print it; return how many went wrong."""
    row = "{:<17} {:<38} {:>6} {:>9}  {}"
    print(row.format("what", "answered by", "status", "ms", "body"))
    print(row.format("-" * 17, "-" * 38, "-" * 6, "-" * 9, "-" * 40))
    wrong = 0
    with (
        tempfile.TemporaryDirectory() as name,
        http.HttpClient() as client,
        make_server() as server,
    ):
        directory = Path(name)
        for exchange in (
            exchanges(client, server.url, directory),
            secure_exchange(client, directory),
        ):
            for what, response, expected in exchange:
                wrong += not expected
                print(
                    row.format(
                        what,
                        response.responder,
                        response.status,
                        f"{response.time_taken:.2f}",
                        shown(response.body) + ("" if expected else "  <- not as expected"),
                    )
                )
    print("\nall as expected" if not wrong else f"\n{wrong} not as expected")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
