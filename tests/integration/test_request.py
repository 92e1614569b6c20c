"""Each documented property of a request, as a server's callback sees it."""

import pytest
from support import Raw

import bladehttp as http


@pytest.fixture
def seen():
    """Send raw bytes to a server and return the request its callback got."""
    requests = []
    with http.server(0) as server:
        server.on_receive(lambda request, response: requests.append((request, request.to_dict())))

        def send(data: str, check=None):
            if check is not None:
                server.on_receive(lambda request, response: check(request))
            with Raw(server.port) as client:
                client.send(data)
                assert client.response().status == 200
                seen.port = client.socket.getsockname()[1]
            return requests[-1][0]

        yield send


def ask(target="/", *fields, method="GET", version="1.1", body=""):
    lines = [f"{method} {target} HTTP/{version}", "Host: example.com:81", *fields, "", body]
    return "\r\n".join(lines)


def test_request_uri_is_the_target_as_sent(seen):
    assert seen(ask("/a%20b?x=%41&y")).request_uri == "/a%20b?x=%41&y"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/users?sort=desc", "/users"),
        ("/", "/"),
        ("/a%20b%C3%A9", "/a bé"),
        ("/%zz%20", "/%zz "),
        ("/%ff%41", "/%ffA"),
        ("/a%", "/a%"),
        ("/\xc3\xa9", "/é"),
        ("/\xff", "/\xff"),
        ("/a%2Fb", "/a/b"),
        ("//double", "//double"),
        ("/a?b?c", "/a"),
        ("http://example.com/absolute?x", "/absolute"),
        ("http://example.com", "/"),
    ],
)
def test_path_is_decoded_and_what_cannot_be_stays(seen, target, path):
    assert seen(ask(target)).path == path


def test_the_path_of_the_whole_server_is_an_asterisk(seen):
    assert seen(ask("*", method="OPTIONS")).path == "*"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "BREW"])
def test_method_is_the_method(seen, method):
    assert seen(ask(method=method)).method == method


def test_host_is_the_name_in_host(seen):
    assert seen(ask()).host == "example.com"


def test_host_is_that_of_an_absolute_target(seen):
    assert seen(ask("http://other.example:5/")).host == "other.example"


def test_host_of_an_ipv6_address_has_no_brackets(seen):
    assert seen("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").host == "::1"


def test_host_is_empty_where_none_is_sent(seen):
    assert seen("GET / HTTP/1.0\r\n\r\n").host == ""


def test_ip_and_port_are_the_clients(seen):
    with http.server(0) as server:
        requests = []
        server.on_receive(lambda request, response: requests.append(request))
        with Raw(server.port) as client:
            client.get().response()
            address = client.socket.getsockname()
    assert (requests[0].ip, requests[0].port, requests[0].ipv6) == (*address, False)


def test_headers_have_every_field_but_cookie(seen):
    headers = seen(ask("/", "X-A: 1", "x-a: 2", "Cookie: c=1")).headers
    assert headers.pairs() == [("Host", "example.com:81"), ("X-A", "1"), ("x-a", "2")]
    assert headers["X-a"] == "1, 2"


def test_queries_have_the_last_value_and_get_all_every_one(seen):
    queries = seen(ask("/?a=1&b=x%20y+z&a=2&flag&=empty")).queries
    assert queries == {"a": "2", "b": "x y z", "flag": "", "": "empty"}
    assert queries.get_all("a") == ["1", "2"]


def test_cookies_are_kept_apart(seen):
    cookies = seen(ask("/", "Cookie: a=1; b=x=y", 'Cookie: c="q"; odd; a=2')).cookies
    assert cookies == {"a": "2", "b": "x=y", "c": "q"}


@pytest.mark.parametrize(
    ("content_type", "content", "body"),
    [
        ("application/x-www-form-urlencoded", "a=1&b=x+y", {"a": "1", "b": "x y"}),
        ("application/json", '{"a": [1]}', {"a": [1]}),
        ("application/json", "5", 5),
        ("application/problem+json; charset=utf-8", '{"a": 1}', {"a": 1}),
        ("text/plain", "text", b"text"),
        ("", "text", b"text"),
    ],
)
def test_body_is_what_its_type_says(seen, content_type, content, body):
    fields = [f"Content-Length: {len(content)}"]
    if content_type:
        fields.append(f"Content-Type: {content_type}")
    assert seen(ask("/", *fields, method="POST", body=content)).body == body


def test_body_is_an_empty_dict_where_there_is_none(seen):
    assert seen(ask()).body == {}


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/json", "{"),
        ("application/json", "NaN"),
        ("application/json", "[" * 100_000),
        ("application/json", "9" * 10_000),
        ("application/json", "\xff"),
        ("multipart/form-data", "x"),
        ("multipart/form-data; boundary=x", "--x\r\n"),
    ],
)
def test_a_body_that_is_not_what_its_type_says_is_a_400(content_type, content):
    with http.server(0) as server:
        called = []
        server.on_receive(lambda request, response: response.json(request.body))
        server.on_error(lambda error, client: called.append(error))
        with Raw(server.port) as client:
            client.get(
                "/",
                f"Content-Type: {content_type}",
                f"Content-Length: {len(content)}",
                method="POST",
            )
            client.send(content)
            assert client.response().status == 400
            assert client.get().response().status == 200  # on the same connection
    assert called == []


