"""One set of callbacks, served by listen() and as a WSGI application, and what it is asked.

gunicorn imports this as a module.
"""

from pathlib import Path
from threading import Thread
from typing import NamedTuple

import bladehttp as http


def make_server() -> http.HttpServer:
    server = http.server(0)
    server.max_body_size = 200_000
    server.spool_size = 50_000
    server.max_parts = 10
    server.max_field_line = 2000
    server.decode_request_body = True
    for method, path, handler in ROUTES:
        server.handle(method, path, handler)
    server.handle("GET", "/offloaded", own_reason, offload=True)
    server.handle("GET", "/raising-offloaded", raising, offload=True)
    server.none_handler(nothing)
    server.serve_files("/static", Path(__file__).parent, cache_age=60)
    replies = []
    server.on_reply(lambda response: replies.append(response.status))

    def counted(request, response):
        response.json(replies[-1:])

    server.handle("GET", "/last-status", counted)
    return server


def echo(request, response):
    """Answer with all there is to know of a request that does not depend on who serves it."""
    file = request.body_file
    headers = sorted((name.lower(), request.headers[name]) for name in request.headers)
    response.headers["X-Echo"] = "yes"
    response.json(
        {
            "method": request.method,
            "path": request.path,
            "uri": request.request_uri,
            "host": request.host,
            "ip": request.ip,
            "port": request.port > 0,
            "ipv6": request.ipv6,
            "scheme": request.scheme,
            "version": request.http_version,
            "headers": headers,
            "queries": {name: request.queries.get_all(name) for name in request.queries},
            "cookies": request.cookies,
            "params": request.params,
            "content_type": request.content_type,
            "body": http.as_json(request.body) if isinstance(request.body, bytes) else request.body,
            "raw": http.as_json(request.raw_body),
            "in_file": None if file is None else len(file.read()),
            "files": {
                name: {key: http.as_json(value) if key == "content" else value}
                for name, upload in request.files.items()
                for key, value in upload.items()
                if key != "file"
            },
        }
    )


def nothing(request, response):
    response.write(f"nothing at {request.path}")
    response.status = 404


def with_cookies(request, response):
    response.set_cookie("a", "1", max_age=60)
    response.set_cookie("b", "2", http_only=True)
    response.headers.add("X-Several", "one")
    response.headers.add("X-Several", "two")
    response.headers["X-Latin"] = "caf\xe9"
    response.write("cookies")


def generated(request, response):
    response.stream(f"piece {number}\n" * 1000 for number in range(30))


def measured(request, response):
    response.headers["Content-Length"] = "10"
    response.stream(iter([b"12345", "", memoryview(b"67890")]))


def later(request, response):
    deferred = response.defer()
    Thread(target=lambda: (response.json("later"), deferred.send())).start()


def too_late(request, response):
    response.defer(timeout=1)


def failing_later(request, response):
    deferred = response.defer()
    Thread(target=lambda: deferred.fail(LookupError("a thread's mistake"))).start()


def written(request, response):
    events = response.events()

    def write():
        for n in range(3):
            events.send(n, event="count", id=n)
        events.close()

    Thread(target=write).start()


def own_reason(request, response):
    response.status, response.reason = 418, "Short and stout"


def with_status(request, response):
    response.status = int(request.params["status"])
    response.write("body")


def raising(request, response):
    response.write("not to be seen")
    raise LookupError("a handler's mistake")


def unsendable(request, response):
    response.headers["Content-Length"] = "3"
    response.write("four")


def hop_by_hop(request, response):
    response.headers["Connection"] = "close"
    response.write("closed")


def dated(request, response):
    response.headers["Last-Modified"] = "Sun, 06 Nov 1994 08:49:37 GMT"
    response.headers["Content-Type"] = "text/plain"


def of_length(request, response):
    response.headers["Content-Length"] = "1234"


def sends_file(request, response):
    response.file(__file__)


