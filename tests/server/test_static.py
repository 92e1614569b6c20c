import contextlib
import errno
import gzip
import os
import re
import resource
import threading
import time
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from support import wait_until

from bladehttp.server import HttpServer
from bladehttp.server._connection.outbox import JOINED
from bladehttp.server._files import file_response as entity_tags

OLD = 1_000_000_000
OLD_DATE = "Sun, 09 Sep 2001 01:46:40 GMT"
LONG = 3 * 1024 * 1024 + 17


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with files of a known time."""
    for name, content in {
        "index.html": b"<h1>Home</h1>",
        "a.txt": b"0123456789",
        "empty.css": b"",
        "sub/index.html": b"<h1>Sub</h1>",
        "sub/deeper/page.html": b"deep",
        "bare/x.bin": b"x",
        "long.bin": os.urandom(LONG),
    }.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (OLD, OLD))
    return tmp_path / "site"


@pytest.fixture
def files(serve, site):
    """Start a server of the site, at "/" unless said otherwise."""

    def start(base: str = "/", handler: Any = None, secure: bool = False, **options) -> HttpServer:
        server = serve(handler, secure=secure)
        server.serve_files(base, site, **options)
        return server

    return start


@pytest.fixture(params=["plain", "tls"])
def secure(request) -> bool:
    return request.param == "tls"


def test_a_file_is_sent_with_what_is_known_of_it(files, connect):
    response = connect(files()).get("/a.txt").response()
    etag = response.get("ETag")
    assert (response.status, response.body) == (200, b"0123456789")
    assert {name: value for name, value in response.header.items() if name != "date"} == {
        "content-type": "text/plain; charset=utf-8",
        "x-powered-by": "Blade",
        "last-modified": OLD_DATE,
        "etag": etag,
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "cache-control": "no-cache",
        "content-length": "10",
    }
    assert etag.startswith('"')
    assert etag.endswith('"')


@pytest.mark.parametrize("path", ["/a.txt", "/", "/sub/", "/long.bin", "/empty.css"])
def test_head_has_the_fields_of_get_and_no_content(files, connect, path):
    client = connect(files())
    get = client.get(path).response()
    head = client.get(path, "Range: bytes=0-1", method="HEAD").response("HEAD")
    assert head.header | {"date": ""} == get.header | {"date": ""}
    assert (head.status, head.body) == (200, b"")
    assert client.get("/a.txt").response().body == b"0123456789"


@pytest.mark.parametrize(
    ("base", "path", "body"),
    [
        ("/", "/a.txt", b"0123456789"),
        ("/", "/a%2etxt", b"0123456789"),
        ("/", "/sub%2Fdeeper/page.html", b"deep"),
        ("/", "/a.txt?version=2", b"0123456789"),
        ("/", "/", b"<h1>Home</h1>"),
        ("/", "/sub/", b"<h1>Sub</h1>"),
        ("/", "/index.html", b"<h1>Home</h1>"),
        ("/static", "/static/a.txt", b"0123456789"),
        ("/static/", "/static/a.txt", b"0123456789"),
        ("static", "/static/sub/deeper/page.html", b"deep"),
        ("", "/a.txt", b"0123456789"),
        ("/x/y", "/x/y/", b"<h1>Home</h1>"),
        ("/a b", "/a%20b/a.txt", b"0123456789"),
    ],
)
def test_files_are_below_the_base_path(files, connect, base, path, body):
    response = connect(files(base)).get(path).response()
    assert (response.status, response.body) == (200, body)


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("/", "/none"),
        ("/", "/none/"),
        ("/", "/bare/"),
        ("/", "/a.txt/"),
        ("/", "/a.txt/x"),
        ("/", "/" + "n" * 300),
        ("/", "//none.txt"),
        ("/", "/sub//none/"),
        ("/", "//..//a.txt"),
        ("/static", "/a.txt"),
        ("/static", "/staticky/a.txt"),
        ("/static", "/static/static/a.txt"),
    ],
)
def test_what_is_not_there_is_for_none_handler(files, connect, base, path):
    server = files(base)
    server.none_handler(lambda request, response: response.write("nothing"))
    response = connect(server).get(path).response()
    assert (response.status, response.body) == (200, b"nothing")


@pytest.mark.parametrize(
    ("base", "path", "location"),
    [
        ("/", "/sub", "sub/"),
        ("/", "/sub/deeper?a=b&c", "deeper/?a=b&c"),
        ("/", "/bare", "bare/"),
        ("/static", "/static", "static/"),
        ("/x/y", "/x/y?", "y/?"),
        ("/a b", "/a%20b", "a%20b/"),
        ("/", "/sub%2fdeeper", "sub%2fdeeper/"),
    ],
)
def test_a_directory_is_sent_to_its_slash(files, connect, base, path, location):
    client = connect(files(base))
    for method in ("GET", "HEAD"):
        response = client.get(path, method=method).response(method)
        assert (response.status, response.get("Location")) == (301, location)


def test_a_location_is_never_another_host(files, connect, site):
    (site / "evil:80").mkdir()
    client = connect(files())
    for path in ("//example.com", "//example.com/%2e%2e", "/\\example.com", "/%5Csub"):
        assert client.get(path).response().status == 404
    assert client.get("/evil:80").response().get("Location") == "evil%3A80/"
    assert client.get("//evil:80").response().get("Location") == "/evil%3A80"


@pytest.mark.parametrize(
    ("base", "path", "location"),
    [
        ("/", "//a.txt", "/a.txt"),
        ("/", "///sub////deeper/page.html?a=//b", "/sub/deeper/page.html?a=//b"),
        ("/", "/sub//", "/sub/"),
        ("/", "/%2fa.txt", "/a.txt"),
        ("/static", "/static//a.txt", "/static/a.txt"),
    ],
)
def test_several_slashes_are_redirected_to_one(files, connect, base, path, location):
    response = connect(files(base)).get(path).response()
    assert (response.status, response.get("Location")) == (301, location)


def path_of(site, name):
    return site / os.fsdecode(name)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"12:30:00.log", "/12:30:00.log"),
        (b"aux.js", "/aux.js"),
        (b"CON", "/CON"),
        (b"nul.tar.gz", "/nul.tar.gz"),
        (b"a.", "/a."),
        (b"a.txt ", "/a.txt%20"),
        (b"caf\xe9.txt", "/caf%E9.txt"),
        (b"caf\xe9.txt", "/caf\xe9.txt"),
        (b"\xff\xfe", "/%ff%FE"),
        ("é".encode(), "/%C3%A9"),
        (b"%ff", "/%25ff"),
    ],
)
def test_every_name_that_posix_has_is_served(files, connect, site, name, path):
    path_of(site, name).write_bytes(b"found")
    client = connect(files(listing=True, index=None))
    response = client.get(path).response()
    assert (response.status, response.body) == (200, b"found")
    links = re.findall(rb'href="([^"]+)"', client.get("/").response().body)
    assert name in [unquote_to_bytes(link) for link in links]


def test_directory_whose_name_is_not_utf_8_is_sent_to_its_slash(files, connect, site):
    path_of(site, b"\xff").mkdir()
    client = connect(files(listing=True))
    assert client.get("/%ff").response().get("Location") == "%ff/"
    assert client.get("/%ff/").response().status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
@pytest.mark.parametrize("path", ["/a.txt", "/none"])
def test_other_methods_are_not_allowed(files, connect, method, path):
    response = connect(files()).get(path, "Content-Length: 0", method=method).response()
    assert (response.status, response.get("Allow")) == (405, "GET, HEAD, OPTIONS")


def test_other_routes_come_first_unless_they_are_shorter(files, connect):
    server = files("/static/")
    server.handle("GET", "/static/a.txt", lambda request, response: response.write("exact"))
    server.handle("GET", "/static/{name}/x", lambda request, response: response.write("template"))
    server.handle("GET", "/static/api/", lambda request, response: response.write("longer"))
    server.handle("GET", "/", lambda request, response: response.write("shorter"))
    client = connect(server)
    for path, body in {
        "/static/a.txt": b"exact",
        "/static/sub/x": b"template",
        "/static/api/y": b"longer",
        "/static/sub/": b"<h1>Sub</h1>",
        "/": b"shorter",
    }.items():
        assert client.get(path).response().body == body


def test_a_request_that_an_on_receive_has_answered_is_left_to_it(files, connect):
    def guard(request, response):
        response.headers["Cache-Control"] = "private"
        if request.path.startswith("/sub"):
            response.status = 403
        if request.path == "/mine":
            response.write("mine")
        if request.path == "/streamed":
            response.stream([b"streamed"])
        if request.path == "/later":
            deferred = response.defer()
            response.write("later")
            deferred.send()

    client = connect(files(handler=guard))
    refused = client.get("/sub/").response()
    served = client.get("/a.txt").response()
    assert (refused.status, refused.body) == (403, b"")
    assert (served.body, served.get("Cache-Control")) == (b"0123456789", "private")
    for path in ("/mine", "/streamed", "/later"):
        assert client.get(path).response().body == path[1:].encode()
    assert client.get("/none").response().status == 404


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({}, {"cache-control": "no-cache", "etag": True}),
        ({"cache_age": 3600}, {"cache-control": "max-age=3600", "etag": True}),
        ({"tag": True}, {"cache-control": "no-cache", "etag": True}),
        ({"tag": False}, {"cache-control": "no-cache", "etag": False}),
    ],
    ids=str,
)
def test_cache_age_and_tag(files, connect, options, fields):
    response = connect(files(**options)).get("/a.txt").response()
    assert response.get("Cache-Control") == fields["cache-control"]
    assert ("etag" in response.header) is fields["etag"]


def test_another_index_or_none(files, connect):
    assert connect(files(index="a.txt")).get("/").response().body == b"0123456789"
    assert connect(files(index=None)).get("/").response().status == 404


def test_an_index_that_is_a_directory_is_none(files, connect, site):
    client = connect(files(index="deeper", listing=True))
    assert client.get("/sub/").response().status == 404


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x.html", "text/html; charset=utf-8"),
        ("X.HTM", "text/html; charset=utf-8"),
        ("x.css", "text/css; charset=utf-8"),
        ("x.js", "text/javascript; charset=utf-8"),
        ("x.mjs", "text/javascript; charset=utf-8"),
        ("x.json", "application/json"),
        ("x.svg", "image/svg+xml"),
        ("x.wasm", "application/wasm"),
        ("x.woff2", "font/woff2"),
        ("x.webp", "image/webp"),
        ("x.mp4", "video/mp4"),
        ("x.tar.gz", "application/gzip"),
        ("x.html.gz", "application/gzip"),
        ("x.js.br", "application/octet-stream"),
        ("x.unknown", "application/octet-stream"),
        ("README", "text/plain; charset=utf-8"),
        ("x.ts", "text/plain; charset=utf-8"),
        ("Makefile", "text/plain; charset=utf-8"),
    ],
)
def test_the_type_is_by_name(files, connect, site, name, kind):
    (site / name).write_bytes(b"")
    assert connect(files()).get(f"/{name}").response().get("Content-Type") == kind


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("/", "/no/such/directory"), NotADirectoryError),
        (("/", __file__), NotADirectoryError),
        ((None, "."), TypeError),
        (("/", "."), None),
        (("/", ".", "1"), TypeError),
        (("/", ".", 1.5), TypeError),
        (("/", ".", -1), ValueError),
        (("/", ".", 0, "tag"), TypeError),
        (("/", ".", 0, None, 1), TypeError),
        (("/{name}/", "."), ValueError),
    ],
    ids=str,
)
def test_arguments_are_checked_when_they_are_given(arguments, error):
    server = HttpServer(0)
    if error is None:
        assert server.serve_files(*arguments) is None
        return
    with pytest.raises(error):
        server.serve_files(*arguments)


def test_a_system_without_openat_is_told_so(monkeypatch):
    monkeypatch.setattr(os, "supports_dir_fd", set())
    with pytest.raises(NotImplementedError, match="openat"):
        HttpServer(0).serve_files("/", ".")


# Conditions


def fetched(client, path: str = "/a.txt", *fields: str) -> Any:
    return client.get(path, *fields).response()


def test_what_the_client_has_is_not_sent_again(files, connect):
    client = connect(files(cache_age=60))
    tag = fetched(client).get("ETag")
    for field in (f"If-None-Match: {tag}", f"If-Modified-Since: {OLD_DATE}", "If-None-Match: *"):
        response = fetched(client, "/a.txt", field)
        assert (response.status, response.body) == (304, b"")
        assert {name for name, _ in response.fields} == {
            "X-Powered-By",
            "Last-Modified",
            "ETag",
            "X-Content-Type-Options",
            "Cache-Control",
            "Date",
        }
    assert fetched(client, "/a.txt", 'If-None-Match: "other"').status == 200


def test_what_is_not_what_the_client_expects_is_not_sent(files, connect):
    client = connect(files())
    tag = fetched(client).get("ETag")
    refused = fetched(client, "/a.txt", 'If-Match: "other"')
    assert (refused.status, refused.body) == (412, b"412 - Precondition Failed.")
    assert fetched(client, "/a.txt", f"If-Match: {tag}").status == 200
    early = "If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT"
    assert fetched(client, "/a.txt", early).status == 412


def test_tag_is_the_same_wherever_the_file_has_its_time_and_size(files, connect, site):
    client = connect(files())
    before = fetched(client).get("ETag")
    (site / "copy").write_bytes(b"0123456789")
    os.utime(site / "copy", (OLD, OLD))
    (site / "copy").rename(site / "a.txt")
    assert fetched(client).get("ETag") == before
    os.utime(site / "a.txt", (OLD, OLD + 1))
    assert fetched(client).get("ETag") != before


def test_tag_by_content_is_the_same_whatever_the_time(files, connect, site):
    client = connect(files(tag="content"))
    before = fetched(client).get("ETag")
    os.utime(site / "a.txt", (OLD, OLD + 1))
    assert [fetched(client).get("ETag") for _ in range(2)] == [before] * 2
    assert fetched(client, "/a.txt", f"If-None-Match: {before}").status == 304
    (site / "a.txt.gz").write_bytes(b"0123456789")
    assert fetched(client, "/a.txt", "Accept-Encoding: gzip").get("ETag") != before


def test_tag_by_content_of_a_long_file_is_that_by_time(files, connect, site, monkeypatch):
    monkeypatch.setattr(entity_tags, "MOST_HASHED", 5)
    monkeypatch.setattr(entity_tags, "MOST_DIGESTS", 1)
    tags = [fetched(connect(files(tag=tag))).get("ETag") for tag in ("content", True)]
    assert tags[0] == tags[1]
    client = connect(files(tag="content"))
    assert fetched(client, "/empty.css").get("ETag") == fetched(client, "/empty.css").get("ETag")


STALE = ("ETag", "Last-Modified", "Accept-Ranges", "Expires", "Content-Encoding")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (('If-Match: "x"',), 412),
        (("If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT",), 412),
        (("Range: bytes=5000-",), 416),
        (("Range: bytes=5000-", "Accept-Encoding: gzip"), 416),
        (('If-Match: "x"', "Accept-Encoding: gzip"), 412),
    ],
    ids=str,
)
@pytest.mark.parametrize("guarded", [False, True], ids=["alone", "with fields set before"])
def test_error_is_not_to_be_kept_in_place_of_the_file(
    files, connect, compressed, fields, status, guarded
):
    def set_fields(request, response):
        response.headers["Cache-Control"] = "public, max-age=86400"
        response.headers["Expires"] = "Fri, 01 Jan 2100 00:00:00 GMT"

    response = fetched(
        connect(files(cache_age=3600, handler=set_fields if guarded else None)), "/a.txt", *fields
    )
    assert (response.status, response.get("Cache-Control")) == (status, "no-store")
    assert [name for name in STALE if response.get(name)] == []


def test_what_is_not_there_is_not_to_be_kept(files, connect):
    client = connect(files(cache_age=3600))
    assert fetched(client, "/none").get("Cache-Control") == "no-store"
    assert client.get(method="POST").response().get("Cache-Control") == "no-store"


def test_the_tag_by_content_changes_though_size_and_time_stay(files, connect, site):
    client = connect(files(tag="content"))
    before = fetched(client).get("ETag")
    (site / "a.txt").write_bytes(b"9876543210")
    os.utime(site / "a.txt", (OLD, OLD))
    written = fetched(client).get("ETag")
    (site / "new").write_bytes(b"5555555555")
    os.utime(site / "new", (OLD, OLD))
    (site / "new").rename(site / "a.txt")
    assert len({before, written, fetched(client).get("ETag")}) == 3


def test_a_file_of_the_future_was_modified_now(files, connect, site):
    os.utime(site / "a.txt", (time.time() + 10**6, time.time() + 10**6))
    response = fetched(connect(files()))
    assert response.get("Last-Modified") == response.get("Date")


# Ranges


@pytest.mark.parametrize(
    ("value", "body", "where"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=5-", b"56789", "bytes 5-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=9-9", b"9", "bytes 9-9/10"),
        ("bytes=0-", b"0123456789", "bytes 0-9/10"),
        ("bytes=-100", b"0123456789", "bytes 0-9/10"),
        ("bytes=1-1, 100-", b"1", "bytes 1-1/10"),
    ],
)
def test_one_range(files, connect, value, body, where):
    response = fetched(connect(files()), "/a.txt", f"Range: {value}")
    assert (response.status, response.body) == (206, body)
    assert response.get("Content-Range") == where
    assert response.get("Content-Type") == "text/plain; charset=utf-8"
    assert response.get("ETag")


@pytest.mark.parametrize("value", ["bytes=10-", "bytes=-0", "bytes=99-100,10-"])
def test_a_range_that_nothing_is_in(files, connect, value):
    response = fetched(connect(files()), "/a.txt", f"Range: {value}")
    assert (response.status, response.get("Content-Range")) == (416, "bytes */10")
    assert response.body == b"416 - Requested Range Not Satisfiable."


@pytest.mark.parametrize(
    "value", ["bytes=0-5,3-8", "lines=0-5", "bytes=5-2", "bytes=" + ",".join("0-0" * 40), "x"]
)
def test_a_range_field_that_is_ignored(files, connect, value):
    response = fetched(connect(files()), "/a.txt", f"Range: {value}")
    assert (response.status, response.body) == (200, b"0123456789")


def parts(response) -> list[Message]:
    head = f"Content-Type: {response.get('Content-Type')}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + response.body)
    assert not message.defects
    return list(message.walk())[1:]


def test_several_ranges_are_parts(files, connect):
    response = fetched(connect(files()), "/a.txt", "Range: bytes=8-, 0-1,-5")
    assert response.status == 200  # the last overlaps the first
    response = fetched(connect(files()), "/a.txt", "Range: bytes=8-, 0-1, 3-5")
    assert (response.status, response.get("Content-Range")) == (206, None)
    assert [
        (part["Content-Type"], part["Content-Range"], part.get_payload(decode=True))
        for part in parts(response)
    ] == [
        ("text/plain; charset=utf-8", "bytes 8-9/10", b"89"),
        ("text/plain; charset=utf-8", "bytes 0-1/10", b"01"),
        ("text/plain; charset=utf-8", "bytes 3-5/10", b"345"),
    ]


def test_ranges_of_a_long_file(files, connect, site, secure):
    content = (site / "long.bin").read_bytes()
    client = connect(files(secure=secure))
    middle = fetched(client, "/long.bin", f"Range: bytes=100-{LONG - 101}")
    assert (middle.status, middle.body) == (206, content[100:-100])
    several = fetched(client, "/long.bin", f"Range: bytes=0-{JOINED},{LONG - JOINED}-")
    assert [part.get_payload(decode=True) for part in parts(several)] == [
        content[: JOINED + 1],
        content[-JOINED:],
    ]
    assert fetched(client, "/long.bin").body == content


def test_if_range_decides_between_the_range_and_the_whole(files, connect, site):
    client = connect(files())
    tag = fetched(client).get("ETag")
    wanted = "Range: bytes=0-1"
    assert fetched(client, "/a.txt", wanted, f"If-Range: {tag}").status == 206
    assert fetched(client, "/a.txt", wanted, f"If-Range: {OLD_DATE}").status == 206
    assert fetched(client, "/a.txt", wanted, 'If-Range: "other"').status == 200
    assert fetched(client, "/a.txt", wanted, f"If-Range: W/{tag}").status == 200
    (site / "a.txt").write_bytes(b"abcdefghij")
    changed = fetched(client, "/a.txt", wanted, f"If-Range: {tag}")
    assert (changed.status, changed.body) == (200, b"abcdefghij")


def test_a_condition_comes_before_the_range(files, connect):
    client = connect(files())
    tag = fetched(client).get("ETag")
    assert fetched(client, "/a.txt", "Range: bytes=0-1", f"If-None-Match: {tag}").status == 304
    assert fetched(client, "/a.txt", "Range: bytes=50-", 'If-Match: "other"').status == 412


# Compressed siblings


@pytest.fixture
def compressed(site: Path) -> bytes:
    content = gzip.compress(b"0123456789", mtime=0)
    for name in ("a.txt.gz", "long.bin.gz"):
        (site / name).write_bytes(content)
        os.utime(site / name, (OLD, OLD))
    (site / "a.txt.br").write_bytes(b"br")
    return content


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0.5, gzip", "gzip"),
        ("br;q=0, gzip;q=0", None),
        ("zstd", None),
    ],
)
def test_a_compressed_sibling_is_sent_to_who_takes_it(files, connect, compressed, accepted, coding):
    response = fetched(connect(files()), "/a.txt", f"Accept-Encoding: {accepted}")
    body = {"br": b"br", "gzip": compressed, None: b"0123456789"}[coding]
    assert (response.status, response.body) == (200, body)
    assert response.get("Content-Encoding") == coding
    assert response.get("Vary") == "Accept-Encoding"
    assert response.get("Content-Type") == "text/plain; charset=utf-8"


def test_a_sibling_has_its_own_tag_and_ranges(files, connect, compressed):
    client = connect(files())
    plain = fetched(client)
    packed = fetched(client, "/a.txt", "Accept-Encoding: gzip")
    part = fetched(client, "/a.txt", "Accept-Encoding: gzip", "Range: bytes=0-1")
    known = fetched(
        client, "/a.txt", "Accept-Encoding: gzip", f"If-None-Match: {plain.get('ETag')}"
    )
    missed = fetched(client, "/a.txt", "Accept-Encoding: gzip", "Range: bytes=5000-")
    assert plain.get("ETag") != packed.get("ETag")
    assert (part.status, part.body, part.get("Content-Encoding")) == (206, compressed[:2], "gzip")
    assert known.status == 200
    assert (missed.status, missed.get("Content-Encoding")) == (416, None)


def test_a_file_without_siblings_does_not_vary(files, connect, compressed):
    response = fetched(connect(files()), "/sub/", "Accept-Encoding: gzip")
    assert (response.get("Vary"), response.get("Content-Encoding")) == (None, None)


def test_a_sibling_of_an_earlier_version_is_not_sent(files, connect, compressed, site):
    os.utime(site / "a.txt", (OLD + 1, OLD + 1))
    response = fetched(connect(files()), "/a.txt", "Accept-Encoding: gzip")
    assert (response.body, response.get("Content-Encoding")) == (b"0123456789", None)


def test_a_sibling_that_is_no_file_is_not_sent(files, connect, site):
    (site / "a.txt.br").mkdir()
    os.mkfifo(site / "a.txt.gz")
    assert fetched(connect(files()), "/a.txt", "Accept-Encoding: gzip, br").body == b"0123456789"


# When the system has no more


@contextlib.contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Let this process open so many more files, and no more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("count", [0, 1])
def test_what_the_system_cannot_do_is_an_error_and_not_missing(files, connect, count):
    server = files()
    errors = []
    server.on_error(lambda error, client: errors.append(error.errno))
    client = connect(server)
    assert fetched(client).status == 200
    with descriptors_left(count):
        assert fetched(client).status == 503
    assert errors == [errno.EMFILE]
    assert fetched(client).status == 200


def test_a_sibling_that_cannot_be_opened_is_not_sent(files, connect, compressed):
    client = connect(files())
    assert fetched(client, "/a.txt", "Accept-Encoding: gzip").get("Content-Encoding") == "gzip"
    with descriptors_left(2):
        response = fetched(client, "/a.txt", "Accept-Encoding: gzip")
    assert (response.body, response.get("Content-Encoding")) == (b"0123456789", None)


def test_a_name_that_the_file_system_cannot_have_is_not_there(files, connect):
    def rewrite(request, response):
        request.path = "/\ud800"

    assert fetched(connect(files(handler=rewrite))).status == 404


# While it is sent


def test_a_file_that_shrinks_cuts_the_connection(serve, connect, site, secure):
    server = serve(secure=secure)
    errors: list[Exception] = []
    server.on_error(lambda error, client: errors.append(error))
    server.serve_files("/", site)
    (site / "huge.bin").write_bytes(bytes(40_000_000))
    client = connect(server).get("/huge.bin")
    client.take(1000)
    os.truncate(site / "huge.bin", 1_000_000)
    received = 1000
    try:
        while data := client.socket.recv(1 << 20):
            received += len(data)
    except OSError:
        pass
    assert received < 40_000_000
    wait_until(lambda: errors)
    assert connect(server).get("/a.txt").response().body == b"0123456789"


def test_a_file_that_grows_is_sent_as_it_was_announced(files, connect, site, secure):
    size = 8_000_000
    (site / "growing.bin").write_bytes(b"a" * size)
    client = connect(files(secure=secure)).get("/growing.bin")
    while client.line():
        pass
    with (site / "growing.bin").open("ab") as file:
        file.write(b"b" * 1_000_000)
    assert set(client.take(size)) == {ord("a")}
    assert client.get("/a.txt").response().body == b"0123456789"


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_large_file_takes_little_memory(files, connect, site, secure):
    size = 100 * 1024 * 1024
    with (site / "sparse.bin").open("wb") as file:
        file.truncate(size)
    client = connect(files(secure=secure))
    fetched(client, "/long.bin")
    buffer = bytearray(1 << 20)
    before = peak = resident()
    client.get("/sparse.bin")
    received = 0
    while received < size:
        received += client.socket.recv_into(buffer)
        peak = max(peak, resident())
    assert peak - before < 8 * 1024 * 1024


def test_a_client_that_leaves_lets_go_of_the_file(files, connect):
    server = files()
    client = connect(server).get("/long.bin")
    client.take(1000)
    client.close()  # leaves_nothing counts the descriptors
    assert connect(server).get("/a.txt").response().status == 200


def test_others_are_answered_while_a_slow_client_takes_a_file(files, connect):
    server = files()
    slow = connect(server).get("/long.bin")
    slow.take(10)
    start = time.monotonic()
    for _ in range(20):
        assert connect(server).get("/a.txt").response().status == 200
    assert time.monotonic() - start < 1
    assert threading.active_count() < 10