FORM = (
    "--x\r\nContent-Disposition: form-data; name=field\r\n\r\nvalue\r\n"
    '--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
    "Content-Type: text/plain\r\n\r\nline\r\n\r\n"
    '--x\r\nContent-Disposition: form-data; name="file"; filename="b.bin"\r\n\r\nb\r\n'
    "--x--\r\n"
)


def test_files_have_what_was_uploaded(seen):
    fields = ["Content-Type: multipart/form-data; boundary=x", f"Content-Length: {len(FORM)}"]
    request = seen(ask("/", *fields, method="POST", body=FORM))
    assert request.body == {"field": "value"}
    first = {
        "name": "file",
        "filename": "a.txt",
        "mime": "text/plain",
        "content": b"line\r\n",
        "size": 6,
    }
    second = {
        "name": "file",
        "filename": "b.bin",
        "mime": "application/octet-stream",
        "content": b"b",
        "size": 1,
    }
    assert request.files == {"file": second}
    assert request.files.get_all("file") == [first, second]


def test_a_long_body_is_in_a_file_while_it_is_answered(seen):
    contents = []

    def look(request):
        contents.append((request.body, request.raw_body, request.body_file.read()))

    data = "x" * 1_200_000
    request = seen(ask("/", f"Content-Length: {len(data)}", method="POST", body=data), look)
    assert contents == [(data.encode(),) * 3]
    assert request.body_file.closed


def test_a_long_upload_is_in_a_file_while_it_is_answered(seen):
    contents = []

    def look(request):
        upload = request.files["file"]
        contents.append((upload["content"], upload["size"], len(upload["file"].read())))

    data = FORM.replace("line", "x" * 1_200_000)
    fields = ["Content-Type: multipart/form-data; boundary=x", f"Content-Length: {len(data)}"]
    data = data.replace('name="file"; filename="b.bin"', 'name="other"; filename="b.bin"')
    fields[1] = f"Content-Length: {len(data)}"
    request = seen(ask("/", *fields, method="POST", body=data), look)
    assert contents == [(b"x" * 1_200_000 + b"\r\n", 1_200_002, 1_200_002)]
    assert request.files["file"]["file"].closed


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_http_version_is_the_clients(seen, version):
    assert seen(ask(version=version)).http_version == version


def test_auth_method_is_any(seen):
    assert seen(ask()).auth_method is http.Auth.ANY


def test_trailers_are_kept_apart(seen):
    data = ask(
        "/",
        "Transfer-Encoding: chunked",
        method="POST",
        body="1\r\nx\r\n0\r\nX-Sum: 5\r\nHost: b\r\n\r\n",
    )
    request = seen(data)
    assert request.trailers.pairs() == [("X-Sum", "5")]
    assert "X-Sum" not in request.headers


def test_a_request_prints_as_method_and_path(seen):
    assert str(seen(ask("/users?x"))) == "<HttpRequest method=GET, path=/users>"


def test_every_property_can_be_assigned(seen):
    request = seen(ask("/"))
    for name in ("path", "host", "headers", "queries", "cookies", "body", "files", "method"):
        setattr(request, name, "other")
        assert getattr(request, name) == "other"
    with pytest.raises(AttributeError):
        request.pth = "misspelt"


RAW = "POST /a?b=1 HTTP/1.1\r\nHost: h\r\nCookie: c=1\r\nContent-Length: 2\r\n\r\nhi"


@pytest.mark.parametrize("data", [RAW, RAW.encode()], ids=["str", "bytes"])
def test_parse_fills_a_request_from_raw_data(data):
    request = http.HttpRequest()
    assert (request.path, request.headers.pairs()) == ("/", [])
    assert request.parse(data) is True
    assert (request.method, request.path, request.queries) == ("POST", "/a", {"b": "1"})
    assert (request.cookies, request.raw_body) == ({"c": "1"}, b"hi")


@pytest.mark.parametrize("data", ["", "GET", RAW[:-1], RAW + "x", "GET / HTTP/1.1\r\n\r\n"])
def test_parse_says_no_to_anything_else_and_changes_nothing(data):
    request = http.HttpRequest()
    assert request.parse(RAW)
    assert request.parse(data) is False
    assert request.path == "/a"


def test_parse_takes_the_address_of_a_socket(echo):
    with Raw(echo.port) as client:
        request = http.HttpRequest()
        assert request.parse(RAW, client.socket)
        assert (request.ip, request.port) == ("127.0.0.1", echo.port)