ROUTES = [
    *((method, "/echo/", echo) for method in ("GET", "POST", "PUT", "DELETE", "PATCH")),
    ("GET", "/users/{name}/{rest:path}", echo),
    ("GET", "/cookies", with_cookies),
    ("GET", "/generated", generated),
    ("GET", "/measured", measured),
    ("GET", "/later", later),
    ("GET", "/too-late", too_late),
    ("GET", "/failing-later", failing_later),
    ("GET", "/events", written),
    ("GET", "/reason", own_reason),
    ("GET", "/status/{status}", with_status),
    ("GET", "/raising", raising),
    ("GET", "/unsendable", unsendable),
    ("GET", "/close", hop_by_hop),
    ("GET", "/dated", dated),
    ("HEAD", "/length", of_length),
    ("GET", "/file", sends_file),
    ("GET", "/redirect", lambda request, response: response.redirect("/elsewhere", 303)),
    ("GET", "/json", lambda request, response: response.json({"ä": [1, None, "x" * 5000]}, 201)),
]


class Case(NamedTuple):
    """A request and what it is about."""

    name: str
    raw: bytes

    @property
    def method(self) -> str:
        return self.raw.split(b" ")[0].decode()


def case(name: str, line: str, *fields: str, body: bytes = b"", version: str = "1.1") -> Case:
    length = [f"Content-Length: {len(body)}"] if body else []
    head = [f"{line} HTTP/{version}", "Host: example.com", *fields, *length, "", ""]
    return Case(name, "\r\n".join(head).encode("latin-1") + body)


def multipart(*parts: str) -> bytes:
    return ("".join(f"--b\r\n{part}\r\n" for part in parts) + "--b--\r\n").encode()


FORM = "Content-Type: application/x-www-form-urlencoded"
JSON = "Content-Type: application/json"
PARTS = "Content-Type: multipart/form-data; boundary=b"
NAMED = 'Content-Disposition: form-data; name="{}"'
UPLOAD = f'{NAMED.format("f")}; filename="ä.txt"\r\nContent-Type: text/x-a\r\n\r\n'
CHUNKED = "Transfer-Encoding: chunked"

REFUSED_BY_GUNICORN = [
    case("octets beyond ASCII in a path", "GET /echo/\xc3\xa4"),
    case("unsupported expectation", "POST /echo/", "Expect: miracles", body=b"a"),
]

CASES = [
    case("plain get", "GET /echo/"),
    case("a query", "GET /echo/?a=1&b=two&a=3&empty=&plus=a+b&%C3%A4=%E2%82%AC"),
    case("a query that is none", "GET /echo/?just-text"),
    case("an empty query", "GET /echo/?"),
    case("question marks in a query", "GET /echo/?a=?b?c"),
    case("an encoded path", "GET /echo/%C3%A4%20b/%2F/%3F"),
    case("a path that cannot be decoded", "GET /echo/%FF/%zz/%"),
    case("unusual characters of a path", "GET /echo/a;b=c,d:e@f&g=$h!'(i)*+~"),
    case("dots of a path", "GET /echo/../a/./b"),
    case("several slashes", "GET //echo//a"),
    case("an absolute target", "GET http://other.example:8080/echo/a?b=c"),
    case("params of a route", "GET /users/%C3%A4da/a/b%20c"),
    case("fields", "GET /echo/", "Accept: text/html, */*", "X-One: 1", "User-Agent: test (a; b)"),
    case("an empty field", "GET /echo/", "X-Empty:", "X-Spaces:    a  b   "),
    case("octets beyond ASCII in a field", "GET /echo/", "X-Latin: caf\xe9"),
    case("cookies", "GET /echo/", 'Cookie: a=1; b="two"; c=x=y; bad; d='),
    case("HTTP/1.0", "GET /echo/", version="1.0"),
    case("a host with a port", "GET /echo/", "X-Forwarded-For: 1.2.3.4"),
    case("a form", "POST /echo/", FORM, body=b"a=1&b=%C3%A4&a=2&c=+"),
    case("JSON", "POST /echo/", JSON, body=b'{"a": [1, 2.5, "\xc3\xa4", null]}'),
    case("JSON of a kind", "PUT /echo/", "Content-Type: application/ld+json", body=b'{"a": 1}'),
    case("broken JSON", "POST /echo/", JSON, body=b'{"a": '),
    case("bytes", "PATCH /echo/", "Content-Type: image/png", body=bytes(range(256))),
    case("a body without a type", "DELETE /echo/", body=b"text"),
    case("an empty body", "POST /echo/", "Content-Length: 0"),
    case("a body in a file", "POST /echo/", "Content-Type: a/b", body=b"x" * 60_000),
    case("a body over the limit", "POST /echo/", "Content-Type: a/b", body=b"x" * 200_001),
    case("multipart", "POST /echo/", PARTS, body=multipart(NAMED.format("a") + "\r\n\r\nä",
                                                           UPLOAD + "file")),
    case("a large upload", "POST /echo/", PARTS, body=multipart(UPLOAD + "x" * 60_000)),
    case("truncated multipart", "POST /echo/", PARTS, body=multipart(UPLOAD)[:-8]),
    case("too many parts", "POST /echo/", PARTS,
         body=multipart(*[NAMED.format("a") + "\r\n\r\n"] * 11)),
    case("an unknown charset", "POST /echo/", f"{FORM}; charset=idna", body=b"a=1"),
    case("an unknown content coding", "POST /echo/", "Content-Encoding: compress", body=b"a"),
    Case("chunks", case("", "POST /echo/", JSON, CHUNKED).raw
         + b'4\r\n{"a"\r\n5;x=y\r\n: [1]\r\n1\r\n}\r\n0\r\nX-Trailer: 1\r\n\r\n'),
    Case("chunks over the limit", case("", "POST /echo/", CHUNKED).raw
         + b"186a0\r\n" + b"x" * 100_000 + b"\r\n186a1\r\n" + b"x" * 100_001 + b"\r\n0\r\n\r\n"),
    case("a field over the limit", "GET /echo/", "X-Long: " + "x" * 2000),
    case("a path with no route", "GET /none?x"),
    case("a method with no route", "TRACE /echo/"),
    case("options of a path", "OPTIONS /cookies"),
    case("a raising handler", "GET /raising"),
    case("a response that cannot be sent", "GET /unsendable"),
    case("cookies and repeated fields of a response", "GET /cookies"),
    case("a stream", "GET /generated"),
    case("a stream to HTTP/1.0", "GET /generated", version="1.0"),
    case("a stream of a known length", "GET /measured"),
    case("an answer given later", "GET /later"),
    case("an answer that does not come", "GET /too-late"),
    case("an answer that fails later", "GET /failing-later"),
    case("an offloaded handler", "GET /offloaded"),
    case("an offloaded handler that raises", "GET /raising-offloaded"),
    case("events", "GET /events"),
    case("head of events", "HEAD /events"),
    case("a file", "GET /file"),
    case("a static file", "GET /static/wsgi_site.py"),
    case("a range of a static file", "GET /static/wsgi_site.py", "Range: bytes=10-19"),
    case("a static file that is known", "GET /static/wsgi_site.py", "If-None-Match: *"),
    case("a static file that is not there", "GET /static/none"),
    case("head of a static file", "HEAD /static/wsgi_site.py"),
    case("head of a stream", "HEAD /generated"),
    case("head of a get", "HEAD /json"),
    case("head with a length of its own", "HEAD /length"),
    case("a reason phrase", "GET /reason"),
    case("no content", "GET /status/204"),
    case("reset content", "GET /status/205"),
    case("not modified", "GET /status/304"),
    case("a status without a name", "GET /status/299"),
    case("a status that is none", "GET /status/99"),
    case("a redirect", "GET /redirect"),
    case("JSON of a response", "GET /json"),
    case("an empty response", "GET /dated"),
    case("closing by the handler", "GET /close"),
    case("on_reply has been called", "GET /last-status"),
]  # fmt: skip


application = make_server().wsgi
